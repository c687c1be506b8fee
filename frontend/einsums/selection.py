"""Reads at places that are data: table look-ups pass through upstream; scatters are Einsums over equality."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...ir.einsum import Coord, Index
from .. import upstream
from ..body import Body, NoForm
from ..tensor import Number, Tensor, distinct, fresh, literal
from .table import form


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
    dim %= len(x.shape)
    places: list[upstream.Place] = list(range(len(x.shape)))
    places[dim] = upstream.At(index, tuple(range(len(x.shape))))
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
    edges, x = body.materialised(body.cast(edges, x.dtype)), body.materialised(x)
    ranks = distinct(x.rank_names)
    j = fresh("j", ranks)
    below = body.einsum((*ranks, j), "le" if right else "lt", edges[j], x.at(ranks), name="BELOW")
    counted = body.cast(below, body.dtype)
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
    return _scatter(body, x, dim, index, source, add=False)


@form("aten.scatter_add.default")
def scatter_add(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Along one dimension, elements added at the coordinates an index names."""
    return _scatter(body, x, dim, index, source, add=True)


def _scatter(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor | Number, add: bool) -> Tensor:
    dim %= len(x.shape)
    if any(
        here != there
        for place, (here, there) in enumerate(zip(x.shape, index.shape, strict=True))
        if place != dim
    ):
        raise NoForm("an index smaller than the tensor")
    if not isinstance(source, Tensor):
        source = literal(source, x.dtype, index.shape)
    if source.shape != index.shape:
        raise NoForm("a source larger than the index")
    ranks = list(distinct(x.rank_names))
    j = fresh("j", ranks)
    inner = [*ranks[:dim], j, *ranks[dim + 1 :]]
    point = [*ranks, j]
    extents = {ranks[dim]: x.shape[dim]}
    index = body.materialised(index)
    hit = body.einsum(point, "eq", index.at(inner), Coord(Index.of(ranks[dim])), extents=extents, name="HIT")
    zero = 0.0 if x.dtype.is_floating_point else 0
    if not add:
        last = body.einsum(
            point, "where", hit.at(point), Coord(Index.of(j)), -1, dtype=torch.int64, name="AT"
        )
        last = body.einsum(
            ranks, "id", last.at(point), reduce="max", over=(j,), dtype=torch.int64, name="LAST"
        )
        only = {**extents, j: index.shape[dim]}
        found = body.einsum(point, "eq", last.at(ranks), Coord(Index.of(j)), extents=only, name="FOUND")
        x = body.map("where", body.map("ge", last, 0), literal(0, x.dtype), x, dtype=x.dtype, name="KEPT")
        hit = found
    moved = body.einsum(point, "where", hit.at(point), source.at(inner), zero, dtype=x.dtype, name="MOVED")
    added = body.einsum(ranks, "id", moved.at(point), over=(j,), dtype=x.dtype, name="SUM")
    return body.map("add", x, added)
