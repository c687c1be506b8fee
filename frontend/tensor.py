"""A tensor while a graph is raised: an IR value, or an operand that needs no memory (literal, coordinate)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..ir.dtypes import BY_NUMPY
from ..ir.einsum import Coord, Index, Literal
from ..ir.errors import InputError
from ..ir.mlir import ir

Number = float | int | bool
IndexLike = Index | str | int

_NUMPY: dict[torch.dtype, str] = {
    torch.float64: "float64",
    torch.float32: "float32",
    torch.float16: "float16",
    torch.int64: "int64",
    torch.int32: "int32",
    torch.int16: "int16",
    torch.int8: "int8",
    torch.bool: "bool",
}


def numpy_name(dtype: torch.dtype) -> str:
    """NumPy's name of an element type.

    Raises:
        InputError: the type has no place in the IR (bfloat16, complex, quantized …).
    """
    if dtype == torch.bfloat16:
        accepted = "the model in float32, with --precision bf16"
        raise InputError("a program exported in bfloat16", accepted=accepted)
    if dtype not in _NUMPY:
        accepted = ", ".join(str(known).removeprefix("torch.") for known in _NUMPY)
        raise InputError(f"element type {dtype} has no place in the IR", accepted=accepted)
    return _NUMPY[dtype]


def known(dtype: torch.dtype) -> bool:
    """Whether an element type has a place in the IR."""
    return dtype in _NUMPY


def element(dtype: torch.dtype) -> str:
    """MLIR's name of an element type, ``f32``; raises as `numpy_name`."""
    return BY_NUMPY[numpy_name(dtype)].mlir


def size_of(extents: Iterable[int]) -> int:
    """Number of elements."""
    return math.prod(extents)


def to_index(index: IndexLike) -> Index:
    """A rank name, a fixed coordinate or an expression as an `Index`."""
    if isinstance(index, Index):
        return index
    return Index.of(index) if isinstance(index, str) else Index((), index)


def affine(terms: dict[str, int], const: int = 0) -> Index:
    """Σ coefficient·rank + constant."""
    return Index(tuple((rank, coeff) for rank, coeff in terms.items() if coeff), const)


@dataclass(frozen=True)
class At:
    """A tensor read at index expressions, one per dimension."""

    tensor: Tensor
    index: tuple[Index, ...]


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph.

    Attributes:
        shape, dtype: as PyTorch has them; the shape is static.
        value: its IR value; None when `form` says it all.
        form: a literal, or a coordinate whose ranks are the dimensions' numbers, ``"0" "1" …``.
        name: how Einsums that read it call it.
        ranks: what its dimensions were called where it was made.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    value: ir.Value | None = None
    form: Literal | Coord | None = None
    name: str = "T"
    ranks: tuple[str, ...] = ()

    def __getitem__(self, index: IndexLike | tuple[IndexLike, ...]) -> At:
        """The tensor read at ranks: ``x["b", "s", 0]``."""
        items = index if isinstance(index, tuple) else (index,)
        return At(self, tuple(to_index(item) for item in items))

    def at(self, index: Sequence[IndexLike]) -> At:
        """The tensor read at a computed list of indices."""
        return self[tuple(index)]

    @property
    def rank_names(self) -> tuple[str, ...]:
        """Names of the dimensions: what they were called, or the customary ones."""
        return self.ranks if len(self.ranks) == len(self.shape) else customary(len(self.shape))

    def reshaped(self, shape: Sequence[int], ranks: Sequence[str], value: ir.Value | None) -> Tensor:
        """The same elements under another shape."""
        return replace(self, shape=tuple(shape), ranks=tuple(ranks), value=value)


def literal(value: Number, dtype: torch.dtype, shape: Sequence[int] = ()) -> Tensor:
    """A tensor of one repeated constant."""
    return Tensor(tuple(shape), dtype, form=Literal(typed(value, dtype)))


def typed(value: Number, dtype: torch.dtype) -> Number:
    """A Python number as `dtype` holds it; whole ones wrap around, as PyTorch's do.

    Raises:
        InputError: infinity or NaN as a whole number.
    """
    if dtype == torch.bool:
        return bool(value)
    if dtype.is_floating_point:
        return float(value)
    if not math.isfinite(value):
        raise InputError(
            f"the constant {value} as {str(dtype).removeprefix('torch.')}", accepted="a finite one"
        )
    half = 1 << (torch.iinfo(dtype).bits - 1)
    return (int(value) + half) % (2 * half) - half


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """A parameter as a row-major array, sharing memory where it is row-major already.

    One on the ``meta`` device has a shape but no values: zeros that take no memory.
    """
    kind = numpy_name(tensor.dtype)
    if tensor.is_meta:
        return np.broadcast_to(np.zeros((), kind), tuple(tensor.shape))
    return tensor.detach().cpu().contiguous().numpy()


_CUSTOMARY = {
    1: ("d",),
    2: ("b", "d"),
    3: ("b", "s", "d"),
    4: ("b", "c", "y", "x"),
    5: ("b", "c", "z", "y", "x"),
}


def customary(count: int) -> tuple[str, ...]:
    """Names for the dimensions of a tensor nothing is known about."""
    return _CUSTOMARY.get(count) or tuple(f"i{place}" for place in range(count))


def fresh(wanted: str, taken: Iterable[str]) -> str:
    """`wanted`, or the first of wanted1, wanted2 … that is free."""
    used = set(taken)
    if wanted not in used:
        return wanted
    base = wanted.rstrip("0123456789") or "i"
    return next(name for name in (f"{base}{n}" for n in range(1, len(used) + 2)) if name not in used)


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names with repeats renamed."""
    chosen: list[str] = []
    for name in names:
        chosen.append(fresh(name, chosen))
    return tuple(chosen)


def camel(name: str) -> str:
    """``layer_norm_1`` as an Einsum's tensor name, ``LayerNorm1``."""
    text = "".join(part[:1].upper() + part[1:] for part in name.replace(".", "_").split("_"))
    kept = "".join(letter for letter in text if letter.isascii() and letter.isalnum())
    return kept if kept[:1].isalpha() else f"T{kept}"
