"""Cycles of the RTL by what the host sees: when pages are read, opened, sealed, written, answered.

The stages of ``rtl/bolt`` (a reconstruction; arXiv 2509.01742) as a recurrence over accesses. Its constants
were read off micro-tests of the RTL once (blocks of 16 bytes a page: 16, 32 and 128) and are frozen. Nothing
in it depends on operations, keys or values, as nothing in the RTL's times does.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.errors import InputError
from .config import BoltConfig

BEAT_BYTES, BLOCK_BYTES = 64, 16
CLAIM, HAND_OVER, SLOT = 13, 50, 51
"""Cycles of the front, beside HBM's deadline: to its two pages, to the value stage, to the next slot."""
ASK = 2
COLLECT = 34
"""To the value stage's values, beside the deadline."""
OPEN, SEAL, PER_BLOCK = 18, 17, 4
"""Of a lane at the default widths of AES and GHASH."""
MERGE, WRITE = 8, 2
ANSWER = 71
"""Cycles between answers at least, where a packet is one beat: their sealing."""

Pages = tuple[int | None, int | None]
"""Of an access: its two host pages, None for a bin in HBM."""


@dataclass(frozen=True)
class Pipeline:
    """Parameters of the RTL and of its host.

    Attributes:
        in_flight: accesses between the begin of their slot and their last write's answer.
        deadline: of HBM.
        read_latency: from a read's address to its first beat.
        write_latency: from a write's last beat to its answer.
        lane_pairs: 1: pages are opened when those of the access before are sealed; 2: meanwhile.

    Raises:
        InputError: one of them is below 1, or there are more than two pairs.
    """

    in_flight: int = 8
    deadline: int = 128
    read_latency: int = 300
    write_latency: int = 300
    lane_pairs: int = 1

    def __post_init__(self) -> None:
        for name in ("in_flight", "deadline", "read_latency", "write_latency", "lane_pairs"):
            if getattr(self, name) < 1:
                raise InputError(f"{getattr(self, name)}", where=f"Pipeline.{name}", accepted="1 at least")
        if self.lane_pairs > 2:
            raise InputError(f"{self.lane_pairs}", where="Pipeline.lane_pairs", accepted="1 or 2")

    def commits(self, config: BoltConfig, accesses: Sequence[Pages]) -> list[int]:
        """The cycle in which each access's pages are handed over, all commands waiting from the start.

        Its answer leaves a constant time later, `ANSWER` cycles at least after the one before.
        """
        beats, blocks = config.page_bytes // BEAT_BYTES, config.page_bytes // BLOCK_BYTES
        answered: dict[int, int] = {}
        """By page: when its last write was answered."""
        freed: list[int] = []
        commits: list[int] = []
        slot, asked, read, settled, written, answer = -SLOT - self.deadline, 0, 0, 0, 0, 0
        for number, pages in enumerate(accesses):
            slot += SLOT + self.deadline
            if number >= self.in_flight:
                slot = max(slot, freed[number - self.in_flight] + 1)
            host = [page for page in pages if page is not None]
            ask, arrived = slot + self.deadline + CLAIM + ASK - 1, 0
            for page in host:
                asked = ask = max(ask + 1, asked + 1, answered.get(page, 0) + 2)
                read = max(ask + self.read_latency, read + 1) + beats - 1
                arrived = read + 1
            handed = slot + self.deadline + HAND_OVER + 1
            collected = max(handed, settled + 1) + COLLECT + self.deadline
            sealed = commits[-1] + 1 if commits else 0
            opened = max(handed, arrived, settled + 1, sealed if self.lane_pairs == 1 else 0)
            opened += OPEN + PER_BLOCK * blocks if host else 1
            settled = max(opened, collected, sealed) + (MERGE if host else 1)
            commit = settled + (SEAL + PER_BLOCK * blocks if host else 1)
            commits.append(commit)
            free = max(commit + WRITE, answer)
            for page in host:
                begun = max(commit + WRITE, written + 2)
                written = begun + beats - 1
                answer = max(written + self.write_latency, answer + 1)
                answered[page] = free = answer
            freed.append(free)
        return commits

    def cycles_per_access(self, config: BoltConfig, accesses: int = 2000, seed: int = 0) -> float:
        """The sustained rate, at uniform pairs of distinct bins."""
        draw = random.Random(seed)
        pairs = (draw.sample(range(config.bins), 2) for _ in range(accesses))
        pages = [tuple(bin_ if config.is_host(bin_) else None for bin_ in pair) for pair in pairs]
        commits = self.commits(config, [(x, y) for x, y in pages])
        skip = min(len(commits) // 2, 4 * self.in_flight)
        return (commits[-1] - commits[skip]) / (len(commits) - 1 - skip)
