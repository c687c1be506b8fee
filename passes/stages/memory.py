"""Where a section's regions of memory lie: in HBM by default, what does not fit in DDR (passes/tiers)."""

from __future__ import annotations

from ...ir.fabric import DDR_BIT, PIECE_BYTES, VECTOR_BYTES, Load, Section, Store
from ...ir.targets import Target
from ..tiers.plan import TierPlan, place
from ..tiers.problem import Program, Symbol, Tiers


def place_regions(section: Section, target: Target) -> TierPlan:
    """A place for every region; all are needed as long as the kernel runs.

    Raises:
        PlanError: they do not fit both tiers.
        TargetError: no farther tier.
    """
    moved = dict.fromkeys(section.regions, 0)
    for unit in section.units:
        if isinstance(unit, Load | Store):
            runs = 1 if isinstance(unit, Load) and unit.once else section.tiles
            moved[unit.region] += runs * unit.unit_vectors * VECTOR_BYTES
    symbols = []
    for name, region in section.regions.items():
        size = -(-region.vectors * VECTOR_BYTES // PIECE_BYTES) * PIECE_BYTES
        stored = region.kind == "result"
        read, written = (0, moved[name]) if stored else (moved[name], 0)
        symbols.append(Symbol(name, size, 0, 1, read, written))
    return place(Program(section.name, 1, tuple(symbols)), Tiers.of(target))


def addresses(plan: TierPlan) -> dict[str, int]:
    """Byte address of each region."""
    return {**plan.near, **{name: 1 << DDR_BIT | address for name, address in plan.far.items()}}
