"""The physical model's figures of the paper's configurations."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ..sim.cost.spatial import attention, paper


@dataclass(frozen=True)
class Physical:
    """One configuration by the physical model; None where the target publishes no constant for a figure.

    Utilisation is the share of an array's time that operations need, as in the paper: loading is not counted.
    """

    latency_s: float
    dram_bytes: float
    util_1d: float | None
    util_2d: float | None
    energy_j: float | None

    def speedup_over(self, other: Physical) -> float:
        """How much faster it is."""
        return other.latency_s / self.latency_s


@functools.cache
def physical(model: str, length: str, configuration: str) -> Physical:
    """A model of the paper at a length in a configuration."""
    work = paper.workload(model, length)
    on = paper.chip_of(configuration).target
    found = attention.attention(
        work.b, work.h, work.e, work.f, work.m, work.p, on, configuration=configuration
    )
    return Physical(
        latency_s=found.latency_s,
        dram_bytes=found.dram_bytes,
        util_1d=found.occupancy.get("array-1d"),
        util_2d=found.occupancy.get("array-2d"),
        energy_j=None if found.unknown else found.total_energy_pj * 1e-12,
    )
