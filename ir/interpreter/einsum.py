"""Evaluates one Einsum by its definition: visit the points of the iteration space, map, then reduce.

Floating values are float64 throughout. A point is absent where an access leaves its tensor; absent
points are not visited.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..einsum import Access, Coord, Einsum, Index, Literal
from ..operators import MAPS, REDUCES

Array = np.ndarray

# Points evaluated at once; larger spaces are visited in slices of their first rank.
_SLICE = 1 << 24


def evaluate(
    einsum: Einsum,
    tensors: Sequence[Array],
    extents: Mapping[str, int],
    kind: np.dtype,
    fixed: Mapping[str, int],
) -> Array:
    """Value of the output tensor.

    Args:
        einsum: the Einsum.
        tensors: one array per access.
        extents: extent of every rank of the iteration space.
        kind: dtype of the result.
        fixed: coordinates of the generational ranks.
    """
    if _is_contraction(einsum, tensors):
        return _contract(einsum, tensors, extents, fixed).astype(kind)
    order = einsum.output.ranks
    points = int(np.prod([extents[rank] for rank in einsum.ranks], dtype=np.float64))
    if points <= _SLICE or not order or extents[order[0]] <= 1:
        return _visit(einsum, tensors, extents, {}, fixed, kind)
    step = max(1, _SLICE * extents[order[0]] // points)
    pieces = [
        _visit(
            einsum,
            tensors,
            {**extents, order[0]: min(step, extents[order[0]] - start)},
            {order[0]: start},
            fixed,
            kind,
        )
        for start in range(0, extents[order[0]], step)
    ]
    return np.concatenate(pieces, axis=0)


def _is_contraction(einsum: Einsum, tensors: Sequence[Array]) -> bool:
    return (
        einsum.map == "mul"
        and einsum.reduce == "sum"
        and len(einsum.accesses) == 2
        and all(tensor.dtype.kind == "f" for tensor in tensors)
    )


def _contract(
    einsum: Einsum, tensors: Sequence[Array], extents: Mapping[str, int], fixed: Mapping[str, int]
) -> Array:
    number = {rank: place for place, rank in enumerate(einsum.ranks)}
    arguments: list[Any] = []  # array, axes, array, axes, …
    covered: set[str] = set()
    for access, tensor in zip(einsum.accesses, tensors, strict=True):
        values, present = _read(access, tensor, extents, {}, fixed)
        ranks = _free(access, fixed)
        covered.update(ranks)
        arguments += [values if present is None else np.where(present, values, 0.0)]
        arguments += [[number[rank] for rank in ranks]]
    for rank in einsum.ranks:
        if rank not in covered:  # broadcast along an output rank, or a sum of equal terms
            arguments += [np.ones(extents[rank]), [number[rank]]]
    return np.einsum(*arguments, [number[rank] for rank in einsum.output.ranks], optimize=True)


def _visit(
    einsum: Einsum,
    tensors: Sequence[Array],
    extents: Mapping[str, int],
    starts: Mapping[str, int],
    fixed: Mapping[str, int],
    kind: np.dtype,
) -> Array:
    space = einsum.ranks
    shape = tuple(extents[rank] for rank in space)
    remaining = iter(tensors)
    values: list[Array] = []
    present: Array | None = None
    for operand in einsum.operands:
        if isinstance(operand, Literal):
            values.append(np.asarray(operand.value))
            continue
        if isinstance(operand, Coord):
            value, seen = _coordinates(operand.index, extents, starts, fixed), None
            ranks = [rank for rank in operand.ranks if rank not in fixed]
        else:
            value, seen = _read(operand, next(remaining), extents, starts, fixed)
            ranks = _free(operand, fixed)
        values.append(_align(value, ranks, space))
        if seen is not None:
            seen = _align(seen, ranks, space)
            present = seen if present is None else present & seen
    with np.errstate(all="ignore"):
        result = np.broadcast_to(MAPS[einsum.map].evaluate(*values), shape)
        return _reduce(einsum, result, present, kind)


def _reduce(einsum: Einsum, result: Array, present: Array | None, kind: np.dtype) -> Array:
    if einsum.reduce is None:
        return (result if present is None else np.where(present, result, 0)).astype(kind)
    fold = REDUCES[einsum.reduce]
    if present is not None:
        result = np.where(present, result, _identity(fold.identity, result.dtype))
    axes = tuple(range(len(einsum.output.ranks), result.ndim))
    return np.asarray(fold.fold(result, axis=axes)).astype(kind)


def _identity(value: float, kind: np.dtype) -> Array:
    """The identity in a type; of an infinity in integers, the type's own end."""
    if kind.kind == "i" and np.isinf(value):
        limits = np.iinfo(kind)
        return np.asarray(limits.max if value > 0 else limits.min, kind)
    return np.asarray(value).astype(kind)


def _free(access: Access, fixed: Mapping[str, int]) -> list[str]:
    return [rank for rank in access.ranks if rank not in fixed]


def _align(value: Array, ranks: Sequence[str], space: Sequence[str]) -> Array:
    """Put axes in the order of the iteration space, with length one where a rank is missing."""
    order = sorted(range(len(ranks)), key=lambda axis: space.index(ranks[axis]))
    moved = np.transpose(value, order)
    lengths = dict(zip([ranks[axis] for axis in order], moved.shape, strict=True))
    return moved.reshape([lengths.get(rank, 1) for rank in space])


def _coordinates(
    index: Index, extents: Mapping[str, int], starts: Mapping[str, int], fixed: Mapping[str, int]
) -> Array:
    """The index expression over the grid of its free ranks, int64."""
    free = [rank for rank in index.ranks if rank not in fixed]
    total = np.full((1,) * len(free), index.const, np.int64)
    for rank, coeff in index.terms:
        if rank in fixed:
            total = total + coeff * fixed[rank]
            continue
        start = starts.get(rank, 0)
        along = np.arange(start, start + extents[rank], dtype=np.int64)
        total = total + coeff * along.reshape([-1 if rank == other else 1 for other in free])
    return np.broadcast_to(total, [extents[rank] for rank in free])


def _read(
    access: Access,
    tensor: Array,
    extents: Mapping[str, int],
    starts: Mapping[str, int],
    fixed: Mapping[str, int],
) -> tuple[Array, Array | None]:
    """The accessed values over the grid of the access's free ranks, and which of them are present."""
    ranks = _free(access, fixed)
    if not starts and [index.plain for index in access.index] == ranks:
        clip = tuple(slice(0, extents[rank]) for rank in ranks)
        if all(size >= extents[rank] for size, rank in zip(tensor.shape, ranks, strict=True)):
            return tensor[clip], None
    places: list[Array] = []
    present: Array | None = None
    for index, size in zip(access.index, tensor.shape, strict=True):
        free = [rank for rank in index.ranks if rank not in fixed]
        where = _align(_coordinates(index, extents, starts, fixed), free, ranks)
        inside = (where >= 0) & (where < size)
        if not inside.all():
            present = inside if present is None else present & inside
            where = np.clip(where, 0, max(size - 1, 0))
        places.append(where)
    if tensor.size == 0 and places:
        grid = tuple(extents[rank] for rank in ranks)
        return np.zeros(grid, tensor.dtype), np.zeros(grid, bool)
    grid = tuple(extents[rank] for rank in ranks)
    values = np.broadcast_to(tensor[tuple(places)], grid)
    return values, None if present is None else np.broadcast_to(present, grid)


def grid_points(extents: Sequence[int]) -> itertools.product[tuple[int, ...]]:
    """Every coordinate of a grid, last rank fastest."""
    return itertools.product(*(range(extent) for extent in extents))
