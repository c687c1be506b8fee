"""Chooses how a phase is run: streamed rank, loop order, block sizes, and what to keep, spill or make again.

A search, not a proof: every choice is evaluated on a grid of block sizes that is exact for up to eight
blocks a rank and geometric beyond, and the best is then improved one rank at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from .fates import all_spilled, fate_choices
from .nest import Nest
from .part import Part, renames

_GRID_POINTS = 6000
_CLOSE = 1.1  # grid results within this factor of the best known are worth improving


@dataclass(frozen=True)
class Tiling:
    """A nest with its block sizes and what that comes to."""

    nest: Nest
    blocks: Mapping[str, int]
    elements: int
    occupancy: int

    @cached_property
    def work(self) -> int:
        """Points computed, those computed again counted again."""
        made = self.nest.made(_trips(self.nest.extents, self.blocks))
        return _points(self.nest.part, made)


def best_tiling(
    part: Part, buffer_elements: int, *, recompute: bool = True, limit: int | None = None
) -> Tiling | None:
    """The tiling of a part with the least traffic found, and of those the one that computes least.

    Args:
        part: the Einsums.
        buffer_elements: capacity.
        recompute: whether anything may be made more than once.
        limit: tilings that move this much or more are of no interest.

    Returns:
        The tiling, or None when none fits the buffer and stays below the limit.
    """
    best: Tiling | None = None
    batch = frozenset(rank for rank in part.tileable if _everywhere(part, rank))
    fitting = [
        nest for nest in nests(part, buffer_elements, recompute=recompute) if _fits(nest, buffer_elements)
    ]
    once = _points(part)
    for nest in sorted(fitting, key=lambda nest: (nest.floor, len(nest.repeated))):
        known = limit if best is None else best.elements + (best.work > once)
        if known is not None and nest.floor >= known:
            break
        for order in _orders(nest.order, batch):
            found = _search(replace(nest, order=order), batch, buffer_elements, known)
            if found is not None and (known is None or found.elements < known) and _better(found, best):
                best = found
                known = best.elements + (best.work > once)
    return best


def _better(found: Tiling, best: Tiling | None) -> bool:
    return best is None or (found.elements, found.work) < (best.elements, best.work)


def _points(part: Part, made: Mapping[str, Any] | None = None) -> Any:
    """Points of all Einsums that compute something, each as often as `made` says, or once."""
    extents = part.cascade.extents
    return sum(
        prod(extents[rank] for rank in einsum.ranks) * (made[einsum.output.tensor] if made else 1)
        for einsum in part.einsums
        if einsum.accesses and not renames(einsum)
    )


def _fits(nest: Nest, buffer_elements: int) -> bool:
    """Whether blocks of one point fit; the order of the outer ranks does not matter then."""
    ones = dict.fromkeys(nest.order, 1)
    return int(nest.occupancy(ones, ones)) <= buffer_elements


def nests(part: Part, buffer_elements: int, *, recompute: bool = True) -> Iterator[Nest]:
    """Every loop nest considered for a part, in one order of its outer ranks; some do not fit."""
    for stream in _streams(part):
        everything = tuple(rank for rank in part.tileable if rank not in stream)
        shared = tuple(rank for rank in everything if _shared(part, rank))
        for outer in dict.fromkeys((everything, shared)) if recompute else (shared,):
            plain = Nest(part, stream, outer)
            if not _fits(replace(plain, fates=all_spilled(plain)), buffer_elements):
                continue
            for fates in fate_choices(plain, recompute=recompute):
                nest = replace(plain, fates=fates)
                if nest.legal:
                    yield nest
                    if nest.passes > 1:
                        yield replace(nest, fibers=True)


def _streams(part: Part) -> Iterator[tuple[str, ...]]:
    """What may be traversed point by point: a rank, all that a single Einsum reduces, or nothing."""
    reduced = part.einsums[0].reduced if len(part.einsums) == 1 else ()
    if len(reduced) > 1:
        together = all(
            ranks.isdisjoint(reduced) or ranks.issuperset(reduced) for ranks in part.load_ranks.values()
        )
        yield from [reduced] if together or len(reduced) > 4 else permutations(reduced)
    yield from ((rank,) for rank in part.streamable if part.cascade.extents[rank] > 1)
    yield ()


def _orders(ranks: tuple[str, ...], batch: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Orders of the outer loops: ranks that everything has outermost, then any order of up to three."""
    first = [rank for rank in ranks if rank in batch]
    free = [rank for rank in ranks if rank not in batch]
    if len(free) <= 3:
        yield from ((*first, *order) for order in permutations(free))
        return
    for turn in range(len(free)):
        yield (*first, *free[turn:], *free[:turn])


