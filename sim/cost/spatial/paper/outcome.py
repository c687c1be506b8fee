"""What the closed forms say of one workload in one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .chip import Chip
from .energy import Counts, components_j, energy_j


@dataclass(frozen=True)
class Figures:
    """One bar of each figure.

    Attributes:
        latency_s: figures 8 and 10 are ratios of it.
        dram_bytes: read and written.
        util_1d, util_2d: share of the time the arrays are busy (figure 6).
        einsum_util_2d: share of the time an Einsum occupies the 2D array (figure 7); ``linear`` is the
            linear layers.
        counts: what the energy is the sum of (figures 9 and 11).
        energy_j: in joules.
        components_j: the same by component.
        queries_per_tile: P1, tiles of P0 queries resident at a time; 0 where there is no such split.
    """

    latency_s: float
    dram_bytes: float
    util_1d: float
    util_2d: float
    einsum_util_2d: Mapping[str, float]
    counts: Counts
    energy_j: float
    components_j: Mapping[str, float] = field(repr=False)
    queries_per_tile: int = 0


def outcome(
    on: Chip,
    latency_s: float,
    counts: Counts,
    *,
    busy_1d: float,
    busy_2d: Mapping[str, float],
    p1: int = 0,
) -> Figures:
    """Figures from a latency, counts, and the busy cycles of the 1D array and of Einsums on the 2D array."""
    cycles = latency_s * on.clock_hz
    shares = {name: busy / cycles for name, busy in busy_2d.items()}
    return Figures(
        latency_s=latency_s,
        dram_bytes=counts.dram_bytes,
        util_1d=busy_1d / cycles,
        util_2d=sum(shares.values()),
        einsum_util_2d=shares,
        counts=counts,
        energy_j=energy_j(counts, on),
        components_j=components_j(counts, on),
        queries_per_tile=p1,
    )
