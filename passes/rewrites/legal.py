"""What may be done to a cascade: every rewriting that keeps its results, with what it gives."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ...ir.view import Cascade
from ..analyse import count_passes
from ..fuse.defer import defer
from ..fuse.iterate import NotIterable, Tiling, iterate
from .candidate import Candidate, candidate, with_extents

# Extent of a tile that a rank is split into, where it is long enough.
TILE = 128


def legal_rewrites(
    cascade: Cascade, rank: str | None = None, *, tile: int | None = None, nonzero: Collection[str] = ()
) -> tuple[Candidate, ...]:
    """Every rewriting of a cascade that is known to keep its results.

    Args:
        cascade: the cascade; ranks without an extent count as short ones.
        rank: the rank to rewrite over, any of them when None.
        tile: extent of the inner part of a rank that is split; `TILE`, or half of a shorter rank, when None.
        nonzero: tensors known never to be zero, beyond those that can be proved positive.

    Raises:
        NotationError: no Einsum has the rank.
    """
    known = with_extents(cascade)
    ranks = [known.family(rank)] if rank is not None else list(known.families())
    found: list[Candidate] = []
    for family in ranks:
        found += _over(known, family, tile, nonzero)
    return tuple(found)


def _over(
    cascade: Cascade, family: tuple[str, ...], tile: int | None, nonzero: Collection[str]
) -> Iterator[Candidate]:
    rank = family[0]
    deferred, deferrals = defer(cascade, rank) if len(family) == 1 else (cascade, [])
    if deferrals:
        yield candidate("defer", rank, cascade, deferred, deferrals)
    if len(family) > 1 or cascade.generational is not None or count_passes(cascade, rank).passes < 2:
        return
    extent = cascade.extents[rank]
    tiling = Tiling(rank, extent, min(extent, tile or min(TILE, max(1, extent // 2))))
    if {tiling.outer, tiling.inner} & set(cascade.extents):
        return
    try:
        iterated, iterations = iterate(deferred, tiling, nonzero)
    except NotIterable:
        return
    yield candidate("iterate", rank, cascade, iterated, [*deferrals, *iterations])
