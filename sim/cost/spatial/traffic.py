"""Bytes: what each tensor moves between DRAM, global buffer and the arrays, and what the buffer holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .points import (
    Array,
    Points,
    across,
    array_loops,
    dram_loops,
    tile_elements,
    visits,
    whole_elements,
)
from .workload import Problem, Step, Use


@dataclass(frozen=True)
class Dram:
    """Traffic with DRAM in bytes.

    Attributes:
        read, written: by tensor.
        alone_read, alone_written: of them, what overlaps no computing: the first tile in, the last tile out,
            and all of a tensor that the buffer has one tile of.
    """

    read: dict[str, Array]
    written: dict[str, Array]
    alone_read: Array
    alone_written: Array


@dataclass(frozen=True)
class Vectors:
    """Vectors a step moves over the array's edge: one word for each column, or for each row.

    Attributes:
        read, written: vectors of each use.
        use: the tensor, as read or written.
        stored: the use goes to or comes from the global buffer.
        rows: buffer rows to a vector.
    """

    use: Use
    read: Array
    written: Array
    stored: bool
    rows: Array


def dram(problem: Problem, points: Points) -> Dram:
    """Traffic with DRAM.

    A tensor that several steps of one pass read is fetched once for all of them; a later pass fetches it
    again unless its tile is the whole fiber. Where a reduced rank's loop lies outside one of the output's,
    partial sums leave and come back.
    """
    size, width = len(points), problem.element_bytes
    zero = np.zeros(size, np.int64)
    read: dict[str, Array] = {}
    written: dict[str, Array] = {}
    alone_read, alone_written = zero, zero
    for tensor, place in problem.place.items():
        if place != "dram":
            continue
        first, last = zero, zero
        fetched = _fetched(problem, points, tensor)
        if fetched is not None:
            read[tensor] = fetched * width
        if tensor in problem.source:
            step = problem.steps[problem.source[tensor]]
            _, repeats = visits(dram_loops(step, points), step.write.ranks, size)
            elements = whole_elements(problem, points, step.write)
            written[tensor] = elements * repeats * width
            again = elements * np.maximum(repeats - 1, 0) * width
            read[tensor] = read.get(tensor, zero) + again
            if tensor in problem.results:
                last = tile_elements(problem, points, step.write) * width
        else:
            uses = [tile_elements(problem, points, use) for _, use in problem.readers(tensor)]
            first = np.maximum.reduce(uses) * width
        whole = tensor in problem.single
        alone_read = alone_read + (read.get(tensor, zero) if whole else first)
        alone_written = alone_written + (written.get(tensor, zero) if whole else last)
    return Dram(read, written, alone_read, alone_written)


def _fetched(problem: Problem, points: Points, tensor: str) -> Array | None:
    """Elements read from DRAM by the passes that read a tensor; None where nobody reads it.

    A reader in the writer's own pass finds the tile still in the buffer, unless another loop comes between.
    """
    readers = problem.readers(tensor)
    passes: dict[tuple[int, ...], Array] = {}
    for step, use in readers:
        _, repeats = visits(dram_loops(step, points), use.ranks, len(points))
        count = whole_elements(problem, points, use) * repeats
        key = _pass(step, use)
        if tensor in problem.source:
            writer = problem.steps[problem.source[tensor]]
            _, again = visits(dram_loops(writer, points), writer.write.ranks, len(points))
            if key == _pass(writer, writer.write):
                count = np.where((repeats == 1) & (again == 1), 0, count)
        passes[key] = np.maximum(passes[key], count) if key in passes else count
    total: Array | None = None
    seen: list[tuple[int, ...]] = []
    for key, count in passes.items():
        still = np.zeros(len(points), bool)
        for other in seen:
            apart = [rank for rank, pair in enumerate(zip(key, other, strict=True)) if pair[0] != pair[1]]
            still |= np.logical_and.reduce([points.outer[rank] <= 1 for rank in apart])
        total = count if total is None else np.where(still, np.maximum(total, count), total + count)
        seen.append(key)
    return total


def _pass(step: Step, use: Use) -> tuple[int, ...]:
    """The pass over each rank of the tensor that the use belongs to."""
    return tuple(level if rank in use.ranks else 0 for rank, level in enumerate(step.level))


def vectors(problem: Problem, step: Step, points: Points) -> list[Vectors]:
    """What a step moves over the edge of its unit; what stays in the processing elements does not move."""
    loops = array_loops(problem, step, points)
    found = [_vectors(problem, step, use, loops, points) for use in step.reads if _moves(problem, step, use)]
    if _moves(problem, step, step.write):
        found.append(_vectors(problem, step, step.write, loops, points, output=True))
    return found


def _moves(problem: Problem, step: Step, use: Use) -> bool:
    if not problem.in_elements(use.tensor):
        return True
    if use is step.write:
        return any(not reader.flat for reader, _ in problem.readers(use.tensor))
    return not step.flat


def _vectors(
    problem: Problem,
    step: Step,
    use: Use,
    loops: list[tuple[int, Array, Array]],
    points: Points,
    *,
    output: bool = False,
) -> Vectors:
    tiles, repeats = visits(loops, use.ranks, len(points))
    cols = across(use.ranks, problem.wide(step), points)
    rows = across(use.ranks, problem.rows, points) if step.flat else np.ones(len(points), np.int64)
    # A matrix passes the edge row by row, a vector along the rows is one row of the buffer.
    matrix = bool(use.ranks & problem.cols) and step.flat
    times = rows if matrix else np.ones(len(points), np.int64)
    words = cols if matrix or not step.flat else np.maximum(rows, cols)
    per_row = problem.buffer.alignment_bytes
    stored = problem.place[use.tensor] != "array"
    if output:
        back = tiles * np.maximum(repeats - 1, 0) * times
        moved = tiles * repeats * times
    else:
        back, moved = tiles * repeats * times, np.zeros(len(points), np.int64)
    return Vectors(use, back, moved, stored, -(-words * problem.element_bytes // per_row))


def occupied(problem: Problem, points: Points) -> Array:
    """Bytes of the global buffer in use.

    What comes from and goes to DRAM takes a tile, or two where transfers overlap computing and there is
    more than one tile; what is kept takes a tile, with whole fibers where a later pass reads them.
    """
    total = np.zeros(len(points), np.int64)
    for tensor, place in problem.place.items():
        uses = [use for _, use in problem.readers(tensor)]
        if tensor in problem.source:
            uses.append(problem.steps[problem.source[tensor]].write)
        if place == "array" or tensor in problem.shares:
            continue
        whole = problem.held.get(tensor, frozenset())
        one = problem.carried.get(tensor)
        size = np.maximum.reduce([tile_elements(problem, points, use, whole=whole, one=one) for use in uses])
        if place == "dram" and tensor not in problem.single:
            ranks = frozenset[int]().union(*(use.ranks for use in uses))
            changes = np.logical_or.reduce(
                [np.zeros(len(points), bool), *(points.outer[rank] > 1 for rank in ranks)]
            )
            size = np.where(changes, 2 * size, size)
        total = total + size
    return total * problem.element_bytes
