"""Cycles of accesses on BOLT's RTL, from its sizes alone; fitted to runs with values of 16 and 220 bytes.

Pages are what costs: the value stage opens and seals the one or two pages of an access, both at once, before
it begins with the next access's. An access whose two bins lie in HBM waits for its command packet only.
"""

from __future__ import annotations

from ..bolt import BoltConfig

AES_BYTES = 16
PAGE_CYCLES = 44
"""Of an access with pages, beside their blocks."""
PAGE_CYCLES_PER_BLOCK = 8
"""Opening and sealing 16 bytes of a page."""
PACKET_CYCLES = 22
PACKET_CYCLES_PER_BLOCK = 12.25
"""Opening 16 bytes of a command's packet and what else it passes through."""
FRONT_CYCLES = 187
"""From a command to the first read of its pages, beside its packet's blocks."""
LAST_CYCLES = 79
"""From a first page that is read to its answer, beside reading it and `access_cycles`."""


def access_cycles(config: BoltConfig) -> float:
    """From answer to answer while commands wait: two distinct bins, both in HBM or not, drawn uniformly."""
    blocks, packets = config.page_bytes / AES_BYTES, config.packet_bytes / AES_BYTES
    inside = config.hbm_bins * (config.hbm_bins - 1) / (config.bins * (config.bins - 1))
    pages = PAGE_CYCLES + PAGE_CYCLES_PER_BLOCK * blocks
    return (1 - inside) * pages + inside * (PACKET_CYCLES + PACKET_CYCLES_PER_BLOCK * packets)


def expected_cycles(config: BoltConfig, host_latency: int, accesses: int) -> int:
    """From the first command to the last answer, commands always waiting.

    Args:
        config: the map's sizes.
        host_latency: cycles the host's memory takes to answer.
        accesses: in order; of pages met again too soon, which wait, there are few in a map of many pages.
    """
    if not accesses:
        return 0
    packets = config.packet_bytes / AES_BYTES
    first = FRONT_CYCLES + PACKET_CYCLES_PER_BLOCK * packets + host_latency + config.page_bytes / 64
    return round(first + LAST_CYCLES + accesses * access_cycles(config))
