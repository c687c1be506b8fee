"""What a cascade must keep live, and what it computes, as polynomials in rank shapes.

A tensor that crosses a pass boundary must be kept whole along the rank, a whole fiber per outer point
(FuseMax §III-B); in an iterative cascade only one tile and the carried values stay.
"""

from __future__ import annotations

from ...ir.einsum import Einsum
from ...ir.operators import MAPS
from ...ir.view import Cascade
from .algebra import Polynomial
from .passes import PassCount, count_passes

_FOLD = {"sum": "add", "prod": "mul", "max": "max", "min": "max", "any": "cmp", "all": "cmp"}


def live_footprint(cascade: Cascade, rank: str, outer: frozenset[str] | None = None) -> Polynomial:
    """Elements that must stay live per outer point while `rank` is traversed.

    Args:
        cascade: the cascade.
        rank: the rank traversed, or one of its sub-ranks.
        outer: ranks of the outer point; by default those that every reduction of the rank keeps.
    """
    family = cascade.family(rank)
    fixed = outer_ranks(cascade, family) if outer is None else outer
    if cascade.generational != family[0]:
        return _crossing(cascade, count_passes(cascade, rank, family), fixed)
    fixed = fixed | {family[0]}
    state = Polynomial()
    for einsum in cascade.einsums:
        if einsum.output.tensor in cascade.carried:
            state += Polynomial.product(set(einsum.output.ranks) - fixed)
    if len(family) == 1:
        return state
    return state + _crossing(cascade, count_passes(cascade, family[1], family[1:]), fixed)


def crossing_footprint(cascade: Cascade, rank: str, outer: frozenset[str]) -> Polynomial:
    """Elements that cross a pass boundary of one rank taken by itself, apart from its family.

    Asked about the tile of a split rank: Cascade 5 makes two passes over m0, and keeps M0 scores.
    """
    return _crossing(cascade, count_passes(cascade, rank, (rank,)), outer)


def crossing_tensors(cascade: Cascade, count: PassCount) -> tuple[str, ...]:
    """Tensors that carry the whole family and are read in a later pass than the one that makes them."""
    found = []
    for einsum in cascade.einsums:
        name = einsum.output.tensor
        level = count.levels[name]
        readers = [count.levels.get(e.output.tensor, 0) for e in cascade.einsums if _reads(e, name)]
        if set(count.family) <= set(einsum.output.ranks) and any(later > level for later in readers):
            found.append(name)
    return tuple(found)


def outer_ranks(cascade: Cascade, family: tuple[str, ...]) -> frozenset[str]:
    """Ranks that every reduction over the family keeps."""
    kept = [
        frozenset(einsum.output.ranks) - set(family)
        for einsum in cascade.all
        if set(einsum.reduced) & set(family)
    ]
    return frozenset.intersection(*kept) if kept else frozenset()


def _crossing(cascade: Cascade, count: PassCount, outer: frozenset[str]) -> Polynomial:
    """The largest sum of what is written before a pass boundary and read after it."""
    # An initialization only renames inputs, so what it writes is not counted.
    sizes = {e.output.tensor: Polynomial.product(set(e.output.ranks) - outer) for e in cascade.einsums}
    levels = _late_levels(cascade, count, sizes)
    last = _last_reads(cascade, levels)
    peak = Polynomial()
    for boundary in range(1, max(levels.values(), default=1)):
        live = Polynomial()
        for tensor, size in sizes.items():
            if tensor not in cascade.carried and levels[tensor] <= boundary < last.get(tensor, 0):
                live += size
        peak = max(peak, live, key=lambda size: _weight(size, cascade, count))
    return peak


def _last_reads(cascade: Cascade, levels: dict[str, int]) -> dict[str, int]:
    last: dict[str, int] = {}
    for einsum in cascade.all:
        for access in einsum.accesses:
            level = levels.get(einsum.output.tensor, 0)
            last[access.tensor] = max(last.get(access.tensor, 0), level)
    return last


def _late_levels(cascade: Cascade, count: PassCount, sizes: dict[str, Polynomial]) -> dict[str, int]:
    """Levels with post-pass work put off until it is read, where its operands cost less to keep."""
    levels = dict(count.levels)
    carried = set(cascade.carried)
    for einsum in reversed(cascade.einsums):
        name = einsum.output.tensor
        readers = [levels[e.output.tensor] for e in cascade.einsums if _reads(e, name)]
        if count.rank in einsum.ranks or name in carried or not readers:
            continue
        last = _last_reads(cascade, levels)
        kept = Polynomial()
        tensors = [access.tensor for access in einsum.accesses]
        for tensor in dict.fromkeys(tensors):
            both_generations = tensor in carried and tensors.count(tensor) > 1
            dies = tensor in sizes and tensor not in carried and last[tensor] <= levels[name]
            if both_generations or dies:
                kept += sizes[tensor]
        if _weight(kept, cascade, count) < _weight(sizes[name], cascade, count):
            levels[name] = min(readers)
    return levels


def _reads(einsum: Einsum, tensor: str) -> bool:
    return any(access.tensor == tensor for access in einsum.accesses)


def _weight(size: Polynomial, cascade: Cascade, count: PassCount) -> tuple[int, int]:
    known = {rank: cascade.extents.get(rank, 1 << 10) for rank in size.ranks}
    return (sum(1 for rank in count.family if rank in size.ranks), size.at(known))


def operation_counts(cascade: Cascade) -> dict[str, Polynomial]:
    """Operations by class (``mul add div exp max cmp move``), algebraic in rank shapes."""
    total: dict[str, Polynomial] = {}
    for einsum in cascade.einsums:
        for kind, polynomial in einsum_counts(einsum).items():
            total[kind] = total.get(kind, Polynomial()) + polynomial
    return {kind: total[kind] for kind in sorted(total)}


def einsum_counts(einsum: Einsum) -> dict[str, Polynomial]:
    """Operations of one Einsum: its map at every point of the iteration space, its reduction likewise."""
    counts: dict[str, Polynomial] = {}
    kinds = list(MAPS[einsum.map].flops.items())
    if einsum.reduce is not None:
        kinds = [item for item in kinds if item[0] != "move"] + [(_FOLD[einsum.reduce], 1)]
    for kind, times in kinds:
        counts[kind] = counts.get(kind, Polynomial()) + Polynomial.product(einsum.ranks, times)
    return counts
