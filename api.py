"""The front door in Python: compile a model, and what can be done with the bundle that comes out.

``compile`` and ``load`` give a `Bundle`; everything the command line does is a call of this module.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ir.bundle import MODULE, BundleFiles, open_bundle
from .ir.errors import BundleError, InputError, TargetError, VerifyError
from .progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from .passes.analyse.report import Report
    from .sim.report import Report as BundleReport
    from .sim.rtl.compare import SimResult
    from .sim.verification import Verification
    from .subject import Subject

SIMULATION = "verilog/sim.json"
VERIFY = "verify.json"
Inputs = Sequence["torch.Tensor"] | Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class VerifyReport:
    """A verification as commands and notebooks show it."""

    verification: Verification

    @property
    def ok(self) -> bool:
        """Whether every output of every run is within its bound."""
        return self.verification.ok

    def to_json(self) -> dict[str, Any]:
        """Every case with its errors by output and by layer."""
        return self.verification.to_json()

    def text(self) -> str:
        """One table of outputs, and of inner values where they were compared."""
        from .sim.report.terminal import verification_text

        return verification_text(self.verification)


@dataclass
class Bundle:
    """A compiled model on disk.

    Attributes:
        files: the directory, its manifest and hashes checked.
    """

    files: BundleFiles
    _subject: Subject | None = field(default=None, repr=False)
    _kept: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """The directory."""
        return self.files.path

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the bundle says of itself."""
        return self.files.manifest

    def run(
        self, inputs: Mapping[str, Any], threads: int | None = None, profile: bool = False
    ) -> dict[str, Any]:
        """Run the CPU code on arrays by name; outputs by name.

        With `profile` the result also holds ``profile``: a row per step with its milliseconds.

        Raises:
            InputError: inputs that no entry takes.
            BundleError: the bundle holds no CPU code.
        """
        from .backends.cpu.loader import PROFILE, load

        results = load(self.path).run(inputs, threads=threads, profile=profile)
        if profile:
            results["profile"] = results.pop(PROFILE)
        return results

    def example_inputs(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Random inputs of the first entry's shapes: the model's own where it is known, else by type.

        Raises:
            BundleError: the bundle holds no CPU code.
        """
        import numpy as np

        first = next(iter(self.files.entries), None)
        if first is None or "cpu" not in self.manifest["backends"]:
            raise BundleError(
                "holds no CPU code", where=str(self.path), accepted="a bundle compiled with --target cpu"
            )
        if self._subject is None and "name" not in self.manifest["model"]:
            random = np.random.default_rng(seed)
            specs = self.files.entries[first].inputs
            return {spec.name: random.standard_normal(spec.shape).astype(spec.dtype) for spec in specs}
        subject = self.subject()
        given = subject.entries[first]
        if subject.model is not None:
            batch = next(iter(given.values())).shape[0]
            length = self.files.entries[first].extents.get("s")
            given = subject.model.example_inputs(length, batch, seed)
        return {name: value.numpy() for name, value in given.items()}

    def subject(self) -> Subject:
        """The model the bundle was compiled from, made again from the manifest's recipe.

        Raises:
            VerifyError: it was compiled from a module in memory, in another process.
        """
        if self._subject is None:
            recipe = self.manifest["model"]
            if "name" not in recipe:
                raise VerifyError(
                    "the PyTorch model it was compiled from is not here to compare with",
                    where=str(self.path),
                    accepted="a bundle of zoo:NAME, path.py:callable or file.pt2, or its own process",
                )
            self._subject = _subject(
                recipe["name"], recipe.get("shapes"), recipe.get("dtype", "f32"), recipe.get("seed", 0)
            )
        return self._subject

    def verify(
        self, lengths: Sequence[int] | None = None, seed: int = 0, progress: Progress | None = None
    ) -> VerifyReport:
        """Compare with eager PyTorch: outputs at several lengths, full and padded; inner values once.

        The result is kept in the bundle for `report`.

        Raises:
            VerifyError: the model cannot be made again, or lengths it does not have.
        """
        from .backends.cpu.loader import load
        from .checking import verify

        found = verify(self.subject(), load(self.path), self.manifest["model"], lengths, seed, progress)
        (self.path / VERIFY).write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
        return VerifyReport(found)

    def simulate(
        self,
        design: str | None = None,
        driver: str = "cpp",
        trace: str | None = None,
        max_cycles: int | None = None,
        inputs: Mapping[str, np.ndarray] | None = None,
        progress: Progress | None = None,
    ) -> SimResult:
        """Simulate the bundle's Verilog and compare with the integer oracle and the cost model.

        The result is kept in the bundle for `report`.

        Raises:
            InputError: the bundle holds no such design.
            ToolMissing: Verilator, cocotb, a compiler or ``lz4.h`` is not installed.
            VerifyError: the run broke off, or reached the cycle limit.
        """
        from .layers import with_activations
        from .sim.rtl.record import record_run
        from .sim.rtl.simulate import simulate

        name, folder = self._design(design)
        with tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
            place = self.path / folder
            if inputs is not None:
                place = with_activations(self.files, name, inputs, Path(scratch))
            result = simulate(place, driver=driver, trace=trace, max_cycles=max_cycles, progress=progress)
        if inputs is None:
            record_run(self.path / SIMULATION, result)
        return result

    def _design(self, design: str | None) -> tuple[str, str]:
        held: dict[str, str] = self.manifest["backends"].get("verilog", {}).get("designs", {})
        if not held:
            raise InputError(
                "the bundle holds no Verilog",
                where=str(self.path),
                accepted="a bundle compiled with --target bitmod-small",
            )
        name = next(iter(held)) if design is None else design
        if name not in held:
            raise InputError(f"no design '{name}'", where=str(self.path), accepted=", ".join(held))
        return name, held[name]

    def report(self, out: str | Path | None = None) -> BundleReport:
        """Tables of this bundle, and one HTML page where `out` is given."""
        return report([self.path], out)


def compile(
    model: str | torch.nn.Module,
    example_inputs: Inputs | None = None,
    target: str = "cpu",
    *,
    out: str | Path | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    dtype: str = "f32",
    quantize: str | None = None,
    pipeline: str | None = None,
    layer: str | None = None,
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
        quantize: Verilog targets: ``bitmod4`` (default) or ``bitmod3``.
        pipeline: passes, such as ``"relabel,simplify,fuse{p_tile=64},place"``.
        layer: Verilog targets: name of the linear layer.
        seed: of example inputs.
        progress: told of each stage.

    Raises:
        PenstockError: a subclass that says what is wrong; nothing is left half-written.
    """
    from .compiler import compile_cpu, compile_text, machine
    from .layers import compile_verilog

    chosen = machine(target)
    if chosen.backend not in ("cpu", "verilog"):
        raise TargetError(
            f"no code is generated for {chosen.name} yet",
            accepted="cpu, bitmod-small; other targets price and plan only",
        )
    if chosen.backend == "cpu" and (quantize or layer):
        raise InputError(
            "the CPU backend takes no --quantize or --layer yet", accepted="--target bitmod-small"
        )
    kept = None if out is not None else tempfile.TemporaryDirectory(prefix="penstock-")
    place = Path(out) if out is not None else Path(kept.name if kept else "", "bundle")
    if isinstance(model, str) and model.endswith(".mlir") and chosen.backend == "cpu":
        compile_text(Path(model), chosen, place, pipeline, progress)
        return Bundle(open_bundle(place), None, kept)
    subject = _subject(model, shapes, dtype, seed, example_inputs)
    if chosen.backend == "verilog":
        compile_verilog(subject, chosen, place, layer, quantize, progress)
    else:
        compile_cpu(subject, chosen, place, pipeline, progress)
    return Bundle(open_bundle(place), subject, kept)


def load(path: str | Path) -> Bundle:
    """Open a bundle.

    Raises:
        BundleError: it is missing, corrupt or of another schema version.
    """
    return Bundle(open_bundle(path))


def _subject(
    model: str | torch.nn.Module,
    shapes: Mapping[str, Sequence[int]] | None,
    dtype: str,
    seed: int,
    example_inputs: Inputs | None = None,
) -> Subject:
    from .frontend.zoo import PREFIX
    from .subject import from_module, from_zoo

    if not isinstance(model, str):
        return from_module(model, example_inputs, dtype)
    if example_inputs is not None:
        raise InputError("a model given by name brings its own inputs", accepted="no example_inputs")
    if model.startswith(PREFIX):
        return from_zoo(model, shapes, dtype, seed)
    if shapes:
        raise InputError(
            "the shapes of this model are those of its example inputs",
            where="--shape",
            accepted="other example inputs, or a model of the zoo",
        )
    from .subject import from_file

    return from_file(model, dtype)


def lower(
    model: str,
    pipeline: str | None,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    dtype: str = "f32",
    seed: int = 0,
) -> str:
    """A model's module after some passes, as MLIR text; nothing is built, and zoo models need no weights.

    Args:
        model: as for `compile`.
        pipeline: passes; ``""`` for the module as raised, None for the default pipeline.
        shapes, dtype, seed: as for `compile`.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .compiler import raise_subject
    from .frontend.zoo import PREFIX
    from .ir.mlir import parse_module, print_module
    from .passes.pipeline import parse_pipeline, run_pipeline
    from .subject import from_zoo

    passes = parse_pipeline(pipeline)
    if model.endswith(".mlir"):
        module = parse_module(Path(model).read_text(encoding="utf-8"), where=model)
        return print_module(run_pipeline(module, passes)[0])
    if model.startswith(PREFIX):
        subject = from_zoo(model, shapes, dtype, seed, meta=True)
    else:
        subject = _subject(model, shapes, dtype, seed)
    module, _ = run_pipeline(raise_subject(subject).module, passes)
    return print_module(module)


def emit(bundle: Bundle, kind: str) -> str:
    """One of the bundle's texts: ``mlir`` (bound IR), ``asm``, ``llvm``, ``verilog``.

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
    from .ir.mlir import parse_module, print_module
    from .passes.pipeline import parse_pipeline, run_pipeline

    passes = parse_pipeline(pipeline)
    module = parse_module(Path(path).read_text(encoding="utf-8"), where=str(path))

    def after(name: str, stage: Any) -> None:
        if print_after_all is not None:
            print_after_all(name, print_module(stage))

    module, timings = run_pipeline(module, passes, after)
    return print_module(module), [(one.name, one.seconds) for one in timings] if timing else []


def analyze(source: str) -> Report:
    """Cascades of a model, a module's text or a text of Einsums: passes, footprints, how fusion gets there.

    Raises:
        InputError: the source cannot be read.
    """
    from .frontend.zoo import PREFIX, parse_spec
    from .ir.mlir import parse_module
    from .passes.analyse.report import report_module, report_text

    path = Path(source)
    if source.startswith(PREFIX):
        # Passes do not depend on the length; one entry, the longest, says it all.
        lengths = parse_spec(source)[0].lengths
        shapes = {"s": [max(lengths)]} if lengths else None
        return report_module(parse_module(lower(source, "", shapes=shapes)))
    if path.suffix in (".mlir", ".cascade", ".txt"):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".mlir":
            return report_module(parse_module(text, where=source))
        return report_text(text, where=source)
    return report_module(parse_module(lower(source, "")))


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
    from .frontend.zoo import entries

    return [
        {
            "name": entry.name,
            "parameters": entry.parameters,
            "megabytes": round(entry.bytes / 1e6, 1),
            "description": entry.description,
            "options": ", ".join(entry.options),
        }
        for entry in entries()
    ]
