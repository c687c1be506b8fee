"""Reads at places that are data: table look-ups pass through upstream; scatters are Einsums over equality."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from ...ir.einsum import Coord, Index
from .. import upstream
from ..body import Body, NoForm
from ..tensor import Number, Tensor, distinct, fresh, literal, typed
from .formula import evaluate
from .joining import slice_scatter
from .shape import expand, part, relabel
from .table import form

# Forms of this module that call an upstream function instead of being Einsums.
LOOK_UPS = (
    "aten.embedding.default", "aten.index_select.default", "aten.gather.default",
    "aten.take_along_dim.default", "aten.index.Tensor", "aten._unsafe_index.Tensor",
)  # fmt: skip


@form("aten.embedding.default")
def embedding(
    body: Body, weight: Tensor, indices: Tensor, padding: int = -1, scale: bool = False, sparse: bool = False
) -> Tensor:
    """Rows of a table."""
    count = len(indices.shape)
    places = [upstream.At(indices, tuple(range(count))), count]
    return upstream.gather(body, weight, places, body.shape)


@form("aten.index_select.default")
def index_select(body: Body, x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Coordinates of a dimension, listed."""
    if not x.shape:
        return x
    dim %= len(x.shape)
    places: list[upstream.Place] = list(range(len(x.shape)))
    places[dim] = upstream.At(body.reshape(index, (body.shape[dim],)), (dim,))
    return upstream.gather(body, x, places, body.shape)


@form("aten.gather.default", "aten.take_along_dim.default")
def gather(body: Body, x: Tensor, *arguments: object, sparse_grad: bool = False) -> Tensor:
    """Along one dimension, the coordinate named at the same point of the index."""
    if isinstance(arguments[0], Tensor):
        index, dim = arguments[0], arguments[1]
    else:
        dim, index = arguments
    if not isinstance(dim, int) or not isinstance(index, Tensor):
        raise NoForm("a flattened index")
    if not x.shape:  # one element, named once or more
        return body.reshape(x, body.shape) if not index.shape else expand(body, x, body.shape)
    dim %= len(x.shape)
    places: list[upstream.Place] = list(range(len(x.shape)))
    named: list[int | None] = list(range(len(x.shape)))
    for place, extent in enumerate(body.shape):  # `take_along_dim` broadcasts either
        if index.shape[place] < extent:
            named[place] = None
        if x.shape[place] == 1 < extent and place != dim:
            x = expand(body, x, (*x.shape[:place], extent, *x.shape[place + 1 :]))
    places[dim] = upstream.At(index, tuple(named))
    return upstream.gather(body, x, places, body.shape)


