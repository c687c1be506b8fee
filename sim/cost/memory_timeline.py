"""Memory over the steps of a program, before and after its buffers were given offsets in one arena."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Placement:
    """A buffer in the arena: live in steps ``[start, end)``, at bytes ``[offset, offset + bytes)``."""

    name: str
    start: int
    end: int
    offset: int
    bytes: int


@dataclass(frozen=True)
class MemoryTimeline:
    """Bytes at every step.

    Attributes:
        steps: number of steps, the last end of a buffer.
        before: held when every buffer has its own memory from its start on (no reuse).
        live: of the buffers live at the step, which no plan can undercut.
        after: of the arena in use, up to the highest live byte.
    """

    steps: int
    before: tuple[int, ...]
    live: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def peak_before_bytes(self) -> int:
        """Memory without reuse: the sum of all buffers."""
        return max(self.before, default=0)

    @property
    def peak_after_bytes(self) -> int:
        """Size of the arena."""
        return max(self.after, default=0)

    def to_json(self) -> dict[str, Any]:
        """The series as a JSON object."""
        return asdict(self)


def memory_timeline(placements: Iterable[Placement], steps: int | None = None) -> MemoryTimeline:
    """The series of a plan; ``steps`` lengthens them beyond the last buffer where the program goes on."""
    given = tuple(placements)
    count = max([steps or 0, *(placement.end for placement in given)])
    begun, live, after = [0] * (count + 1), [0] * (count + 1), [0] * count
    for placement in given:
        begun[placement.start] += placement.bytes
        live[placement.start] += placement.bytes
        live[placement.end] -= placement.bytes
        if placement.bytes:
            top = placement.offset + placement.bytes
            for step in range(placement.start, placement.end):
                after[step] = max(after[step], top)
    return MemoryTimeline(count, _running(begun)[:count], _running(live)[:count], tuple(after))


def _running(changes: list[int]) -> tuple[int, ...]:
    total, series = 0, []
    for change in changes:
        total += change
        series.append(total)
    return tuple(series)
