"""FuseMax arrays of other sizes at 256K tokens (figure 12)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .area import Area, area_um2
from .chip import Chip, chip
from .one_pass import binding, dram_bytes, queries_per_tile
from .workload import WORD_BYTES, Workload

SIDES = (16, 32, 64, 128, 256, 512)
FIBERS = 8
"""Words of the buffer for each column and each element of an embedding, at the least."""


@dataclass(frozen=True)
class Design:
    """An array of `side` × `side` processing elements, and what it makes of a workload."""

    side: int
    buffer_bytes: int
    tiles_in_flight: int
    latency_s: float
    dram_bytes: float
    area: Area


def design(work: Workload, side: int, base: Chip | None = None) -> Design:
    """The smallest buffer, doubled from 16·side·E bytes, with which DRAM does not bound the latency."""
    base = base or chip("fusemax-cloud")
    on = replace(base, rows=side, cols=side, row_bytes=side * WORD_BYTES)
    on = replace(on, buffer_bytes=side * work.e * FIBERS * WORD_BYTES)
    line = work.f * 2 + 10 + work.f * side / work.m
    compute = on.seconds(on.tiles(work.b, work.h, work.m, work.p) * line)
    while _dram_seconds(work, on) > compute and queries_per_tile(work, on) * side < work.p:
        on = replace(on, buffer_bytes=2 * on.buffer_bytes)
    found = binding(work, on)
    in_flight = 2 * max(1, side // work.e)
    area = area_um2(on, in_flight)
    return Design(side, on.buffer_bytes, in_flight, found.latency_s, found.dram_bytes, area)


def _dram_seconds(work: Workload, on: Chip) -> float:
    return on.dram_seconds(dram_bytes(work, on, queries_per_tile(work, on)))
