"""From a subject to a bundle: raise, run the passes, build the backend, price, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from . import __version__
from .acceptance import own_tokens
from .ir.bundle import COST, MODULE, PLAN, BundleWriter
from .ir.errors import InputError, TargetError
from .ir.signature import entries_json
from .ir.targets import Target, load
from .progress import Progress
from .subject import Subject, fingerprint

if TYPE_CHECKING:
    import numpy as np

    from .backends.cuda.cubins import Compiler
    from .backends.cuda.kernel import Arch
    from .frontend.torch_export import Raised
    from .ir.mlir import ir
    from .sim.cost.module import GroupCount


@dataclass(frozen=True)
class Making:
    """How code is made, where a user asks for another way than the usual.

    Attributes:
        tune: whether to search how contractions are best cut, or the bundle whose choices to take. CPU.
        nvcc: whether CUDA is compiled by a toolkit's nvcc instead of NVRTC, or that program.
    """

    tune: bool | str | Path = False
    nvcc: bool | str | Path = False


USUAL = Making()

_TOOLS = ("torch", "torch-mlir", "numpy", "ortools")


@dataclass
class Stages:
    """Names and wall times of what has been done, reported as it goes."""

    progress: Progress | None = None
    times: list[tuple[str, float]] = field(default_factory=list)

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one stage and keep its time."""
        if self.progress is not None:
            self.progress(name, len(self.times), None)
        start = time.perf_counter()
        result = work()
        self.times.append((name, time.perf_counter() - start))
        return result


def raise_subject(subject: Subject) -> Raised:
    """The subject as a module of Einsums, one entry function per entry point.

    Raises:
        UnsupportedOps: every operator that cannot be lowered, at once.
        InputError: the module cannot be exported.
    """
    from .frontend.torch_export import Naming, raise_entries, raise_programs

    naming = Naming(subject.output_names, {**subject.input_ranks, **subject.output_ranks}, dict(subject.pads))
    if subject.programs is not None:
        return raise_programs(subject.programs, naming=naming)
    return raise_entries(subject.module, subject.entries, naming=naming)


def machine(name: str) -> Target:
    """A target by name or file; the CPU with the figures of the machine at hand.

    Raises:
        TargetError: no such target, or a file that breaks the rules.
    """
    from .ir.targets.host import detect, specialise

    target = load(name)
    return specialise(target, detect()) if target.name == "cpu" else target


def tools() -> dict[str, str]:
    """Versions of what takes part in a compilation."""
    found = {"penstock": __version__}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def compile_model(
    subject: Subject,
    target: Target,
    out: Path,
    pipeline: str | None,
    quantize: str | None,
    precision: str,
    private: Sequence[str],
    progress: Progress | None,
    making: Making = USUAL,
    also: Also | None = None,
) -> None:
    """Compile a whole model, for a CPU or a GPU, and write the bundle; `also` adds another backend's part.

    Raises:
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """

    def start() -> Start:
        raised = raise_subject(subject)
        count = sum(parameter.numel() for parameter in subject.module.parameters())
        recipe = {
            **subject.recipe,
            "parameters": count,
            "fingerprint": fingerprint(subject.module),
            "instances": raised.instances,
        }
        return Start(raised.module, raised.params, recipe)

    _compile(start, subject.name, target, out, pipeline, quantize, precision, private, progress, making, also)


