"""What a section may use of a machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ....ir.errors import InputError, TargetError
from ....ir.targets import Target

STREAMS = 64
"""Of a socket, where nobody says otherwise: the paper gives no number of AGCUs."""


@dataclass(frozen=True)
class Fabric:
    """What a section may use.

    Attributes:
        name: the target's.
        pcus, pmus, streams: how many.
        pmu_bytes: capacity of a PMU.
        pmu_bytes_per_s: bandwidth of a PMU.
        bytes_per_s: of the main memory; a stream has its share of it.
        launch_s: of a section.
    """

    name: str
    pcus: int
    pmus: int
    streams: int
    pmu_bytes: int
    pmu_bytes_per_s: float
    bytes_per_s: float
    launch_s: float = 0.0

    def __post_init__(self) -> None:
        counts = (self.pcus, self.pmus, self.streams, self.pmu_bytes)
        rates = (self.pmu_bytes_per_s, self.bytes_per_s)
        if min(counts) < 1 or not all(math.isfinite(rate) and rate > 0 for rate in rates):
            raise InputError("a fabric without units, memory or bandwidth", where=self.name)
        if not (math.isfinite(self.launch_s) and self.launch_s >= 0):
            raise InputError(f"a launch of {self.launch_s} s", where=self.name, accepted="0 s or more")

    @classmethod
    def of(cls, target: Target, streams: int | None = None, launch_s: float = 0.0) -> Fabric:
        """The units ``pcu`` and private buffers ``pmu`` of a target, beside its main tier.

        Raises:
            TargetError: it has none, or a bandwidth is unpublished.
        """
        pmu = next((buffer for buffer in target.buffer if buffer.name == "pmu"), None)
        unit = next((unit for unit in target.unit if unit.name == "pcu"), None)
        if pmu is None or unit is None:
            raise TargetError(
                "no PCUs and PMUs to stream through",
                where=target.name,
                accepted="sn40l-socket, -node, -small",
            )
        rates = (target.tier[0].bandwidth_read_bytes_per_s, target.main.bandwidth_read_bytes_per_s)
        if rates[0] is None or rates[1] is None:
            raise TargetError("a bandwidth is unpublished", where=target.name)
        sockets = unit.shape[0] if len(unit.shape) > 1 else 1
        return cls(
            target.name,
            unit.instances,
            pmu.instances,
            streams or STREAMS * sockets,
            pmu.capacity_bytes,
            rates[0] / pmu.instances,
            rates[1],
            launch_s,
        )
