"""What may be done to a cascade: every rewriting that keeps its results, with what it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from ...ir.einsum import Einsum
from ...ir.view import Cascade
from ..analyse import count_passes, most_passes
from ..fuse.defer import defer, prune
from ..fuse.iterate import NotIterable, Tiling, iterate
from ..fuse.steps import Step
from .candidate import Candidate, candidate, passes_of, with_extents
from .canonical import canonical
from .chunk import chunk
from .homomorphism import NotHomomorphic, kinds_over
from .moments import distribute
from .reassociate import reassociate
from .signs import positive
from .split import split_k
from .weights import cascade_weight
from .welford import welford

# Extent of a tile that a rank is split into, where it is long enough.
TILE = 128
# Extent of a chunk of a recurrence: the decays within one are its cube.
CHUNK = 8

_RATIO = "the ratio of what a value was and is may overflow where it passes close to zero"
Rewriting = tuple[Cascade, list[Step]]
_Figures = tuple[int, float, int]


def legal_rewrites(
    cascade: Cascade, rank: str | None = None, *, tile: int | None = None, nonzero: Collection[str] = ()
) -> tuple[Candidate, ...]:
    """Every rewriting of a cascade that is known to keep its results and gains something.

    Args:
        cascade: the cascade; ranks without an extent count as short ones.
        rank: the rank to rewrite over, any of them when None.
        tile: extent of the inner part of a rank that is split; `TILE`, or half of a shorter rank, when None.
        nonzero: tensors known never to be zero, beyond those that can be proved positive.

    Returns:
        Candidates, over one rank after the other, without two that make the same cascade. One with a
        `condition` is legal where that holds.

    Raises:
        NotationError: no Einsum has the rank.
    """
    known = with_extents(cascade)
    families = [known.family(rank)] if rank is not None else list(known.families())
    found: list[Candidate] = []
    for family in families:
        if len(family) == 1:
            found += _over(cascade, known, family[0], tile, nonzero)
    found += _reordered(known, rank)
    seen = {canonical(known)}
    distinct: list[Candidate] = []
    for each in found:
        text = canonical(each.cascade)
        if text not in seen:
            seen.add(text)
            distinct.append(each)
    return tuple(distinct)


def _over(
    cascade: Cascade, known: Cascade, rank: str, tile: int | None, nonzero: Collection[str]
) -> Iterator[Candidate]:
    """Rewritings of the folds over one rank."""
    if known.generational == rank:
        yield from _chunked(cascade, rank, tile)
        return
    deferred, deferrals = defer(known, rank)
    if deferrals:
        yield candidate("defer", rank, known, deferred, deferrals)
    if rank in cascade.extents:
        for distributed, step, caveat in distribute(known, rank):
            yield candidate("distribute", rank, known, distributed, [step], caveat=caveat)
    yield from tilings(known, rank, tile=tile, nonzero=nonzero)


def _chunked(cascade: Cascade, rank: str, tile: int | None) -> Iterator[Candidate]:
    """A linear recurrence in chunks: more work, most of it in parallel."""
    extent = cascade.extents.get(rank, 1)
    made = chunk(cascade, tile or max(1, min(CHUNK, extent // 2)))
    if made is not None:
        yield candidate("chunk", rank, cascade, made[0], made[1])


def tilings(
    cascade: Cascade, rank: str, *, tile: int | None = None, nonzero: Collection[str] = ()
) -> Iterator[Candidate]:
    """The forms that cut a rank of several passes in tiles, one after the other or side by side.

    Args:
        cascade: with an extent for every rank.
        rank: a rank that is not cut yet.
        tile: see `legal_rewrites`.
        nonzero: likewise.
    """
    if cascade.generational is not None or count_passes(cascade, rank).passes < 2:
        return
    deferred, deferrals = defer(cascade, rank)
    extent = cascade.extents[rank]
    tiling = Tiling(rank, extent, min(extent, tile or min(TILE, max(1, extent // 2))))
    if {tiling.outer, tiling.inner} & set(cascade.extents):
        return
    waits = count_passes(deferred, rank).passes > 1
    start = (deferred, deferrals) if waits else (cascade, [])
    for name, rewrite in (("iterate", _iterated), ("welford", welford), ("split_k", _split)):
        yield from _tiled(name, cascade, start, tiling, nonzero, rewrite)


def _iterated(cascade: Cascade, tiling: Tiling, nonzero: frozenset[str]) -> Rewriting | None:
    try:
        return iterate(cascade, tiling, nonzero)
    except NotIterable:
        return None


def _split(cascade: Cascade, tiling: Tiling, nonzero: frozenset[str]) -> Rewriting | None:
    try:
        return split_k(cascade, tiling, nonzero)
    except NotHomomorphic:
        return None


def _tiled(
    name: str,
    before: Cascade,
    start: tuple[Cascade, Sequence[Step]],
    tiling: Tiling,
    nonzero: Collection[str],
    rewrite: Callable[[Cascade, Tiling, frozenset[str]], Rewriting | None],
) -> Iterator[Candidate]:
    """The tiled form that needs the least to hold: nothing, values proved positive, values not zero."""
    cascade, steps = start
    sure = frozenset(nonzero)
    proved = sure | positive(cascade)
    kinds = kinds_over(cascade.all, tiling.rank)
    closed = frozenset(tensor for tensor, kind in kinds.items() if kind in ("running", "closed"))
    for assumed in (sure, proved, proved | closed):
        made = rewrite(cascade, tiling, assumed)
        if made is None:
            continue
        needed = sorted(_needed(assumed - proved, lambda kept: rewrite(cascade, tiling, proved | kept)))
        condition = f"{', '.join(needed)} never zero" if needed else ""
        found = candidate(
            name,
            tiling.rank,
            before,
            prune(replace(made[0], outputs=cascade.results)),
            [*steps, *made[1]],
            condition=condition,
            caveat="" if assumed == sure else _RATIO,
        )
        if found.passes[1] < found.passes[0]:
            yield found
        return


def _needed(assumed: frozenset[str], works: Callable[[frozenset[str]], object]) -> frozenset[str]:
    """The least of some assumptions without which a rewriting fails."""
    kept = assumed
    for each in sorted(assumed):
        if works(kept - {each}) is not None:
            kept -= {each}
    return kept


def _reordered(cascade: Cascade, rank: str | None) -> Iterator[Candidate]:
    """Other orders of products that take fewer passes, less work or less room; of one move the best only."""
    counted = rank if rank is not None else most_passes(cascade).rank
    moves: dict[tuple[Einsum, ...], list[tuple[_Figures, Candidate]]] = {}
    for after, step in reassociate(cascade):
        touched = {name for einsum in (*step.before, *step.after) for name in einsum.ranks}
        if rank is None or rank in touched:
            found = candidate("reassociate", counted, cascade, after, [step])
            size = found.footprint_after.at(after.extents)
            figures = (passes_of(after), cascade_weight(after), size)
            moves.setdefault(step.before, []).append((figures, found))
    for rivals in moves.values():
        for figures, found in rivals:
            before = found.footprint_before.at(cascade.extents)
            now = (passes_of(cascade), cascade_weight(cascade), before)
            gains = any(new < old for new, old in zip(figures, now, strict=True))
            if gains and not any(_beats(other, figures) for other, _ in rivals):
                yield found


def _beats(one: _Figures, other: _Figures) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))
