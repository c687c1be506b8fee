"""What a target gives a fabric: how many units of each kind, and their sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import TargetError
from ..fabric import WORD_BYTES
from .description import Target

BITMOD = "pcu-bitmod"
ACCEPTED = "sn40l-small, or a target with units 'pcu', private buffers 'pmu' and 'agcu', tiers hbm and ddr"


@dataclass(frozen=True)
class Machine:
    """The units of a fabric.

    Attributes:
        name: the target's.
        pcus, pmus, agcus: how many.
        bitmod_pcus: PCUs that have a BitMoD array where weights are quantized.
        pmu_words: capacity of a PMU.
        banks: of a PMU.
        hbm_bytes, ddr_bytes: capacities.
        hbm_bytes_per_cycle, ddr_bytes_per_cycle: bandwidths at the PCUs' clock.
        accumulators: vectors of rows that a PCU accumulates at once.
    """

    name: str
    pcus: int
    pmus: int
    agcus: int
    pmu_words: int
    banks: int
    hbm_bytes: int
    ddr_bytes: int
    hbm_bytes_per_cycle: float
    ddr_bytes_per_cycle: float
    accumulators: int = 4
    bitmod_pcus: int = 0

    @classmethod
    def of(cls, target: Target) -> Machine:
        """Raises TargetError for a target that has no such units, or bandwidths that are unpublished."""
        held = {buffer.name: buffer for buffer in target.buffer}
        units = {unit.name: unit for unit in target.unit}
        tiers = {tier.name: tier for tier in target.tier}
        if "pcu" not in units or not {"pmu", "agcu"} <= set(held) or not {"hbm", "ddr"} <= set(tiers):
            raise TargetError("it has no fabric", where=target.name, accepted=ACCEPTED)
        clock = units["pcu"].clock_hz
        rates = [tiers[name].bandwidth_read_bytes_per_s for name in ("hbm", "ddr")]
        if clock is None or None in rates:
            raise TargetError("its clock or a bandwidth is unpublished", where=target.name, accepted=ACCEPTED)
        hbm, ddr = (float(rate or 0) / clock for rate in rates)
        sizes = [tiers[name].capacity_bytes for name in ("hbm", "ddr")]
        if None in sizes:
            raise TargetError("the size of a tier is unpublished", where=target.name, accepted=ACCEPTED)
        return cls(
            target.name,
            math.prod(units["pcu"].shape),
            held["pmu"].instances,
            held["agcu"].instances,
            held["pmu"].capacity_bytes // WORD_BYTES,
            held["pmu"].banks or 1,
            sizes[0] or 0,
            sizes[1] or 0,
            hbm,
            ddr,
            bitmod_pcus=math.prod(units[BITMOD].shape) if BITMOD in units else 0,
        )
