"""The one-pass rewriting of a region: deferral, then iteration, kept only when the pass count falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from ...ir.einsum import Coord
from ..analyse import Cascade, Polynomial, count_passes, live_footprint, outer_ranks
from .defer import defer
from .iterate import NotIterable, Tiling, iterate
from .steps import Step

_SHORTER, _FEW = 4, 8


@dataclass(frozen=True)
class Rewriting:
    """A cascade before and after.

    Attributes:
        before: as found in the model.
        after: as rewritten; the same when nothing was.
        rank: the rank whose passes were counted.
        root: the program input with the most passes before.
        passes_before: passes over the rank.
        passes_after: likewise, of the rewritten cascade.
        footprint_before: live elements per outer point.
        footprint_after: likewise.
        outer: ranks of the outer point.
        steps: the derivation.
        tiling: how the rank was split, None when it was not.
    """

    before: Cascade
    after: Cascade
    rank: str
    root: str
    passes_before: int
    passes_after: int
    footprint_before: Polynomial
    footprint_after: Polynomial
    outer: tuple[str, ...]
    steps: tuple[Step, ...]
    tiling: Tiling | None

    @property
    def rewrites(self) -> list[str]:
        """Names of the rewritings applied, each once, in order."""
        return list(dict.fromkeys(step.name for step in self.steps))

    def derivation(self) -> list[str]:
        """The derivation as lines of text."""
        per = f"per ({','.join(self.outer)})" if self.outer else "in all"
        lines = [
            f"found: {_passes(self.passes_before)} over {self.rank}, most over {self.root or 'nothing'}; "
            f"{self.footprint_before} elements live {per}",
            *(f"    {einsum}" for einsum in self.before.einsums),
        ]
        for step in self.steps:
            lines += step.lines()
        if self.steps:
            lines.append(
                f"result: {_passes(self.passes_after)} over {self.rank}; "
                f"{self.footprint_after} elements live {per}"
            )
        return lines


def _passes(count: int) -> str:
    return "1 pass" if count == 1 else f"{count} passes"


def measure(cascade: Cascade, rank: str) -> Rewriting:
    """A cascade left as it is, with what the analysis says about it (a scalar one has no rank, ``""``)."""
    if not rank:
        nothing = Polynomial()
        return Rewriting(cascade, cascade, "", "", 1, 1, nothing, nothing, (), (), None)
    count = count_passes(cascade, rank)
    passes = max(1, count.passes)  # what reads no input is computed in one go
    size = live_footprint(cascade, rank)
    outer = _in_order(cascade, outer_ranks(cascade, cascade.family(rank)))
    return Rewriting(cascade, cascade, rank, count.root, passes, passes, size, size, outer, (), None)


def one_pass(cascade: Cascade, rank: str, tile: int) -> Rewriting | None:
    """The iterative form of a cascade over `rank`, or None where it has none or gains nothing by it.

    Args:
        cascade: Einsums of a region, ranks unified.
        rank: the rank to stream.
        tile: extent of its inner sub-rank; the whole rank when that is shorter. A quarter of it where how
            far the rank is read is known only at run time and few outer points share what is read, as in
            decode: a generation is read whole, and little work makes up for that.
    """
    found = measure(cascade, rank)
    if found.passes_before < 2:
        return None
    deferred, deferrals = defer(cascade, rank)
    extent = cascade.extents[rank]
    if _reach_found_late(cascade, rank) and _sharing(cascade, rank, found.outer) <= _FEW:
        tile = max(1, tile // _SHORTER)
    tiling = Tiling(rank, extent, min(tile, extent))
    if {tiling.outer, tiling.inner} & set(cascade.extents):
        return None
    try:
        after, iterations = iterate(deferred, tiling)
    except NotIterable:
        return None
    passes = count_passes(after, tiling.outer, (tiling.outer, tiling.inner)).passes
    if passes >= found.passes_before or not any(step.corrects for step in iterations):
        return None
    size = live_footprint(after, tiling.outer, frozenset(found.outer))
    return Rewriting(
        cascade, after, rank, found.root, found.passes_before, passes, found.footprint_before, size,
        found.outer, (*deferrals, *iterations), tiling,
    )  # fmt: skip


def _reach_found_late(cascade: Cascade, rank: str) -> bool:
    """Whether coordinates of the rank are compared with an input."""
    inputs = set(cascade.inputs)
    return any(
        any(isinstance(operand, Coord) and rank in operand.ranks for operand in einsum.operands)
        and any(access.tensor in inputs for access in einsum.accesses)
        for einsum in cascade.einsums
    )


def _sharing(cascade: Cascade, rank: str, outer: Sequence[str]) -> int:
    """For how many outer points an input that streams over the rank is the same, at most."""
    inputs = set(cascade.inputs)
    streams = [
        access
        for einsum in cascade.einsums
        for access in einsum.accesses
        if access.tensor in inputs and rank in access.ranks
    ]
    return max((prod(cascade.extents[r] for r in outer if r not in s.ranks) for s in streams), default=1)


def rewrite_text(cascade: Cascade, rank: str) -> Rewriting:
    """The best rewriting of a cascade written as text: to one pass, else by deferral alone, else none."""
    found = measure(cascade, rank)
    whole = cascade.family(rank) == (rank,) and cascade.generational is None
    if not whole or found.passes_before < 2:
        return found
    iterated = one_pass(cascade, rank, max(1, cascade.extents[rank] // 2))
    if iterated is not None:
        return iterated
    deferred, steps = defer(cascade, rank)
    after = measure(deferred, rank)
    if after.passes_after >= found.passes_before:
        return found
    return replace(
        found,
        after=deferred,
        passes_after=after.passes_after,
        footprint_after=after.footprint_after,
        steps=tuple(steps),
    )


def _in_order(cascade: Cascade, ranks: frozenset[str]) -> tuple[str, ...]:
    """Ranks in the order in which the first Einsum whose output has them and nothing else writes them."""
    for einsum in cascade.einsums:
        if ranks == set(einsum.output.ranks):
            return einsum.output.ranks
    return tuple(sorted(ranks))
