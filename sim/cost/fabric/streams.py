"""What AGCUs have loaded ahead of those who take it, and how they share the memory (SN40L, MICRO 2024).

An AGCU asks for bursts as long as it has places for them, whether or not the unit behind it has begun. So
all loads of a section fill their places at once, in equal shares, and the first stages wait for the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

BURSTS, BURST_VECTORS = 16, 16
"""Bursts that an AGCU has asked for or holds, and vectors of one at most (``sn40l_dma_read.sv``)."""
SENDER = 4
"""Packets in an AGCU's queue."""
PORT = 1.0
"""Vectors a cycle of an AGCU."""
NEARLY = 1e-6


@dataclass
class Stream:
    """Vectors from memory, or to it.

    Attributes:
        tier: of the memory.
        taken: a cycle by the unit behind it at full speed; of a store, made.
        left: that memory has not given yet; without end where it is a store.
        places: for vectors that nobody has taken; a store has none.
        ahead: such vectors that are there.
    """

    tier: str
    taken: float
    left: float = math.inf
    places: float = 0.0
    ahead: float = 0.0

    @property
    def full(self) -> bool:
        """Whether it asks for no more than is taken."""
        return self.ahead >= self.places - NEARLY

    @property
    def empty(self) -> bool:
        """Whether the unit goes no faster than memory."""
        return self.ahead <= NEARLY < self.left

    def asks(self, speed: float) -> float:
        """Vectors a cycle, where the unit goes at a share `speed` of its full speed."""
        if self.left <= NEARLY:
            return 0.0
        return min(PORT, self.taken * speed) if self.full else PORT

    def until(self, given: float, speed: float) -> float:
        """Cycles until it is full, empty or through."""
        grows = given - self.taken * speed
        found = [self.left / given] if min(given, self.left) > NEARLY else []
        if grows > NEARLY and not self.full:
            found.append((self.places - self.ahead) / grows)
        if grows < -NEARLY and self.ahead > NEARLY:
            found.append(self.ahead / -grows)
        return min(found, default=math.inf)

    def step(self, cycles: float, given: float, speed: float) -> None:
        """So many cycles on; what has no place is not asked for."""
        taken = self.taken * speed * cycles
        came = min(given * cycles, self.left, self.places - self.ahead + taken)
        self.left -= came
        self.ahead = max(0.0, self.ahead + came - taken)


def held(unit_vectors: int, behind: int) -> float:
    """Vectors that an AGCU holds of units of so many, with `behind` places behind it; no burst is of two."""
    bursts = math.ceil(unit_vectors / BURST_VECTORS)
    return BURSTS * unit_vectors / bursts + SENDER + behind


def shared(asking: Mapping[str, float], capacity: float) -> dict[str, float]:
    """What each gets: all it asks for, or an equal share of what those who ask for less leave."""
    given: dict[str, float] = {}
    left = capacity
    for place, name in enumerate(sorted(asking, key=lambda name: asking[name])):
        given[name] = min(asking[name], left / (len(asking) - place))
        left -= given[name]
    return given
