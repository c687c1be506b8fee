"""The front door in Python: compile a model, and what can be done with the bundle that comes out.

``compile`` and ``load`` give a `Bundle`; everything the command line does is a call of this module.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .acceptance import WHOLE, check, own_precision
from .bundle import Bundle, VerifyReport
from .ir.bundle import MODULE, check_place, open_bundle
from .ir.errors import InputError
from .progress import Progress
from .queries import analyze, lower, opt, price

if TYPE_CHECKING:
    import torch

    from .ir.targets import Target
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
    nvcc: bool | str | Path = False,
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
            (docs/oblivious.md). CPU, bolt-u55c. Of a composition ``expert``, the choice of who answers, and
            ``input_ids``, from which it is made; CPU.
        pipeline: passes, such as ``"relabel,simplify,fuse{p_tile=64},place"``.
        layer: Verilog targets: name of a linear layer, of a module whose linear layers to emit, of the module
            that attends, or of a transformer's block.
        head: attention in Verilog: which of its heads (default 0).
        tune: measure how each kernel's contractions are best cut, once on this machine (docs/cpu_gemm.md), or
            take the choices of a bundle compiled so. CPU.
        nvcc: compile CUDA by a toolkit's nvcc, the one found or the one given, instead of NVRTC.
        seed: of example inputs.
        progress: told of each stage.

    Raises:
        PenstockError: a subclass that says what is wrong; nothing is left half-written.
    """
    from .compiler import Making, compile_model, compile_text, machine
    from .composition import compile_composition
    from .frontend.zoo import is_composition
    from .mapped import compile_mapped
    from .oblivious import compile_oblivious, has_map
    from .subject import resolve

    chosen = machine(target)
    if out is not None:
        check_place(out)
    precision = precision or own_precision(chosen, dtype)
    hidden = (private,) if isinstance(private, str) else tuple(private)
    check(
        chosen,
        model,
        dtype=dtype,
        precision=precision,
        quantize=quantize,
        private=hidden,
        pipeline=pipeline,
        layer=layer,
        head=head,
        tune=tune,
        nvcc=nvcc,
    )
    making = Making(tune, nvcc)
    kept = None if out is not None else tempfile.TemporaryDirectory(prefix="penstock-")
    place = Path(out) if out is not None else Path(kept.name if kept else "", "bundle")
    if isinstance(model, str) and model.endswith(".mlir") and chosen.backend in WHOLE:
        compile_text(Path(model), chosen, place, pipeline, quantize, precision, hidden, progress, making)
        return Bundle(open_bundle(place), _kept=kept)
    if chosen.backend == "model":
        mapped = _without_weights(model, shapes, dtype, seed, example_inputs)
        compile_mapped(mapped, target, chosen, place, pipeline, progress)
        return Bundle(open_bundle(place), _kept=kept)
    if isinstance(model, str) and is_composition(model) and chosen.backend in WHOLE:
        compile_composition(model, chosen, place, shapes, precision, hidden, progress, making)
        return Bundle(open_bundle(place), _kept=kept)
    subject = resolve(model, shapes, dtype, seed, example_inputs)
    if has_map(chosen):
        compile_oblivious(subject, chosen, place, hidden, seed, progress)
    elif chosen.backend == "verilog":
        _compile_part(subject, chosen, place, layer, head, quantize, seed, progress)
    else:
        compile_model(subject, chosen, place, pipeline, quantize, precision, hidden, progress, making)
    return Bundle(open_bundle(place), subject, _kept=kept)


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
        compile_block(subject, chosen, place, layer, quantize, seed, progress)
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


def load(path: str | Path) -> Bundle:
    """Open a bundle.

    Raises:
        BundleError: it is missing, corrupt or of another schema version.
    """
    return Bundle(open_bundle(path))


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
