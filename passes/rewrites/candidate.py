"""One legal rewriting of a cascade: what it is called, what it makes, and what the analysis says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ...ir.einsum import Index
from ...ir.errors import NotationError
from ..analyse import Cascade, Polynomial, count_passes, live_footprint, most_passes, outer_ranks
from ..fuse.steps import Step


@dataclass(frozen=True)
class Candidate:
    """A rewriting that keeps every result of a cascade; a chunked rank's may come in chunks, in order.

    Attributes:
        name: ``defer``, ``distribute``, ``reassociate``, ``iterate``, ``welford``, ``split_k`` or ``chunk``.
        rank: the rank whose passes are given, in the names of the cascade before.
        cascade: the cascade after.
        passes_before: program input → passes over the rank.
        passes_after: likewise, after; over all parts of the rank where it was split.
        footprint_before: elements that stay live per outer point while the rank is traversed.
        footprint_after: likewise, per the same outer point.
        steps: what changed and why it may.
        condition: what must hold and cannot be proved from the cascade, empty when nothing.
        caveat: what floating point loses by it, empty when nothing beyond rounding.
    """

    name: str
    rank: str
    cascade: Cascade
    passes_before: Mapping[str, int]
    passes_after: Mapping[str, int]
    footprint_before: Polynomial
    footprint_after: Polynomial
    steps: tuple[Step, ...]
    condition: str = ""
    caveat: str = field(default="")

    @property
    def passes(self) -> tuple[int, int]:
        """The most passes that any input takes over the rank: before, after."""
        return _most(self.passes_before), _most(self.passes_after)

    def to_json(self) -> dict[str, object]:
        """The candidate as a JSON object."""
        return {
            "name": self.name,
            "rank": self.rank,
            "passes": {"before": dict(self.passes_before), "after": dict(self.passes_after)},
            "footprint": {"before": str(self.footprint_before), "after": str(self.footprint_after)},
            "condition": self.condition,
            "caveat": self.caveat,
            "steps": [line for step in self.steps for line in step.lines()],
            "cascade": str(self.cascade).splitlines(),
        }


def _most(passes: Mapping[str, int]) -> int:
    return max(passes.values(), default=1)


def candidate(
    name: str,
    rank: str,
    before: Cascade,
    after: Cascade,
    steps: Iterable[Step],
    *,
    condition: str = "",
    caveat: str = "",
) -> Candidate:
    """A rewriting with the analysis of both sides.

    Args:
        name: what it is called.
        rank: the rank to count over, a rank of `before`.
        before: the cascade as it was.
        after: the cascade as rewritten.
        steps: the derivation.
        condition: see `Candidate`.
        caveat: see `Candidate`.
    """
    outer = outer_ranks(before, before.family(rank))
    passes_before, footprint_before = measured(before, rank, outer)
    passes_after, footprint_after = measured(after, rank, outer, parts=name == "split_k")
    return Candidate(
        name, rank, after, passes_before, passes_after, footprint_before, footprint_after, tuple(steps),
        condition, caveat,
    )  # fmt: skip


def measured(
    cascade: Cascade, rank: str, outer: frozenset[str], *, parts: bool = False
) -> tuple[dict[str, int], Polynomial]:
    """Passes per root over a rank or its parts, and what stays live per outer point; none where it is gone.

    Args:
        cascade: the cascade.
        rank: a rank of it, or of the cascade it was made from.
        outer: ranks of the outer point.
        parts: the rank was cut in parts that are folded one by one: what one part keeps counts too, as it
            does where the outer part is generational.
    """
    here = part_of(cascade, rank)
    if here is None:
        return {}, Polynomial()
    size = live_footprint(cascade, here, outer)
    family = cascade.family(here)
    if parts and len(family) == 2:
        size += live_footprint(_one_part(cascade, family[0], family[1]), family[1], outer)
    return count_passes(cascade, here).by_root, size


def _one_part(cascade: Cascade, outer: str, inner: str) -> Cascade:
    """What streams a single part of a rank."""
    streams = [einsum for einsum in cascade.einsums if inner in einsum.ranks]
    return Cascade(tuple(einsum.substitute({outer: Index()}) for einsum in streams), extents=cascade.extents)


def part_of(cascade: Cascade, rank: str) -> str | None:
    """The rank itself, or the outer part ``m1`` it was split into, or None where the rank is gone."""
    for name in (rank, f"{rank}1"):
        try:
            return cascade.family(name)[0]
        except NotationError:
            continue
    return None


def passes_of(cascade: Cascade) -> int:
    """The most passes over any rank; what reads no input is computed in one go."""
    return max(1, most_passes(cascade).passes)


def with_extents(cascade: Cascade, extent: int = 4) -> Cascade:
    """The cascade with an extent for ranks that have none: only the structure matters then."""
    ranks = dict.fromkeys(rank for einsum in cascade.all for rank in einsum.ranks)
    return replace(cascade, extents={**dict.fromkeys(ranks, extent), **cascade.extents})
