"""The front door in Python: compile a model, and what can be done with the bundle that comes out.

``compile`` and ``load`` give a `Bundle`; everything the command line does is a call of this module.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bundle import Bundle, VerifyReport
from .ir.bundle import MODULE, open_bundle
from .ir.errors import InputError
from .progress import Progress

if TYPE_CHECKING:
    import torch

    from .ir.targets import Target
    from .passes.analyse.report import Report
    from .sim.report import Report as BundleReport
    from .subject import Subject

__all__ = [
    "Bundle",
    "VerifyReport",
    "analyze",
    "compile",
    "emit",
    "load",
    "lower",
    "models",
    "opt",
    "price",
    "report",
    "targets",
]

WHOLE = ("cpu", "cuda")
"""Backends that take whole models."""


def compile(
    model: str | torch.nn.Module,
    example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor] | None = None,
    target: str = "cpu",
    *,
    out: str | Path | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    dtype: str = "f32",
    quantize: str | None = None,
    precision: str | None = None,
    private: str | Sequence[str] = (),
    pipeline: str | None = None,
    layer: str | None = None,
    head: int | None = None,
    tune: bool | str | Path = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Bundle:
    """Compile a model to a bundle.

    Args:
        model: ``zoo:NAME[,key=value…]``, ``path.py:callable``, ``file.pt2``, or a module.
        example_inputs: tensors by position or by name; their shapes are those compiled for.
        target: a name of `targets` or a target file.
        out: the bundle's directory; temporary when None.
        shapes: sizes per rank for models of the zoo, one entry each: ``{"s": [64, 128]}``.
        dtype: ``f32`` or ``f64``.
        quantize: number format of the weights (docs/quantize.md), or ``bits=4.5``, formats for this mean
            width; Verilog: ``bitmod4`` (default), ``bitmod3``, ``int8``, ``int6`` or ``int5``.
        precision: ``fp32``, or ``bf16``: contractions round their operands to bfloat16 and sum in float32
            (docs/precision.md). When None what the target's own is: bf16 on a GPU, else fp32.
        private: index inputs that nobody may see: look-ups by them go through an oblivious map
            (docs/oblivious.md). CPU, bolt-u55c.
        pipeline: passes, such as ``"relabel,simplify,fuse{p_tile=64},place"``.
        layer: Verilog targets: name of a linear layer, of a module whose linear layers to emit, of the module
            that attends, or of a transformer's block.
        head: attention in Verilog: which of its heads (default 0).
        tune: measure how each kernel's contractions are best cut, once on this machine (docs/cpu_gemm.md), or
            take the choices of a bundle compiled so. CPU.
        seed: of example inputs.
        progress: told of each stage.

    Raises:
        PenstockError: a subclass that says what is wrong; nothing is left half-written.
    """
    from .compiler import compile_mapped, compile_model, compile_text, machine
    from .composition import compile_composition
    from .frontend.zoo import is_composition
    from .oblivious import compile_oblivious, has_map
    from .subject import resolve

    chosen = machine(target)
    precision = precision or _own_precision(chosen, dtype)
    if chosen.backend == "model" and (layer or head is not None or quantize):
        raise InputError(
            f"{chosen.name} takes whole models as they are, no --layer, --head or --quantize",
            accepted="--target bitmod-small",
        )
    _check_precision(precision, chosen, dtype)
    hidden = (private,) if isinstance(private, str) else tuple(private)
    _check_private(hidden, chosen, model)
    _check_tuned(tune, chosen, model)
    _check_part(chosen, layer, head, quantize)
    kept = None if out is not None else tempfile.TemporaryDirectory(prefix="penstock-")
    place = Path(out) if out is not None else Path(kept.name if kept else "", "bundle")
    if isinstance(model, str) and model.endswith(".mlir") and chosen.backend in WHOLE:
        compile_text(Path(model), chosen, place, pipeline, quantize, precision, hidden, progress, tune)
        return Bundle(open_bundle(place), _kept=kept)
    if chosen.backend == "model":
        mapped = _without_weights(model, shapes, dtype, seed, example_inputs)
        compile_mapped(mapped, target, chosen, place, pipeline, progress)
        return Bundle(open_bundle(place), _kept=kept)
    if isinstance(model, str) and is_composition(model) and chosen.backend in WHOLE:
        if quantize or pipeline or dtype != "f32":
            raise InputError("a composition is compiled as it is", accepted="no quantize, pipeline or dtype")
        compile_composition(model, chosen, place, shapes, precision, progress)
        return Bundle(open_bundle(place), _kept=kept)
    subject = resolve(model, shapes, dtype, seed, example_inputs)
    if has_map(chosen):
        if pipeline:
            raise InputError("a map has its own pipeline", where="--pipeline", accepted="no --pipeline")
        compile_oblivious(subject, chosen, place, hidden, seed, progress)
    elif chosen.backend == "verilog":
        _compile_part(subject, chosen, place, layer, head, quantize, seed, progress)
    else:
        compile_model(subject, chosen, place, pipeline, quantize, precision, hidden, progress, tune)
    return Bundle(open_bundle(place), subject, _kept=kept)


def _check_tuned(tune: bool | str | Path, target: Target, model: str | torch.nn.Module) -> None:
    from .frontend.zoo import is_composition

    if tune and (target.backend != "cpu" or (isinstance(model, str) and is_composition(model))):
        raise InputError(
            "only the kernels of one model on the CPU are tuned", where="--tune", accepted="no --tune"
        )


def _check_part(chosen: Target, layer: str | None, head: int | None, quantize: str | None) -> None:
    from .blocks import has_fabric
    from .heads import has_array
    from .oblivious import has_map

    if chosen.backend in WHOLE and layer:
        raise InputError(f"{chosen.name} takes whole models, no --layer", accepted="--target bitmod-small")
    if head is not None and not has_array(chosen):
        raise InputError(f"no heads on {chosen.name}", where="--head", accepted="--target fusemax-small")
    if has_map(chosen) and (layer or quantize):
        raise InputError(
            f"{chosen.name} takes whole models as they are, no --layer or --quantize",
            accepted=f"--target {chosen.name} --private NAME",
        )
    if quantize and has_array(chosen):
        raise InputError(
            "attention has no weights to quantize", where="--quantize", accepted="--target bitmod-small"
        )
    if quantize and has_fabric(chosen):
        raise InputError(
            f"{chosen.name} computes in FP32", where="--quantize", accepted="--target bitmod-small"
        )


def _compile_part(
    subject: Subject,
    chosen: Target,
    place: Path,
    layer: str | None,
    head: int | None,
    quantize: str | None,
    seed: int,
    progress: Progress | None,
) -> None:
    """A part of a model as hardware: what the target has decides which."""
    from .blocks import compile_block, has_fabric
    from .heads import compile_head, has_array
    from .layers import compile_verilog

    if has_array(chosen):
        compile_head(subject, chosen, place, layer, head or 0, progress)
    elif has_fabric(chosen):
        compile_block(subject, chosen, place, layer, seed, progress)
    else:
        compile_verilog(subject, chosen, place, layer, quantize, progress)


def _without_weights(
    model: str | torch.nn.Module,
    shapes: Mapping[str, Sequence[int]] | None,
    dtype: str,
    seed: int,
    example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor] | None,
) -> str | Subject:
    """A model for a memory map, which needs no weights; a module's text as its path."""
    from .frontend.zoo import PREFIX
    from .subject import from_zoo, resolve

    if isinstance(model, str) and model.endswith(".mlir"):
        return model
    if isinstance(model, str) and model.startswith(PREFIX) and example_inputs is None:
        return from_zoo(model, shapes, dtype, seed, meta=True)
    return resolve(model, shapes, dtype, seed, example_inputs)