@form("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index_tensors(body: Body, x: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """Several dimensions read at the coordinates that broadcast index tensors hold."""
    given = {dim: index for dim, index in enumerate(indices) if index is not None}
    if any(index.dtype == torch.bool for index in given.values()):
        raise NoForm("an index by truth values, whose result has a shape that depends on data")
    shape = tuple(torch.broadcast_shapes(*(index.shape for index in given.values())))
    dims = list(given)
    together = dims == list(range(dims[0], dims[-1] + 1))
    start = dims[0] if together else 0
    rest = iter(place for place in range(len(body.shape)) if not start <= place < start + len(shape))
    known = _known_places(body, x, given, start, len(shape))
    if known is not None:
        return known
    places: list[upstream.Place] = []
    for dim in range(len(x.shape)):
        if dim not in given:
            places.append(next(rest))
            continue
        index = given[dim]
        offset = start + len(shape) - len(index.shape)
        read = tuple(None if extent == 1 else offset + place for place, extent in enumerate(index.shape))
        places.append(upstream.At(index, read))
    return upstream.gather(body, x, places, body.shape)


def _known_places(body: Body, x: Tensor, given: dict[int, Tensor], start: int, count: int) -> Tensor | None:
    """The read as a relabelling, where every index is an affine function of the output's coordinates."""
    ranks = [f"i{place}" for place in range(len(body.shape))]
    extents = dict(zip(ranks, body.shape, strict=True))
    rest = iter(rank for place, rank in enumerate(ranks) if not start <= place < start + count)
    read: list[Index] = []
    for dim, extent in enumerate(x.shape):
        if dim not in given:
            read.append(Index.of(next(rest)))
            continue
        index = given[dim]
        offset = start + count - len(index.shape)
        if isinstance(index.form, Coord):
            table = {str(place): Index.of(ranks[offset + place]) for place in range(len(index.shape))}
            units = {str(place): Index() for place, size in enumerate(index.shape) if size == 1}
            where = index.form.index.substitute({**table, **units})
        elif index.form is not None:
            where = Index((), int(index.form.value))
        else:
            return None
        low, high = where.bounds(extents)
        if low < 0 or high >= extent:
            return None
        read.append(where)
    for dim, where in enumerate(read):  # a plain index has its tensor's extent
        if where.plain is not None:
            x = part(body, x, dim, 0, extents[where.plain])
    return relabel(body, x, ranks, read, body.shape)


@form("aten.one_hot.default")
def one_hot(body: Body, x: Tensor, classes: int = -1) -> Tensor:
    """1 at the coordinate a number names, 0 elsewhere."""
    ranks = distinct(x.rank_names)
    c = fresh("c", ranks)
    x = body.materialised(x)
    extents = {c: body.shape[-1]}
    same = body.einsum((*ranks, c), "eq", x.at(ranks), Coord(Index.of(c)), extents=extents, name="HERE")
    return body.cast(same, body.dtype)


@form("aten.bucketize.Tensor")
def bucketize(
    body: Body, x: Tensor, edges: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """How many of the sorted edges lie below."""
    if len(edges.shape) != 1:
        raise NoForm("edges of several dimensions")
    common = torch.promote_types(edges.dtype, x.dtype)
    edges, x = body.materialised(body.cast(edges, common)), body.materialised(body.cast(x, common))
    ranks = distinct(x.rank_names)
    j = fresh("j", ranks)
    above = body.einsum((*ranks, j), "gt" if right else "ge", edges[j], x.at(ranks), name="ABOVE")
    counted = body.cast(body.map("not", above, name="BELOW"), body.dtype)  # so that NaN is above all edges
    return body.einsum(ranks, "id", counted.at((*ranks, j)), over=(j,), dtype=body.dtype)


@form("aten.searchsorted.Tensor")
def searchsorted(
    body: Body, edges: Tensor, x: Tensor, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """How many of the sorted edges lie below."""
    if sorter is not None:
        raise NoForm("edges that are not sorted")
    return bucketize(body, x, edges, out_int32=out_int32, right=right or side == "right")


@form("aten.scatter.src", "aten.scatter.value")
def scatter(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor | Number) -> Tensor:
    """Along one dimension, elements put at the coordinates an index names; the last one stays."""
    if not isinstance(source, Tensor):
        source = literal(source, x.dtype, index.shape)
    return _over(body, x, dim, index, source, _put)


@form("aten.scatter_add.default")
def scatter_add(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Along one dimension, elements added at the coordinates an index names."""
    return _over(body, x, dim, index, source, _add)


_FOLDS: dict[str, tuple[str, float]] = {
    "sum": ("sum", 0.0),
    "prod": ("prod", 1.0),
    "amax": ("max", -math.inf),
    "amin": ("min", math.inf),
}
_PAIRS = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}


@form("aten.scatter_reduce.two")
def scatter_reduce(
    body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Along one dimension, elements folded into the coordinates an index names."""
    if reduce not in _FOLDS or not include_self or not x.dtype.is_floating_point:
        raise NoForm(f"folding by '{reduce}'")
    fold, neutral = _FOLDS[reduce]

    def folded(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
        hits = _hits(body, x, dim, index)
        point = (*hits.ranks, hits.j)
        moved = body.einsum(
            point, "where", hits.hit.at(hits.over), body.materialised(source).at(hits.inner), neutral,
            dtype=x.dtype, name="MOVED",
        )  # fmt: skip
        held = body.einsum(hits.ranks, "id", moved.at(point), reduce=fold, over=(hits.j,), dtype=x.dtype)
        return body.map(_PAIRS[fold], x, held)

    return _over(body, x, dim, index, source, folded)


Placing = Callable[[Body, Tensor, int, Tensor, Tensor], Tensor]


def _over(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor, placing: Placing) -> Tensor:
    """What an index does to the part of a tensor it covers, with the part of the source that it names."""
    if not x.shape:
        raise NoForm("a tensor without dimensions")
    dim %= len(x.shape)
    for place, extent in enumerate(index.shape):
        source = part(body, source, place, 0, extent)
    for place, extent in enumerate(index.shape):
        if place != dim and extent < x.shape[place]:
            inner = _over(body, part(body, x, place, 0, extent), dim, index, source, placing)
            return slice_scatter(body, x, inner, place, 0, extent)
    return placing(body, x, dim, index, source)


@dataclass(frozen=True)
class _Hits:
    """Where an index along a dimension names a coordinate: true over `over`, among the ranks of `point`.

    Attributes:
        ranks: of the tensor written.
        j: rank along the index.
        inner: ranks of the source.
        over: ranks of `hit`.
    """

    ranks: tuple[str, ...]
    j: str
    inner: tuple[str, ...]
    over: tuple[str, ...]
    hit: Tensor


def _hits(body: Body, x: Tensor, dim: int, index: Tensor) -> _Hits:
    ranks = distinct(x.rank_names)
    j = fresh("j", ranks)
    inner = (*ranks[:dim], j, *ranks[dim + 1 :])
    index = body.materialised(index)
    shared = [
        place != dim and extent == 1 and x.shape[place] != 1 for place, extent in enumerate(index.shape)
    ]
    read = [0 if same else rank for rank, same in zip(inner, shared, strict=True)]
    over = (*(rank for rank, same in zip(ranks, shared, strict=True) if not same), j)
    here = Coord(Index.of(ranks[dim]))
    hit = body.einsum(over, "eq", index.at(read), here, extents={ranks[dim]: x.shape[dim]}, name="HIT")
    return _Hits(ranks, j, inner, over, hit)


def _sum(body: Body, x: Tensor, hits: _Hits, source: Tensor) -> Tensor:
    """Sum of the source's elements that hit each point."""
    point = (*hits.ranks, hits.j)
    zero = typed(0, x.dtype)
    moved = body.einsum(
        point, "where", hits.hit.at(hits.over), source.at(hits.inner), zero,
        extents=dict(zip(hits.ranks, x.shape, strict=True)), dtype=x.dtype, name="MOVED",
    )  # fmt: skip
    return body.einsum(hits.ranks, "id", moved.at(point), over=(hits.j,), dtype=x.dtype, name="SUM")


def _add(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    return body.map("add", x, _sum(body, x, _hits(body, x, dim, index), source))


def _put(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    hits = _hits(body, x, dim, index)
    kept = hits.over[:-1]
    along = Coord(Index.of(hits.j))
    which = body.einsum(hits.over, "where", hits.hit.at(hits.over), along, -1, dtype=torch.int64, name="AT")
    last = body.einsum(
        kept, "id", which.at(hits.over), reduce="max", over=(hits.j,), dtype=torch.int64, name="LAST"
    )
    only = body.einsum(
        hits.over, "eq", last.at(kept), along, extents={hits.j: index.shape[dim]}, name="FOUND"
    )
    moved = _sum(body, x, replace(hits, hit=only), source)
    hit = body.einsum(kept, "ge", last.at(kept), 0, name="HITS")
    x = body.materialised(x)
    return body.einsum(
        hits.ranks, "where", hit.at(kept), moved.at(hits.ranks), x.at(hits.ranks), dtype=x.dtype
    )


@form("aten.index_add.default")
def index_add(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """Slices added at the coordinates an index lists."""
    if alpha != 1:
        source = body.map("mul", source, typed(alpha, source.dtype))
    return _placed(body, x, dim % max(len(x.shape), 1), index, source, add=True)


@form("aten.index_copy.default")
def index_copy(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Slices put at the coordinates an index lists; the last one stays."""
    return _placed(body, x, dim % max(len(x.shape), 1), index, source, add=False)


@form("aten.index_put.default")
def index_put(
    body: Body, x: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Slices put (or added) at the coordinates one index tensor lists."""
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if len(given) != 1 or len(given[0][1].shape) != 1 or given[0][1].dtype == torch.bool:
        raise NoForm("other than one list of coordinates")
    dim, index = given[0]
    shape = (*x.shape[:dim], index.shape[0], *x.shape[dim + 1 :])
    counted = evaluate(
        replace(body, dtype=index.dtype), "where(i < 0, i + n, i)", {"i": index, "n": x.shape[dim]}
    )
    return _placed(body, x, dim, counted, expand(body, values, shape), add=accumulate)


def _placed(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor, add: bool) -> Tensor:
    """Into a state in place; else the index read at every point of the other dimensions, as a scatter."""
    if not add and x.value in body.states:
        return upstream.put(body, x, dim, index, source)
    if not x.shape:
        source = body.reshape(source, ())
        return body.map("add", x, source) if add else source
    wide = body.reshape(index, (*[1] * dim, index.shape[0], *[1] * (len(x.shape) - dim - 1)))
    return (_add if add else _put)(body, x, dim, wide, source)
