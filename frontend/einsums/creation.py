"""Tensors from nothing: constants and coordinates stay operands, they take no memory; and casts."""

from __future__ import annotations

import torch

from ...ir.einsum import Coord, Index
from ..body import Body, NoForm
from ..tensor import Number, Tensor, affine, distinct, literal
from .formula import evaluate
from .table import form


@form("aten.full", "aten.new_full.default", "aten.full_like.default")
def full(body: Body, *arguments: object, **_: object) -> Tensor:
    """One repeated constant."""
    value = arguments[-1]
    if isinstance(value, Tensor):
        return _broadcast(body, body.cast(value, body.dtype))
    if not isinstance(value, int | float):
        raise NoForm(f"filled with {value}")
    return literal(value, body.dtype, body.shape)


@form("aten.zeros", "aten.zeros_like", "aten.new_zeros", "aten.empty", "aten.empty_like", "aten.new_empty")
def zeros(body: Body, *_: object, **__: object) -> Tensor:
    """Zeros; what is empty in PyTorch has any value."""
    return literal(0, body.dtype, body.shape)


@form("aten.ones", "aten.ones_like", "aten.new_ones")
def ones(body: Body, *_: object, **__: object) -> Tensor:
    """Ones."""
    return literal(1, body.dtype, body.shape)


@form("aten.scalar_tensor.default")
def scalar_tensor(body: Body, value: Number, **_: object) -> Tensor:
    """A tensor without dimensions."""
    return literal(value, body.dtype)


@form("aten.fill.Scalar", "aten.fill.Tensor")
def fill(body: Body, x: Tensor, value: Tensor | Number) -> Tensor:
    """The shape of one tensor, the value of another."""
    if isinstance(value, Tensor):
        return _broadcast(body, body.cast(value, body.dtype))
    return literal(value, body.dtype, x.shape)


@form("aten.copy.default")
def copy(body: Body, _: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    """The source in the type and shape of the target."""
    return _broadcast(body, body.cast(source, body.dtype))


def _broadcast(body: Body, x: Tensor) -> Tensor:
    from .shape import expand

    return expand(body, x, body.shape)


@form("aten.arange")
def arange(body: Body, *arguments: Number, **_: object) -> Tensor:
    """start, start + step, …: the coordinate itself for whole numbers."""
    start, step = (arguments[0], 1) if len(arguments) > 1 else (0, 1)
    if len(arguments) == 3:
        step = arguments[2]
    if body.dtype.is_floating_point:
        along = Tensor(body.shape, torch.int64, form=Coord(Index.of("0")))
        text = "coordinate * step + start" if (start, step) != (0, 1) else "id(coordinate)"
        return evaluate(body, text, {"coordinate": along, "start": start, "step": step})
    return Tensor(body.shape, body.dtype, form=Coord(affine({"0": int(step)}, int(start))), ranks=("s",))


@form("aten.linspace.default")
def linspace(body: Body, start: Number, end: Number, steps: int, **_: object) -> Tensor:
    """Evenly spaced numbers, both ends included."""
    if not body.dtype.is_floating_point:
        raise NoForm("whole numbers")
    along = Tensor(body.shape, torch.int64, form=Coord(Index.of("0")))
    step = (end - start) / max(steps - 1, 1)
    return evaluate(body, "coordinate * step + start", {"coordinate": along, "start": start, "step": step})


@form("aten.eye.default", "aten.eye.m")
def eye(body: Body, *_: object, **__: object) -> Tensor:
    """Ones on the diagonal."""
    rows, columns = body.shape
    same = body.einsum(
        ("i", "j"), "eq", Coord(Index.of("i")), Coord(Index.of("j")), extents={"i": rows, "j": columns}
    )
    return body.cast(same, body.dtype)


@form("aten.to", "aten._to_copy", "aten.type_as", "prims.convert_element_type")
def to(body: Body, x: Tensor, *_: object, **__: object) -> Tensor:
    """Another element type; another device or layout is no change."""
    return body.cast(x, body.dtype)


@form(
    "aten.contiguous", "aten.clone", "aten.alias", "aten.detach", "aten.detach_copy", "aten.alias_copy",
    "aten.lift_fresh_copy", "aten.lift_fresh", "aten.lift", "aten.resolve_conj", "aten.resolve_neg",
    "aten.real", "aten.conj", "aten._conj", "aten.conj_physical",
)  # fmt: skip
def same(body: Body, x: Tensor, *_: object, **__: object) -> Tensor:
    """The same values."""
    return x


def _triangle(operator: str, body: Body, x: Tensor, diagonal: int) -> Tensor:
    if len(x.shape) < 2:
        raise NoForm("fewer than two dimensions")
    row, column = distinct(x.rank_names[-2:])
    kept = body.einsum(
        (row, column),
        operator,
        Coord(Index.of(column)),
        Coord(affine({row: 1}, diagonal)),
        extents={row: x.shape[-2], column: x.shape[-1]},
        name="CM",
    )
    return body.map("where", kept, x, literal(0, x.dtype), dtype=x.dtype)


@form("aten.tril.default")
def tril(body: Body, x: Tensor, diagonal: int = 0) -> Tensor:
    """The part on and below a diagonal."""
    return _triangle("le", body, x, diagonal)


@form("aten.triu.default")
def triu(body: Body, x: Tensor, diagonal: int = 0) -> Tensor:
    """The part on and above a diagonal."""
    return _triangle("ge", body, x, diagonal)