def _everywhere(part: Part, rank: str) -> bool:
    """Whether everything that moves has the rank as a plain index: then its block size changes nothing."""
    moved = [access for access, _ in part.loads.values()]
    moved += [part.written[tensor].output for tensor in part.stores]
    return all(rank in access.plain for access in moved)


def _shared(part: Part, rank: str) -> bool:
    """Whether every Einsum that computes anything has the rank, so that its blocks repeat no work."""
    pairs = zip(part.einsums, part.rank_sets, strict=True)
    return all(rank in ranks for einsum, ranks in pairs if einsum.accesses and not renames(einsum))


def _candidates(extent: int, most: int) -> list[int]:
    """Block sizes: those of 1 to 8 blocks, then a geometric series down to 1."""
    counts = [float(count) for count in range(1, 9)]
    ratio = max(1.15, (extent / 8) ** (1 / max(1, most - 8))) if extent > 8 else 2.0
    while counts[-1] < extent:
        counts.append(counts[-1] * ratio)
    return sorted({-(-extent // min(extent, int(count))) for count in counts}, reverse=True)


def _trips(extents: Mapping[str, int], blocks: Mapping[str, int]) -> dict[str, int]:
    return {rank: -(-extents[rank] // block) for rank, block in blocks.items()}


def _search(nest: Nest, batch: frozenset[str], buffer_elements: int, known: int | None) -> Tiling | None:
    extents = nest.extents
    ones = [rank for rank in nest.order if rank in batch]
    free = [rank for rank in nest.order if rank not in ones]
    most = int(_GRID_POINTS ** (1 / max(1, len(free)))) if free else 1
    axes = [np.array(_candidates(extents[rank], min(most, 80)), dtype=np.float64) for rank in free]
    mesh = np.meshgrid(*axes, indexing="ij") if axes else []
    blocks = dict.fromkeys(ones, np.float64(1)) | {r: a.ravel() for r, a in zip(free, mesh, strict=True)}
    trips = {rank: np.ceil(extents[rank] / block) for rank, block in blocks.items()}
    count = prod(len(axis) for axis in axes)
    moved = np.broadcast_to(np.asarray(nest.elements(blocks, trips), dtype=np.float64), (count,))
    fits = np.broadcast_to(np.asarray(nest.occupancy(blocks, trips)), (count,)) <= buffer_elements
    costs = np.where(fits, moved, np.inf)
    at = int(np.argmin(costs))
    ties = np.flatnonzero(costs == costs[at])
    if len(ties) > 1:
        work = np.broadcast_to(np.asarray(_points(nest.part, nest.made(trips)), dtype=np.float64), (count,))
        at = int(ties[np.argmin(work[ties])])
    if not np.isfinite(costs[at]) or (known is not None and costs[at] > _CLOSE * known):
        return None
    start = dict.fromkeys(ones, 1) | {r: int(a.ravel()[at]) for r, a in zip(free, mesh, strict=True)}
    return _improve(nest, start, free, buffer_elements)


def _measure(nest: Nest, blocks: Mapping[str, int]) -> Tiling:
    trips = _trips(nest.extents, blocks)
    return Tiling(nest, blocks, int(nest.elements(blocks, trips)), int(nest.occupancy(blocks, trips)))


def _improve(nest: Nest, start: dict[str, int], free: list[str], buffer_elements: int) -> Tiling:
    """Coordinate steps: one block fewer or more of a rank, the others then as large as fits."""
    best = _measure(nest, start)
    for _ in range(12):
        found = best
        for rank in free:
            count = -(-nest.extents[rank] // best.blocks[rank])
            for wanted in {max(1, count - 1), count, count + 1}:
                changed = dict(best.blocks) | {rank: -(-nest.extents[rank] // wanted)}
                for other in (*(each for each in free if each != rank), rank):
                    changed[other] = _largest(nest, changed, other, buffer_elements)
                measured = _measure(nest, changed)
                if measured.occupancy <= buffer_elements and _better(measured, found):
                    found = measured
        if found is best:
            return best
        best = found
    return best


def _largest(nest: Nest, blocks: Mapping[str, int], rank: str, buffer_elements: int) -> int:
    """The largest block of a rank that fits, evened out over its trips."""
    low, high = 1, nest.extents[rank]
    while low < high:
        middle = (low + high + 1) // 2
        if _measure(nest, {**blocks, rank: middle}).occupancy <= buffer_elements:
            low = middle
        else:
            high = middle - 1
    trips = -(-nest.extents[rank] // low)
    return -(-nest.extents[rank] // trips)
