"""A finished mapping: what every player hands in, and the verifier and the event simulator judge.

It names who serves each access, the rectangles (offset by time) in fast memory, and the copies with the idle
time of slow memory each one uses. Instructions are numbered; spans include both ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rectangle:
    """A tensor in fast memory: bytes from ``offset``, during instructions ``first`` to ``last``."""

    tensor: int
    offset: int
    first: int
    last: int


@dataclass(frozen=True)
class Copy:
    """A transfer between the memories, through the link of slow memory.

    Attributes:
        rectangle: index of the rectangle it fills (``out`` False) or saves to slow memory (``out`` True).
        out: the direction.
        ready: a copy in has ended before this instruction starts; a copy out by the time it ends.
        charges: (instruction, seconds of its idle slow time) used, in order.
        stall_s: what is left of the copy once those are used; the program waits for it, before
            ``ready`` (in) or after it (out).
    """

    rectangle: int
    out: bool
    ready: int
    charges: tuple[tuple[int, float], ...]
    stall_s: float

    @property
    def start(self) -> int:
        """The first instruction during which it moves bytes; ``ready`` where it only stalls."""
        return self.charges[0][0] if self.charges else self.ready


@dataclass(frozen=True)
class MemoryMap:
    """A mapping of one problem on one machine.

    Attributes:
        served_fast: per access, in `Problem.accesses` order, whether fast memory serves it.
        rectangles: all of them.
        copies: in the order they were decided.
        latency_s: what its maker says it takes.
        facts: how it was made (player, seed, moves, backups …), for people.
    """

    served_fast: tuple[bool, ...]
    rectangles: tuple[Rectangle, ...]
    copies: tuple[Copy, ...]
    latency_s: float
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The mapping as a JSON object."""
        return asdict(self)
