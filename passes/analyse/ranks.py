"""What the passes over one rank come to: levels, Einsums that fuse freely, and what stays live."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.view import Cascade
from .algebra import Polynomial
from .footprint import crossing_footprint, crossing_tensors, live_footprint, outer_ranks
from .passes import PassCount, count_passes


@dataclass(frozen=True)
class RankReport:
    """One rank, with its sub-ranks, or one sub-rank by itself.

    Attributes:
        count: passes per program input, and the level of every tensor.
        outer: ranks of the outer point the footprint is per.
        live: elements live per outer point.
        crossing: tensors that stay because they cross a pass boundary.
    """

    count: PassCount
    outer: tuple[str, ...]
    live: Polynomial
    crossing: tuple[str, ...]

    @property
    def name(self) -> str:
        """The rank, or its sub-ranks: ``m``, ``(m1,m0)``."""
        family = self.count.family
        return family[0] if len(family) == 1 else f"({','.join(family)})"

    @property
    def total(self) -> Polynomial:
        """Elements live over all outer points at once."""
        return self.live * Polynomial.product(self.outer)

    @property
    def fused(self) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """Level → tensors whose Einsums may be fused freely, tile by tile (FuseMax §III-B)."""
        levels = sorted(set(self.count.levels.values()))
        return tuple(
            (level, tuple(name for name, at in self.count.levels.items() if at == level)) for level in levels
        )

    def to_json(self, cascade: Cascade, known: bool) -> dict[str, object]:
        """The footprint as a JSON object; with numbers where the extents are known."""
        found: dict[str, object] = {
            "per": list(self.outer),
            "elements": str(self.live),
            "order": self.live.order,
            "total": str(self.total),
            "total_order": self.total.order,
            "crossing": list(self.crossing),
        }
        if known:
            found |= {
                "elements_at": self.live.at(cascade.extents),
                "total_at": self.total.at(cascade.extents),
            }
        return found


def rank_reports(cascade: Cascade, rank: str | None = None) -> tuple[RankReport, ...]:
    """A report per rank family, and one per inner sub-rank of a split rank.

    Args:
        cascade: extents are needed only to recognise partitions.
        rank: only this one: a family by any of its sub-ranks, or an inner sub-rank by itself too.

    Raises:
        NotationError: no Einsum has the rank.
    """
    families = cascade.families() if rank is None else (cascade.family(rank),)
    found: list[RankReport] = []
    for family in families:
        found.append(_family(cascade, family))
        found += [_tile(cascade, family, inner) for inner in family[1:]]
    return tuple(found)


def _family(cascade: Cascade, family: tuple[str, ...]) -> RankReport:
    count = count_passes(cascade, family[0], family)
    outer = _ordered(cascade, outer_ranks(cascade, family))
    live = live_footprint(cascade, family[0])
    return RankReport(count, outer, live, crossing_tensors(cascade, count))


def _tile(cascade: Cascade, family: tuple[str, ...], inner: str) -> RankReport:
    """An inner sub-rank by itself: the outer ones are ranks like others, and fixed."""
    count = count_passes(cascade, inner, (inner,))
    fixed = outer_ranks(cascade, family)
    live = crossing_footprint(cascade, inner, fixed | set(family[: family.index(inner)]))
    return RankReport(count, _ordered(cascade, fixed), live, crossing_tensors(cascade, count))


def _ordered(cascade: Cascade, ranks: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rank for e in cascade.all for rank in e.ranks if rank in ranks))
