"""Many mappings of one nest at once, as arrays, and what their loops mean: tiles, trips, visits.

A tensor's tile is fetched again whenever a loop that it depends on moves on. So it is fetched as many
times as the product of the trips of all loops from the outermost down to the innermost it depends on
(loops of one trip apart): exact for perfectly nested loops and a memory that holds one tile of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .mapping import Nest
from .workload import Problem, Step, Use

Array = np.ndarray
Loop = tuple[int, Array, Array]
"""Rank, trips, position (greater is further in)."""


@dataclass(frozen=True)
class Points:
    """Mappings of a nest that differ in numbers only; every array is ranks × mappings, of int64.

    Attributes:
        outer, inner, spatial: the splits.
        dram, buffer: position of each rank's loop, 0 the outermost, every rank another.
    """

    outer: Array
    inner: Array
    spatial: Array
    dram: Array
    buffer: Array

    @staticmethod
    def of(problem: Problem, nests: Sequence[Nest]) -> Points:
        """The numbers of nests that are alike otherwise."""
        splits = [[nest.splits[rank] for nest in nests] for rank in problem.ranks]

        def table(name: str) -> Array:
            return np.array([[getattr(split, name) for split in row] for row in splits], np.int64)

        def places(orders: list[tuple[str, ...]]) -> Array:
            found = []
            for order in orders:
                rest = [rank for rank in problem.ranks if rank not in order]
                full = [*order, *rest]
                found.append([full.index(rank) for rank in problem.ranks])
            return np.array(found, np.int64).T.reshape(len(problem.ranks), len(nests))

        return Points(
            table("outer"),
            table("inner"),
            table("spatial"),
            places([nest.dram_order for nest in nests]),
            places([nest.buffer_order for nest in nests]),
        )

    def __len__(self) -> int:
        return self.outer.shape[1]

    def __getitem__(self, which: Array | slice) -> Points:
        return Points(
            self.outer[:, which],
            self.inner[:, which],
            self.spatial[:, which],
            self.dram[:, which],
            self.buffer[:, which],
        )


def tile(problem: Problem, points: Points, rank: int) -> Array:
    """Extent of a DRAM tile along a rank."""
    return np.minimum(problem.extents[rank], points.inner[rank] * points.spatial[rank])


def tile_elements(
    problem: Problem, points: Points, use: Use, *, whole: frozenset[int] = frozenset(), one: int | None = None
) -> Array:
    """Elements of a tensor that a DRAM tile needs.

    Args:
        problem, points: the mappings.
        use: how the tensor is indexed; a dimension of several ranks (a convolution's window, a split rank)
            counts what their sums can reach, halo included.
        whole: ranks whose whole extent is held.
        one: the generational rank of what is carried; one generation is held.
    """
    count = np.ones(len(points), np.int64)
    for dim in use.dims:
        product = np.ones(len(points), np.int64)
        reach = np.ones(len(points), np.int64)
        for rank, coefficient in dim:
            size = np.int64(problem.extents[rank]) if rank in whole else tile(problem, points, rank)
            size = np.ones_like(product) if rank == one else size
            product = product * size
            reach = reach + coefficient * (size - 1)
        count = count * (product if len(dim) == 1 else np.minimum(product, np.maximum(reach, 0)))
    return count


def whole_elements(problem: Problem, points: Points, use: Use) -> Array:
    """Elements of a tensor over all DRAM tiles, each once; exact also where the last tile is ragged.

    A dimension of several ranks counts its halo once per tile.
    """
    count = np.ones(len(points), np.int64)
    for dim in use.dims:
        if len(dim) == 1:
            count = count * problem.extents[dim[0][0]]
            continue
        part = tile_elements(problem, points, Use(use.tensor, (dim,)))
        for rank, _ in dim:
            part = part * points.outer[rank]
        count = count * part
    return count


def dram_loops(step: Step, points: Points) -> list[Loop]:
    """The loops over DRAM tiles that a step runs in: those of its own ranks."""
    return [(rank, points.outer[rank], points.dram[rank]) for rank in sorted(step.ranks)]


def array_loops(problem: Problem, step: Step, points: Points) -> list[Loop]:
    """All loops of a step that are not spatial: DRAM tiles, array tiles, steps within them."""
    size = len(problem.ranks)
    loops = dram_loops(step, points)
    for rank in sorted(step.ranks):
        if rank in problem.tile:
            place = np.full(len(points), 2 * size + problem.tile.index(rank))
        else:
            place = size + points.buffer[rank]
        loops.append((rank, points.inner[rank], place))
    for rank in sorted(problem.turns(step)):
        loops.append((rank, points.spatial[rank], np.full(len(points), 3 * size + rank)))
    return loops


def visits(loops: Sequence[Loop], ranks: frozenset[int], size: int) -> tuple[Array, Array]:
    """How many tiles a tensor of these ranks has, and how often each is visited.

    Args:
        loops: of the step that uses it.
        ranks: those the tensor depends on.
        size: number of mappings.
    """
    innermost = np.full(size, -1, np.int64)
    for rank, trips, place in loops:
        if rank in ranks:
            innermost = np.maximum(innermost, np.where(trips > 1, place, -1))
    tiles, repeats = np.ones(size, np.int64), np.ones(size, np.int64)
    for rank, trips, place in loops:
        if rank in ranks:
            tiles = tiles * trips
        else:
            repeats = repeats * np.where(place < innermost, trips, 1)
    return tiles, repeats


def executions(problem: Problem, step: Step, points: Points) -> Array:
    """Array tiles a step runs on."""
    count = np.ones(len(points), np.int64)
    for rank in step.ranks:
        count = count * points.outer[rank]
        if rank not in problem.tile:
            count = count * points.inner[rank]
    return count


def across(ranks: frozenset[int], axis: frozenset[int], points: Points) -> Array:
    """Rows (or columns) of the array that a tensor of these ranks spreads over."""
    count = np.ones(len(points), np.int64)
    for rank in ranks & axis:
        count = count * points.spatial[rank]
    return count
