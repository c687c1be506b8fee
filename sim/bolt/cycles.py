"""Cycles an access takes on our RTL (`rtl/bolt`), one at a time and pipelined.

The front's slot follows from its schedule. Four constants were fitted once, on runs with 8, 16 and 64-byte
values and 300 cycles of host latency each way (`benchmarks/bolt_rtl.py`, a fifth of the bins in HBM), and are
frozen; other latencies, shares and numbers in flight are predicted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.errors import InputError
from .config import BoltConfig

CLOCK_HZ = 250e6
"""Stated, not synthesised."""
FRONT = 51
"""Cycles of a slot beside the deadline of HBM."""
BLOCK_BYTES = 16
SERIAL, SERIAL_PER_BLOCK = 180.9, 8.95
"""Fitted: an access alone, and for each block of a page, host latencies left out."""
STAGE, STAGE_PER_BLOCK = 59.4, 7.43
"""Fitted: the value stage from one access to the next."""


@dataclass(frozen=True)
class Pipeline:
    """What the rate depends on beside the map's sizes.

    Attributes:
        in_flight: accesses at a time.
        deadline: cycles after which a result of HBM is used.
        read_latency, write_latency: cycles of host memory.

    Raises:
        InputError: less than one access in flight, or negative cycles.
    """

    in_flight: int = 1
    deadline: int = 128
    read_latency: int = 300
    write_latency: int = 300

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            raise InputError(f"{self.in_flight} accesses", where="Pipeline.in_flight", accepted="1 or more")
        if min(self.deadline, self.read_latency, self.write_latency) < 0:
            raise InputError("negative cycles", where="Pipeline", accepted="0 or more")

    @property
    def slot(self) -> int:
        """Cycles of the front, whatever the access."""
        return self.deadline + FRONT

    def cycles(self, config: BoltConfig) -> float:
        """An access, from answer to answer, while commands wait."""
        blocks = config.page_bytes / BLOCK_BYTES
        card = SERIAL + SERIAL_PER_BLOCK * blocks
        host = self.read_latency + self.write_latency
        if self.in_flight == 1:
            return max(self.slot, _any_page(config) * host + card)
        stage = STAGE + STAGE_PER_BLOCK * blocks
        # Accesses end in order: one without pages waits for those before it, so that all last alike.
        turn = (host + card) / self.in_flight + self._waiting(config) * (host + card) / 2
        return max(self.slot, stage, turn)

    def _waiting(self, config: BoltConfig) -> float:
        """Chance that an access reads a page that one in flight is to write; it then waits half its time."""
        if not config.host_bins:
            return 0.0
        pages = 2 * config.host_bins / config.bins
        return min(1.0, pages**2 * (self.in_flight - 1) / config.host_bins)

    def seconds(self, config: BoltConfig, clock_hz: float = CLOCK_HZ) -> float:
        """An access at a clock."""
        return self.cycles(config) / clock_hz


def _any_page(config: BoltConfig) -> float:
    """Share of accesses that touch the host at all."""
    return 1 - config.hbm_bins * (config.hbm_bins - 1) / (config.bins * (config.bins - 1))
