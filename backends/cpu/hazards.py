"""Which steps may run without a barrier between them: those that touch no bytes another one writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Span = tuple[str, int, int]
"""Bytes ``[start, end)`` of a named storage: the frame, an argument, a result, the shared workspace."""


@dataclass
class Hazards:
    """What the steps since the last barrier read and write."""

    reads: set[Span] = field(default_factory=set)
    writes: set[Span] = field(default_factory=set)

    @property
    def pending(self) -> bool:
        """Whether any step is unfinished."""
        return bool(self.reads or self.writes)

    def clash(self, reads: Iterable[Span], writes: Iterable[Span]) -> bool:
        """Whether a step has to wait: it reads what is being written, or writes what is being used."""
        return _meet(reads, self.writes) or _meet(writes, self.writes | self.reads)

    def begin(self, reads: Iterable[Span], writes: Iterable[Span]) -> None:
        """A step runs."""
        self.reads |= set(reads)
        self.writes |= set(writes)

    def clear(self) -> None:
        """A barrier was passed."""
        self.reads.clear()
        self.writes.clear()


def _meet(left: Iterable[Span], right: Iterable[Span]) -> bool:
    others = tuple(right)
    return any(a[0] == b[0] and a[1] < b[2] and b[1] < a[2] for a in left for b in others)
