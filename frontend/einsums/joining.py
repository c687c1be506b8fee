"""Tensors put together: pieces of equal length are a rank chosen by coordinate, others one upstream copy."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...ir.einsum import Coord, Index
from .. import upstream
from ..body import Body, NoForm
from ..tensor import Number, Tensor, distinct, fresh, size_of, typed
from .formula import evaluate
from .shape import part, shifted
from .table import form

# More pieces than this are copied: each costs one choice per point.
_CHOICES = 4


@form("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def cat(body: Body, pieces: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Pieces one after the other along a dimension."""
    pieces = [body.cast(piece, body.dtype) for piece in pieces if size_of(piece.shape)]
    if len(pieces) == 1:
        return pieces[0]
    dim %= len(body.shape)
    lengths = {piece.shape[dim] for piece in pieces}
    if len(lengths) > 1 or len(pieces) > _CHOICES:
        return upstream.concat(body, [body.materialised(piece) for piece in pieces], dim)
    chosen = _chosen(body, pieces, dim)
    return body.reshape(chosen, body.shape, distinct(pieces[0].rank_names))


def _chosen(body: Body, pieces: Sequence[Tensor], dim: int) -> Tensor:
    """Pieces of one shape as a new rank before `dim`: piece t where the coordinate is t."""
    ranks = list(distinct(pieces[0].rank_names))
    which = fresh("t", ranks)
    out = [*ranks[:dim], which, *ranks[dim:]]
    extents = {which: len(pieces), **dict(zip(ranks, pieces[0].shape, strict=True))}
    result = pieces[-1]
    read = ranks
    for place in reversed(range(len(pieces) - 1)):
        here = body.einsum((which,), "eq", Coord(Index.of(which)), place, extents=extents, name="HERE")
        result = body.einsum(
            out,
            "where",
            here[which],
            pieces[place].at(ranks),
            result.at(read),
            extents=extents,
            dtype=body.dtype,
        )
        read = out
    return result


@form("aten.stack.default")
def stack(body: Body, pieces: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Pieces along a new dimension."""
    pieces = [body.cast(piece, body.dtype) for piece in pieces]
    dim %= len(body.shape)
    if 1 < len(pieces) <= _CHOICES:
        return _chosen(body, pieces, dim)
    wide = [body.reshape(piece, (*piece.shape[:dim], 1, *piece.shape[dim:])) for piece in pieces]
    return (
        wide[0] if len(wide) == 1 else upstream.concat(body, [body.materialised(each) for each in wide], dim)
    )


@form("aten.pad.default", "aten.constant_pad_nd.default")
def pad(
    body: Body, x: Tensor, sizes: Sequence[int], mode: str | Number = "constant", value: Number | None = None
) -> Tensor:
    """A constant around a tensor; the last dimensions' sizes come first."""
    if isinstance(mode, int | float):
        mode, value = "constant", mode
    if mode != "constant":
        raise NoForm(f"padding by '{mode}'")
    count = len(x.shape)
    sides = {count - 1 - place: sizes[2 * place : 2 * place + 2] for place in range(len(sizes) // 2)}
    before = {dim: start for dim, (start, _) in sides.items()}
    inner = shifted(body, x, {dim: -start for dim, start in before.items()}, body.shape)
    if not value:
        return inner
    for dim, (start, end) in sides.items():
        if start > 0 or end > 0:  # one side may be cut where the other is filled
            inner = _filled(body, inner, dim, (start, x.shape[dim]), value)
    return inner


def _filled(body: Body, x: Tensor, dim: int, span: tuple[int, int], value: Number) -> Tensor:
    """`value` where the coordinate lies outside [start, start + length)."""
    start, length = span
    coordinate = Tensor((x.shape[dim],), torch.int64, form=Coord(Index.of("0")), ranks=(x.rank_names[dim],))
    inside = body.map(
        "and", body.map("ge", coordinate, start), body.map("lt", coordinate, start + length), name="IN"
    )
    inside = body.reshape(inside, (x.shape[dim], *[1] * (len(x.shape) - dim - 1)))
    return body.map("where", inside, x, typed(value, x.dtype), dtype=x.dtype)


@form("aten.roll.default")
def roll(body: Body, x: Tensor, shifts: Sequence[int] | int, dims: Sequence[int] | int = ()) -> Tensor:
    """Elements moved along dimensions, those that fall off at one end come back at the other."""
    moves = [shifts] if isinstance(shifts, int) else list(shifts)
    along = [dims] if isinstance(dims, int) else list(dims)
    if not along:
        flat = body.reshape(x, (size_of(x.shape),))
        return body.reshape(_rolled(body, flat, moves[0], 0), x.shape)
    for shift, dim in zip(moves, along, strict=True):
        x = _rolled(body, x, shift, dim % len(x.shape))
    return x


def _rolled(body: Body, x: Tensor, shift: int, dim: int) -> Tensor:
    extent = x.shape[dim]
    shift %= extent
    if not shift:
        return x
    kept = shifted(body, x, {dim: -shift}, x.shape)
    back = shifted(body, x, {dim: extent - shift}, x.shape)
    return body.map("or" if x.dtype == torch.bool else "add", kept, back, dtype=x.dtype)


@form("aten.slice_scatter.default")
def slice_scatter(
    body: Body, x: Tensor, source: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Tensor:  # fmt: skip
    """A slice of a tensor replaced."""
    dim %= len(x.shape)
    first, last, _ = slice(start, end, step).indices(x.shape[dim])
    count = len(range(first, last, step))
    if step != 1:
        raise NoForm("a slice with a step")
    if count == x.shape[dim]:
        return source
    placed = shifted(body, source, {dim: -first}, x.shape)
    coordinate = Tensor((x.shape[dim],), torch.int64, form=Coord(Index.of("0")), ranks=(x.rank_names[dim],))
    inside = body.map(
        "and", body.map("ge", coordinate, first), body.map("lt", coordinate, first + count), name="IN"
    )
    inside = body.reshape(inside, (x.shape[dim], *[1] * (len(x.shape) - dim - 1)))
    return body.map("where", inside, placed, x, dtype=x.dtype)


@form("aten.select_scatter.default")
def select_scatter(body: Body, x: Tensor, source: Tensor, dim: int, place: int) -> Tensor:
    """One coordinate of a dimension replaced."""
    dim %= len(x.shape)
    coordinate = Tensor((x.shape[dim],), torch.int64, form=Coord(Index.of("0")), ranks=(x.rank_names[dim],))
    here = body.map("eq", coordinate, place % x.shape[dim], name="HERE")
    here = body.reshape(here, (x.shape[dim], *[1] * (len(x.shape) - dim - 1)))
    wide = body.reshape(source, (*x.shape[:dim], 1, *x.shape[dim + 1 :]))
    return body.map("where", here, wide, x, dtype=x.dtype)


@form("aten.glu.default")
def glu(body: Body, x: Tensor, dim: int = -1) -> Tensor:
    """One half gated by the sigmoid of the other."""
    dim %= len(x.shape)
    half = x.shape[dim] // 2
    left, gate = (part(body, x, dim, start, half) for start in (0, half))
    return evaluate(body, "left * sigmoid(gate)", {"left": left, "gate": gate})
