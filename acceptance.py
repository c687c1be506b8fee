"""What a target takes of a compilation's options: what it does not take is refused before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .ir.errors import InputError
from .ir.targets import Target

if TYPE_CHECKING:
    import torch

WHOLE = ("cpu", "cuda")
"""Backends that take whole models."""


TEXTS = {
    "cpu": ("mlir", "llvm", "asm"),
    "cuda": ("mlir", "cuda"),
    "verilog": ("mlir", "verilog"),
    "model": ("mlir",),
}
"""Backend → the texts a bundle of it holds."""


def check_emit(target: Target, kind: str | None) -> None:
    """Refuse a text that no bundle for the target holds.

    Raises:
        InputError: which it is, and which texts there are.
    """
    held = TEXTS[target.backend]
    if kind is not None and kind not in held:
        raise InputError(
            f"nothing compiled for {target.name} holds {kind}", where="--emit", accepted=", ".join(held)
        )


def own_precision(target: Target, dtype: str) -> str:
    """What contractions are rounded to where nothing is said: on a GPU what its tensor cores take."""
    return "bf16" if target.backend == "cuda" and dtype == "f32" else "fp32"


def own_tokens(target: Target) -> str:
    """What packed weights of a rounded model multiply: on a GPU bf16 (`passes.precision`)."""
    return "bf16" if target.backend == "cuda" else ""


def check(
    target: Target,
    model: str | torch.nn.Module,
    *,
    dtype: str,
    precision: str,
    quantize: str | None,
    private: Sequence[str],
    pipeline: str | None,
    layer: str | None,
    head: int | None,
    tune: bool | str | Path,
    nvcc: bool | str | Path,
) -> None:
    """Refuse options of `api.compile` that the target, or the kind of model, does not take.

    Raises:
        InputError: the first such option.
    """
    from .oblivious import has_map

    _check_modelled(target, layer, head, quantize)
    _check_precision(precision, target, dtype)
    _check_private(private, target, model)
    _check_tuned(tune, target, model)
    if nvcc and target.backend != "cuda":
        raise InputError(f"no CUDA for {target.name}", where="--nvcc", accepted="--target h200")
    _check_part(target, layer, head, quantize)
    if _is_composition(model) and target.backend in WHOLE and (quantize or pipeline or dtype != "f32"):
        raise InputError("a composition is compiled as it is", accepted="no quantize, pipeline or dtype")
    if has_map(target) and pipeline:
        raise InputError("a map has its own pipeline", where="--pipeline", accepted="no --pipeline")


def _is_composition(model: str | torch.nn.Module) -> bool:
    from .frontend.zoo import is_composition

    return isinstance(model, str) and is_composition(model)


def _check_modelled(target: Target, layer: str | None, head: int | None, quantize: str | None) -> None:
    if target.backend == "model" and (layer or head is not None or quantize):
        raise InputError(
            f"{target.name} takes whole models as they are, no --layer, --head or --quantize",
            accepted="--target bitmod-small",
        )


def _check_precision(precision: str, target: Target, dtype: str) -> None:
    if precision != "fp32" and (target.backend not in WHOLE or dtype != "f32"):
        raise InputError(
            f"precision {precision} on {target.name} in {dtype}",
            where="--precision",
            accepted="--target cpu or h200, --dtype f32",
        )


def _check_private(private: Sequence[str], target: Target, model: str | torch.nn.Module) -> None:
    from .oblivious import has_map

    whole = _is_composition(model)
    if private and target.backend != "cpu" and (whole or not has_map(target)):
        accepted = "--target cpu" if whole else "--target cpu or bolt-u55c"
        raise InputError(f"private inputs on {target.name}", where="--private", accepted=accepted)


def _check_tuned(tune: bool | str | Path, target: Target, model: str | torch.nn.Module) -> None:
    if tune and (target.backend != "cpu" or _is_composition(model)):
        raise InputError(
            "only the kernels of one model on the CPU are tuned", where="--tune", accepted="no --tune"
        )


def _check_part(target: Target, layer: str | None, head: int | None, quantize: str | None) -> None:
    from .blocks import has_fabric
    from .heads import has_array
    from .ir.bitmod_format import ARRAY_FORMATS
    from .oblivious import has_map

    if target.backend in WHOLE and layer:
        raise InputError(f"{target.name} takes whole models, no --layer", accepted="--target bitmod-small")
    if head is not None and not has_array(target):
        raise InputError(f"no heads on {target.name}", where="--head", accepted="--target fusemax-small")
    if has_map(target) and (layer or quantize):
        raise InputError(
            f"{target.name} takes whole models as they are, no --layer or --quantize",
            accepted=f"--target {target.name} --private NAME",
        )
    if quantize and has_array(target):
        raise InputError(
            "attention has no weights to quantize", where="--quantize", accepted="--target bitmod-small"
        )
    if quantize and has_fabric(target) and quantize not in ARRAY_FORMATS:
        raise InputError(
            f"'{quantize}' is no format of the BitMoD arrays of {target.name}",
            where="--quantize",
            accepted=", ".join(ARRAY_FORMATS),
        )
