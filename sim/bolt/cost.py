"""What an access costs: places, blocks and bytes, and time on a target; Path ORAM and a scan beside it.

Two constants are fitted once, to the artifact's logs at N = 10^6 and 8 bytes (2.61 + 1.19·2(1 − α) µs): time
on the card, and time for each host page, which is read and written while nothing else goes on. What a
pipeline reaches is bounded by the link's bandwidth and, on our RTL, by `pipeline.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...ir.errors import InputError, TargetError
from ...ir.targets import Target
from .config import BoltConfig

CARD_S = 2.61e-6
"""Fitted: an access that touches no host page."""
PATH_BUCKET = 4
"""Z of Path ORAM: slots of a bucket (Stefanov et al., arXiv 1202.5150)."""


@dataclass(frozen=True)
class Traffic:
    """What one access moves over the host's link, on average.

    Attributes:
        places: pages, buckets or runs of memory, each read and written.
        blocks: keys with their values, both ways together.
        bytes: both ways together.
    """

    places: float
    blocks: float
    bytes: float


@dataclass(frozen=True)
class Machine:
    """A target's host link as an oblivious map uses it.

    Attributes:
        card_s: fixed, on the card.
        place_s: for each place read and written, one after the other.
        link_bytes_per_s: each way.
    """

    card_s: float
    place_s: float
    link_bytes_per_s: float

    @classmethod
    def of(cls, target: Target) -> Machine:
        """From a target's host tier and links.

        Raises:
            TargetError: a figure it needs is unpublished.
        """
        host = target.find_tier("host")
        rates = {(each.source, each.destination): each.bandwidth_bytes_per_s for each in target.link}
        both = [rates.get(ends) for ends in (("host", "hbm"), ("hbm", "host"))]
        known = [rate for rate in both if rate is not None]
        if host.latency_s is None or len(known) < len(both):
            raise TargetError(
                "the latency or a link of the host is missing", where=target.name, accepted="as in bolt-u55c"
            )
        return cls(CARD_S, host.latency_s, min(known))

    def serial_s(self, traffic: Traffic) -> float:
        """One access at a time: latency of each place, and its bytes where they take longer."""
        return self.card_s + max(traffic.places * self.place_s, self.streamed_s(traffic))

    def streamed_s(self, traffic: Traffic) -> float:
        """Time an access at least takes when many are in flight: half its bytes each way."""
        return traffic.bytes / 2 / self.link_bytes_per_s


def bolt(config: BoltConfig) -> Traffic:
    """Two distinct uniform bins, of which those on the host are read and written."""
    pages = 2 * config.host_bins / config.bins
    return Traffic(pages, 2 * config.slots * pages, 2 * config.page_bytes * pages)


def path_oram(capacity: int, value_bytes: int) -> Traffic:
    """A path of a tree with as many leaves as keys, read and written; its position map is free.

    Blocks are sealed one by one here: key, value, leaf, nonce and tag.
    """
    levels = _levels(capacity)
    blocks = 2 * PATH_BUCKET * levels
    return Traffic(levels, blocks, blocks * (4 + value_bytes + 4 + 12 + 16))


def linear_scan(capacity: int, value_bytes: int) -> Traffic:
    """Every key read and written: no position map, no randomness."""
    return Traffic(1, 2 * capacity, 2 * capacity * (4 + value_bytes))


def linear_scan_wins_up_to(config: BoltConfig) -> int:
    """The largest table for which a scan moves no more bytes than the map's access."""
    return int(bolt(config).bytes // (2 * config.slot_bytes))


def hbm_bytes(config: BoltConfig, entry_bytes: int = 12) -> dict[str, int]:
    """What the card's memory holds, by structure.

    Args:
        config: sizes.
        entry_bytes: of the position map: key and two bins.
    """
    return {
        "position map": config.buckets * 4 * entry_bytes,
        "frames": config.frames * config.value_bytes,
        "frame keys and links": config.frames * 8,
        "loads": config.bins,
        "pending heads": config.host_bins * 4,
        "write counters": config.host_bins * 8,
    }


def latency_us(alpha: float, machine: Machine) -> float:
    """Microseconds a command at a share of bins in HBM: the fitted line."""
    if not 0 <= alpha <= 1:
        raise InputError(f"{alpha}", where="share of bins in HBM", accepted="0 to 1")
    return 1e6 * (machine.card_s + machine.place_s * 2 * (1 - alpha))


def _levels(capacity: int) -> int:
    return math.ceil(math.log2(capacity)) + 1