def _check_private(private: Sequence[str], target: Target, model: str | torch.nn.Module) -> None:
    from .frontend.zoo import is_composition
    from .oblivious import has_map

    takes = target.backend == "cpu" or has_map(target)
    if private and (not takes or (isinstance(model, str) and is_composition(model))):
        accepted = "one model, --target cpu or bolt-u55c"
        raise InputError(f"private inputs on {target.name}", where="--private", accepted=accepted)


def _own_precision(target: Target, dtype: str) -> str:
    """What contractions are rounded to where nothing is said: on a GPU what its tensor cores take."""
    return "bf16" if target.backend == "cuda" and dtype == "f32" else "fp32"


def _check_precision(precision: str, target: Target, dtype: str) -> None:
    if precision != "fp32" and (target.backend not in WHOLE or dtype != "f32"):
        raise InputError(
            f"precision {precision} on {target.name} in {dtype}",
            where="--precision",
            accepted="--target cpu or h200, --dtype f32",
        )


def load(path: str | Path) -> Bundle:
    """Open a bundle.

    Raises:
        BundleError: it is missing, corrupt or of another schema version.
    """
    return Bundle(open_bundle(path))


def lower(
    model: str,
    pipeline: str | None,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    dtype: str = "f32",
    quantize: str | None = None,
    precision: str = "fp32",
    private: Sequence[str] = (),
    seed: int = 0,
) -> str:
    """A model's module after some passes, as MLIR text; nothing is built, and zoo models need no weights.

    Args:
        model: as for `compile`.
        pipeline: passes; ``""`` for the module as raised, None for the default pipeline.
        shapes, dtype, quantize, precision, private, seed: as for `compile`.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .compiler import raise_subject
    from .frontend.zoo import PREFIX
    from .ir.module import parse_module, print_module
    from .passes.pipeline import parse_pipeline, run_pipeline, with_options
    from .subject import from_zoo, resolve

    passes = parse_pipeline(with_options(pipeline, quantize, precision, private))
    if model.endswith(".mlir"):
        module = parse_module(Path(model).read_text(encoding="utf-8"), where=model)
        return print_module(run_pipeline(module, passes)[0])
    if model.startswith(PREFIX):
        subject = from_zoo(model, shapes, dtype, seed, meta=True)
    else:
        subject = resolve(model, shapes, dtype, seed)
    module, _ = run_pipeline(raise_subject(subject).module, passes)
    return print_module(module)


def emit(bundle: Bundle, kind: str) -> str:
    """One of the bundle's texts: ``mlir`` (bound IR), ``asm``, ``llvm``, ``cuda``, ``verilog``.

    Raises:
        InputError: the bundle does not hold it.
    """
    backends = bundle.manifest["backends"]
    if kind == "mlir":
        return bundle.files.text(MODULE)
    if kind == "verilog" and "verilog" in backends:
        folder = next(iter(backends["verilog"]["designs"].values()))
        names = [
            name for name in bundle.manifest["files"] if name.startswith(folder) and name.endswith(".sv")
        ]
        return "\n".join(f"// ---- {name}\n{bundle.files.text(name)}" for name in names)
    if kind == "cuda" and "cuda" in backends:
        names = [name for name in bundle.manifest["files"] if name.endswith(".cu")]
        return "\n".join(f"// ---- {name}\n{bundle.files.text(name)}" for name in names)
    if kind in ("llvm", "asm") and "cpu" in backends:
        from .backends.cpu.listing import listing

        return listing(bundle.files, kind)
    raise InputError(
        f"the bundle holds no {kind}", where=str(bundle.path), accepted=f"{', '.join(backends)} and mlir"
    )


def opt(
    path: str | Path,
    pipeline: str,
    *,
    print_after_all: Callable[[str, str], None] | None = None,
    timing: bool = False,
) -> tuple[str, list[tuple[str, float]]]:
    """Run passes on a module's text; the text that comes out, and seconds per pass.

    Raises:
        InputError: the file is no valid module.
        PassError: an unknown pass, or one that does not take the module.
    """
    from .ir.module import parse_module, print_module
    from .passes.pipeline import parse_pipeline, run_pipeline

    passes = parse_pipeline(pipeline)
    module = parse_module(Path(path).read_text(encoding="utf-8"), where=str(path))

    def after(name: str, stage: Any) -> None:
        if print_after_all is not None:
            print_after_all(name, print_module(stage))

    module, timings = run_pipeline(module, passes, after)
    return print_module(module), [(one.name, one.seconds) for one in timings] if timing else []


def analyze(
    source: str,
    *,
    target: str | None = None,
    buffer_bytes: int | None = None,
    shape: Mapping[str, int] | None = None,
    rank: str | None = None,
    element_bytes: int | None = None,
) -> Report:
    """Cascades of a model, a module's text or a text of Einsums: passes, footprints, traffic, rewritings.

    Args:
        source: as for `compile`, or a file of Einsums (``.txt``).
        target: a machine, for the buffer nearest its main memory; or
        buffer_bytes: capacity of the on-chip buffer. With neither, no traffic is worked out.
        shape: rank → extent, instead of those of the text; for a model of the zoo the ranks of `compile`.
        rank: only this rank.
        element_bytes: bytes of an element of a text's tensors, 2 when None; a model has its own.

    Raises:
        InputError: the source cannot be read; a rank is unknown or has no extent; the buffer is too small.
        TargetError: an unknown target.
    """
    from .frontend.zoo import PREFIX, parse_spec
    from .ir.module import parse_module
    from .ir.targets import load as load_target
    from .passes.analyse.analysis import WORD_BYTES, Question
    from .passes.analyse.report import report_module, report_text

    machine = None if target is None else load_target(target)
    if machine is not None:
        if buffer_bytes is not None:
            raise InputError("a target has its own buffer", accepted="--target or --buffer, not both")
        buffer_bytes = buffer_of(machine)
    question = Question(buffer_bytes, element_bytes or WORD_BYTES, rank, target=machine)
    asked = None if buffer_bytes is None and rank is None else question
    path = Path(source)
    if source.startswith(PREFIX):
        # Passes do not depend on the length; one entry, the longest, says it all.
        lengths = parse_spec(source)[0].lengths
        shapes = {name: [extent] for name, extent in (shape or {}).items()}
        if lengths and not shapes:
            shapes = {"s": [max(lengths)]}
        return report_module(parse_module(lower(source, "", shapes=shapes or None)), asked)
    if path.suffix in (".cascade", ".txt"):
        text = path.read_text(encoding="utf-8")
        return report_text(text, where=source, question=question, shape=shape)
    if shape:
        raise InputError(
            "the model's shapes are fixed", where=source, accepted="--shape with a .txt or zoo: model"
        )
    if path.suffix == ".mlir":
        return report_module(parse_module(path.read_text(encoding="utf-8"), where=source), asked)
    return report_module(parse_module(lower(source, "")), asked)


def buffer_of(machine: Target) -> int:
    """Bytes of the tier next to a target's main memory, on the near side.

    Raises:
        InputError: the target has none, or its size is unpublished.
    """
    names = [tier.name for tier in machine.tier]
    place = names.index(machine.main_tier)
    capacity = machine.tier[place - 1].capacity_bytes if place else None
    if capacity is None:
        raise InputError(
            f"{machine.name} has no memory of known size nearer than its {machine.main_tier}",
            accepted="--buffer BYTES",
        )
    return capacity


def report(
    paths: Sequence[str | Path], out: str | Path | None = None, progress: Progress | None = None
) -> BundleReport:
    """Report one or more bundles; one HTML page where `out` is given.

    Raises:
        BundleError: a bundle cannot be read, or the page cannot be written.
    """
    from .sim.report import report as report_bundles

    if progress is not None:
        progress("report", 0, None)
    return report_bundles(paths, out)


def price(
    model: str | Path,
    target: str = "bitmod-paper",
    weights: str = "bitmod4",
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> list[dict[str, Any]]:
    """What a model's matrix products cost on an accelerator of the BitMoD paper, an entry point each.

    Args:
        model: a bundle's directory, or as for `compile`.
        target: one with a ``[[datapath]]``, such as ``bitmod-paper`` or ``ant-paper-gen``.
        weights: a number format, or bits of a weight such as ``4.5``.
        shapes: sizes per rank, for models of the zoo.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .ir.module import parse_module
    from .ir.targets import load as load_target
    from .sim.cost.bitmod_paper import cost_entries

    machine = load_target(target)
    text = open_bundle(model).text(MODULE) if Path(model).is_dir() else lower(str(model), "", shapes=shapes)
    return cost_entries(parse_module(text, where=str(model)), machine, weights)


def targets() -> list[dict[str, Any]]:
    """The shipped targets, one row each."""
    from .ir.targets import load as load_target
    from .ir.targets import names

    return [
        {
            "name": name,
            "backend": target.backend or "prices only",
            "title": target.title,
            "source": target.source,
        }
        for name, target in ((name, load_target(name)) for name in names())
    ]


def models() -> list[dict[str, Any]]:
    """The models of the zoo, one row each."""
    from .frontend.zoo import COMPOSITION, entries

    return [
        {
            "name": entry.name,
            "parameters": entry.parameters,
            "megabytes": round(entry.bytes / 1e6, 1),
            "description": entry.description,
            "options": ", ".join(entry.options),
        }
        for entry in (*entries(), COMPOSITION)
    ]
