"""Order along a dimension as Einsums: a place is the number of elements before it.

Arg-extrema fold coordinates, prefix sums fold under a triangular condition, sorting counts. All are
quadratic in the dimension's extent (arg-extrema excepted) and meant for short ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ...ir.einsum import Coord, Index
from ..body import Body, NoForm
from ..tensor import Tensor, distinct, fresh, literal, size_of, typed
from .formula import evaluate
from .shape import part
from .table import form

_LONGEST = 4096


def _placed(x: Tensor, dim: int) -> tuple[list[str], int]:
    return list(distinct(x.rank_names)), dim % max(len(x.shape), 1)


def first_extremum(body: Body, x: Tensor, dim: int, reduce: str, keepdim: bool) -> tuple[Tensor, Tensor]:
    """The extreme value along a dimension, NaN if there is one, and the first coordinate that holds it."""
    if not x.shape:
        return x, literal(0, torch.int64)
    ranks, dim = _placed(x, dim)
    along = ranks[dim]
    kept = [rank for rank in ranks if rank != along]
    x = body.materialised(x)
    best = body.einsum(kept, "id", x.at(ranks), reduce=reduce, over=(along,), dtype=x.dtype, name="GM")
    hit = body.einsum(ranks, "eq", x.at(ranks), best.at(kept), name="HIT")
    if x.dtype.is_floating_point:
        hit = body.map("or", hit, body.map("is_nan", x, name="NAN"), name="FOUND")
    where = body.einsum(
        ranks, "where", hit.at(ranks), Coord(Index.of(along)), x.shape[dim], dtype=torch.int64, name="AT"
    )
    place = body.einsum(kept, "id", where.at(ranks), reduce="min", over=(along,), dtype=torch.int64)
    if keepdim:
        shape = [1 if at == dim else extent for at, extent in enumerate(x.shape)]
        return body.reshape(best, shape, ranks), body.reshape(place, shape, ranks)
    return best, place


@form("aten.max.dim")
def max_dim(body: Body, x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The largest values and their places."""
    return first_extremum(body, x, dim, "max", keepdim)