def compile_text(
    path: Path,
    target: Target,
    out: Path,
    pipeline: str | None,
    quantize: str | None,
    precision: str,
    private: Sequence[str],
    progress: Progress | None,
    making: Making = USUAL,
) -> None:
    """Compile a module's text, which brings no weights, for a CPU or a GPU and write the bundle.

    Raises:
        InputError: no valid module, or one that has parameters.
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    from .ir.entries import NAME, arguments, is_param, text_attribute
    from .ir.module import parse_module
    from .ir.steps import functions, is_entry

    text = path.read_text(encoding="utf-8")

    def start() -> Start:
        module = parse_module(text, where=str(path))
        params = [
            text_attribute(table, NAME, "?")
            for function in functions(module).values()
            if is_entry(function)
            for table in arguments(function)
            if is_param(table)
        ]
        if params:
            raise InputError(
                f"its {len(params)} parameters ({params[0]}, …) have no values",
                where=str(path),
                accepted="a module without parameters, or the PyTorch model itself",
            )
        return Start(module, {}, {})

    _compile(start, path.stem, target, out, pipeline, quantize, precision, private, progress, making)


@dataclass(frozen=True)
class Also:
    """Another backend's part of a bundle, made when the CPU's is there.

    Attributes:
        target: whose bundle it is.
        write: writes it; what the manifest says of its backends.
    """

    target: str
    write: Callable[[BundleWriter], Mapping[str, Any]]


@dataclass(frozen=True)
class Start:
    """What the passes begin with: a module, values of its parameters, and the recipe for the manifest."""

    module: ir.Module
    params: Mapping[str, np.ndarray]
    recipe: Mapping[str, Any]


def _compile(
    start: Callable[[], Start],
    name: str,
    target: Target,
    out: Path,
    pipeline: str | None,
    quantize: str | None,
    precision: str,
    private: Sequence[str],
    progress: Progress | None,
    making: Making,
    also: Also | None = None,
) -> None:
    from .backends.cpu.elements import check_elements
    from .ir.entries import read_entries
    from .ir.module import print_module
    from .ir.oblivious import map_of
    from .passes.pipeline import FULL, parse_pipeline, rounds, run_pipeline, with_options
    from .passes.precision import round_params
    from .passes.quantize.mixed import WIDTHS, budget, mix
    from .passes.quantize.params import quantize_params
    from .passes.timeline import plan_json

    backend = _backend(target, name, making)
    average = budget(quantize)
    scheme = quantize if average is None else WIDTHS[0]
    passes = parse_pipeline(with_options(pipeline, scheme, precision, private, own_tokens(target)))
    rounding = {} if rounds(passes) == FULL else {"precision": rounds(passes)}
    with BundleWriter(out) as writer:
        stages = Stages(progress)
        given = stages.run("raise", start)
        module = given.module
        if target.backend == "cpu":
            check_elements(module)
        for one in passes:
            module, _ = stages.run(one.name, lambda one=one, module=module: run_pipeline(module, [one]))
        if map_of(module) is not None and target.backend != "cpu":
            raise TargetError(f"{target.name} has no oblivious map", accepted="--target cpu or bolt-u55c")
        if average is not None:
            stages.run("formats", lambda: mix(module, given.params, average))
        quantized = stages.run("weights", lambda: quantize_params(module, given.params))
        params = (
            stages.run("round", lambda: round_params(module, quantized.arrays))
            if rounding
            else quantized.arrays
        )
        facts = backend.build(module, params, writer, stages)
        others = also.write(writer) if also is not None else {}
        entries = read_entries(module)
        writer.write_text(MODULE, print_module(module))
        writer.write_json(PLAN, plan_json(module))
        writer.write_json(COST, cost_json(module, [entry.name for entry in entries], target, stages))
        writer.commit(
            tools={**tools(), **backend.tools},
            target=also.target if also is not None else target.name,
            model={**given.recipe, **quantized.to_json(), **rounding},
            entries=entries_json(entries),
            backends={target.backend: facts, **others},
        )


class Backend(Protocol):
    """What makes code of a placed module."""

    @property
    def tools(self) -> Mapping[str, str]:
        """Versions of what it compiles with, beside those of every compilation."""
        ...

    def build(
        self, module: ir.Module, params: Mapping[str, np.ndarray], writer: BundleWriter, stages: Stages
    ) -> dict[str, Any]:
        """Write its part of the bundle; what the loader needs, for the manifest."""
        ...


def _backend(target: Target, title: str, making: Making) -> Backend:
    """The code generator of a target; what it needs and is missing is said here, before any work."""
    if target.backend == "cpu":
        return _Cpu(target, title, making)
    if target.backend == "cuda":
        return _Cuda(target, making)
    raise TargetError(
        f"{target.name} has no code generator", accepted="a target whose backend is cpu or cuda"
    )


class _Cpu:
    tools: Mapping[str, str] = MappingProxyType({})

    def __init__(self, target: Target, title: str, making: Making) -> None:
        from .backends.cpu import tuning
        from .backends.cpu.isa import isa_for
        from .ir.native import c_compiler

        c_compiler()
        self.isa = isa_for(target)
        self.title, self.tune = title, making.tune
        self.choices = tuning.recorded(making.tune) if isinstance(making.tune, str | Path) else None

    def build(
        self, module: ir.Module, params: Mapping[str, np.ndarray], writer: BundleWriter, stages: Stages
    ) -> dict[str, Any]:
        from .backends.cpu import tuning
        from .backends.cpu.build import build

        if self.tune:
            tuned = stages.run("tune", lambda: tuning.tuned(module, self.isa, self.choices, stages.progress))
            writer.write_json(tuning.RECORD, tuned.to_json())
        return stages.run("cpu", lambda: build(module, params, writer, isa=self.isa, title=self.title))


class _Cuda:
    def __init__(self, target: Target, making: Making) -> None:
        from .backends.cuda.kernel import arch_named
        from .backends.cuda.nvcc import Nvcc
        from .backends.cuda.nvrtc import Nvrtc

        if not target.device:
            raise TargetError("no architecture to compile for", where=target.name, accepted="[[device]]")
        self.arch: Arch = arch_named(target.device[0].architecture)
        self.title, self.memory = target.name, target.main
        self.compiler: Compiler = Nvcc(making.nvcc, self.arch) if making.nvcc else Nvrtc()
        self.tools = {self.compiler.name: self.compiler.version}

    def build(
        self, module: ir.Module, params: Mapping[str, np.ndarray], writer: BundleWriter, stages: Stages
    ) -> dict[str, Any]:
        from .backends.cuda.build import Room, build

        known = self.memory.capacity_bytes
        room = None if known is None else Room(known, f"{self.title}, {self.memory.name}")
        return stages.run("cuda", lambda: build(module, params, writer, self.arch, self.compiler, room))


def cost_json(module: ir.Module, entries: list[str], target: Target, stages: Stages) -> dict[str, Any]:
    """The cost record of a fused module: every group's work priced on the target."""
    from .sim.cost.module import count_groups

    return priced_json({name: count_groups(module, name) for name in entries}, target, stages)


def priced_json(counts: Mapping[str, Iterable[GroupCount]], target: Target, stages: Stages) -> dict[str, Any]:
    """The cost record of counted groups, by entry."""
    from .sim.cost.price import price_groups, roofs
    from .sim.cost.record import CostRecord, EntryCost, PassTime

    priced = {name: EntryCost(price_groups(groups, target)) for name, groups in counts.items()}
    times = tuple(PassTime(name, seconds) for name, seconds in stages.times)
    return CostRecord(target.name, roofs(target), priced, times).to_json()