@form("aten.min.dim")
def min_dim(body: Body, x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest values and their places."""
    return first_extremum(body, x, dim, "min", keepdim)


def _place_of(body: Body, x: Tensor, dim: int | None, reduce: str, keepdim: bool) -> Tensor:
    if dim is None:
        x = body.reshape(x, (size_of(x.shape),))
        return body.reshape(first_extremum(body, x, 0, reduce, False)[1], body.shape)
    return first_extremum(body, x, dim, reduce, keepdim)[1]


@form("aten.argmax.default")
def argmax(body: Body, x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The first place of the largest element."""
    return _place_of(body, x, dim, "max", keepdim)


@form("aten.argmin.default")
def argmin(body: Body, x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The first place of the smallest element."""
    return _place_of(body, x, dim, "min", keepdim)


def _prefix(body: Body, x: Tensor, dim: int, reduce: str, empty: float) -> Tensor:
    """Fold of all elements up to each place: ``C[i] = sum[j] where(j <= i, X[j], 0)``."""
    if not x.shape:
        return x
    ranks, dim = _placed(x, dim)
    below, inner, j = _triangle(body, ranks, dim, x.shape[dim])
    x = body.materialised(x)
    neutral = typed(empty, x.dtype)
    return body.einsum(
        ranks, "where", below[ranks[dim], j], x.at(inner), neutral, reduce=reduce, over=(j,), dtype=x.dtype
    )


def _triangle(body: Body, ranks: Sequence[str], dim: int, extent: int) -> tuple[Tensor, list[str], str]:
    """True where j <= i for a rank i; all ranks with j in its place; j."""
    if extent > _LONGEST:
        raise NoForm(f"a prefix over more than {_LONGEST} elements")
    i, j = ranks[dim], fresh("j", ranks)
    below = body.einsum(
        (i, j), "le", Coord(Index.of(j)), Coord(Index.of(i)), extents={i: extent, j: extent}, name="CM"
    )
    return below, [*ranks[:dim], j, *ranks[dim + 1 :]], j


@form("aten.cumsum.default")
def cumsum(body: Body, x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Running sums."""
    return _prefix(body, body.cast(x, body.dtype), dim, "sum", 0)


@form("aten.cumprod.default")
def cumprod(body: Body, x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Running products."""
    return _prefix(body, body.cast(x, body.dtype), dim, "prod", 1)


@form("aten.logcumsumexp.default")
def logcumsumexp(body: Body, x: Tensor, dim: int) -> Tensor:
    """Logarithm of running sums of exponentials."""
    if not x.shape:
        return x
    x = body.materialised(x)
    largest = _prefix(body, x, dim, "max", -math.inf)  # of all would leave nothing of the first ones
    finite = evaluate(body, "where(abs(self) == inf, 0, self)", {"self": largest})
    ranks, dim = _placed(x, dim)
    below, inner, j = _triangle(body, ranks, dim, x.shape[dim])
    point = [*ranks, j]
    scaled = body.einsum(point, "exp_sub", x.at(inner), finite.at(ranks), name="SN")
    total = body.einsum(
        ranks, "where", below[ranks[dim], j], scaled.at(point), 0.0, over=(j,), dtype=x.dtype, name="SD"
    )
    return body.map("add", body.map("log", total, name="LSD"), finite)


@form("aten.kthvalue.default")
def kthvalue(body: Body, x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, ...]:
    """The k-th smallest element and its place."""
    return _nth(body, x, k, dim, keepdim)


def _sorted(body: Body, x: Tensor, dim: int, count: int, descending: bool) -> tuple[Tensor, Tensor]:
    """The first `count` elements in order, NaN the greatest, and their places; ties stay in their order."""
    if not x.shape:
        return x, literal(0, torch.int64)
    ranks, dim = _placed(x, dim)
    extent = x.shape[dim]
    if extent > _LONGEST:
        raise NoForm(f"an order of more than {_LONGEST} elements")
    i, j = ranks[dim], fresh("j", ranks)
    other = [*ranks[:dim], j, *ranks[dim + 1 :]]
    both = [*ranks, j]
    x = body.materialised(x)
    before = body.einsum(both, "gt" if descending else "lt", x.at(other), x.at(ranks), name="BEFORE")
    upto = body.einsum(both, "ge" if descending else "le", x.at(other), x.at(ranks), name="UPTO")
    if x.dtype.is_floating_point:
        lost = body.map("is_nan", x, name="NAN")
        one, two = (other, ranks) if descending else (ranks, other)
        worse = body.einsum(both, "gt", lost.at(one), lost.at(two), name="WORSE")
        before = body.einsum(both, "or", before.at(both), worse.at(both), name="BEFORE")
        upto = body.einsum(both, "or", upto.at(both), lost.at(one), name="UPTO")
    earlier = body.einsum(
        (i, j), "lt", Coord(Index.of(j)), Coord(Index.of(i)), extents={i: extent, j: extent}, name="EARLIER"
    )
    ahead = body.einsum(both, "where", earlier[i, j], upto.at(both), before.at(both), name="AHEAD")
    counted = body.cast(ahead, torch.int64)
    order = body.einsum(ranks, "id", counted.at(both), over=(j,), dtype=torch.int64, name="ORDER")
    k = fresh("k", both)
    placed = [*ranks[:dim], k, *ranks[dim + 1 :]]
    point = [*placed, i]
    hit = body.einsum(point, "eq", order.at(ranks), Coord(Index.of(k)), extents={k: count}, name="HIT")
    zero = typed(0, x.dtype)
    chosen = body.einsum(
        placed, "where", hit.at(point), x.at(ranks), zero, over=(i,), dtype=x.dtype, name="VALUES"
    )
    places = body.einsum(
        placed, "where", hit.at(point), Coord(Index.of(i)), 0, over=(i,), dtype=torch.int64, name="PLACES"
    )
    return chosen, places


@form("aten.sort.default", "aten.sort.stable")
def sort(
    body: Body, x: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> tuple[Tensor, Tensor]:
    """All elements in order, and where they were."""
    return _sorted(body, x, dim, _extent(x, dim), descending)


@form("aten.argsort.default", "aten.argsort.stable")
def argsort(
    body: Body, x: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> Tensor:
    """Where the elements in order were."""
    return _sorted(body, x, dim, _extent(x, dim), descending)[1]


@form("aten.topk.default")
def topk(
    body: Body, x: Tensor, count: int, dim: int = -1, largest: bool = True, in_order: bool = True
) -> tuple[Tensor, Tensor]:
    """The extreme elements and their places."""
    return _sorted(body, x, dim, count, largest)


@form("aten.median.dim")
def median(body: Body, x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, ...]:
    """The lower middle element and its place; the first NaN, if there is one."""
    values, where = _nth(body, x, (_extent(x, dim) + 1) // 2, dim, keepdim)
    if not x.dtype.is_floating_point or not x.shape:
        return values, where
    lost, place = first_extremum(body, x, dim, "max", keepdim)
    none = body.map("is_nan", lost, name="NAN")
    return body.map("where", none, lost, values), body.map("where", none, place, where)


def _extent(x: Tensor, dim: int) -> int:
    return x.shape[dim] if x.shape else 1


def _nth(body: Body, x: Tensor, count: int, dim: int, keepdim: bool) -> tuple[Tensor, ...]:
    values, where = _sorted(body, x, dim, count, False)
    if not x.shape:
        return values, where
    dim %= len(x.shape)
    ends = (part(body, each, dim, count - 1, 1) for each in (values, where))
    shape = [1 if at == dim else extent for at, extent in enumerate(x.shape) if keepdim or at != dim]
    return tuple(body.reshape(end, shape) for end in ends)
