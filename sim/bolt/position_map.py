"""Where each live key is: two buckets of four ways by a keyed hash, and a small CAM for what overflows both.

Every lookup reads both buckets whole and every access rewrites one, whatever it finds; in software that shows
only as the place an entry takes.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from ...ir.errors import FaultError
from .config import CAM_ENTRIES, WAYS
from .prf import buckets_of


class State(enum.Enum):
    """What holds a live key's value."""

    HBM = "a frame of an HBM bin"
    PENDING = "a frame that awaits its host bin's next flush"
    HOST = "a slot of its host bin's page"
    STASH = "the overflow stash"


@dataclass
class Entry:
    """One key's entry.

    Attributes:
        key: its key.
        pair: its two candidate bins; never visible since they were drawn.
        which: 0 or 1, the member of the pair that holds it.
        state: what holds its value.
        frame: of HBM and PENDING; an index of the stash for STASH.
    """

    key: int
    pair: tuple[int, int]
    which: int
    state: State
    frame: int

    @property
    def bin(self) -> int:
        """The bin that holds it, or would if it were not in the stash."""
        return self.pair[self.which]


class PositionMap:
    """Entries of all live keys.

    Args:
        buckets: NB.
        prf_key: 16 bytes.
    """

    def __init__(self, buckets: int, prf_key: bytes) -> None:
        self._prf_key = prf_key
        self._hashed: dict[int, tuple[int, int]] = {}
        self._buckets: list[list[Entry | None]] = [[None] * WAYS for _ in range(buckets)]
        self._cam: list[Entry | None] = [None] * CAM_ENTRIES
        self.cam_used = 0

    def lookup(self, key: int) -> Entry | None:
        """A key's entry."""
        for holder in self._holders(key):
            for entry in holder:
                if entry is not None and entry.key == key:
                    return entry
        return None

    def insert(self, entry: Entry) -> None:
        """Take an entry whose key has none: into the emptier bucket, or the CAM when both are full.

        Raises:
            FaultError: the CAM is full.
        """
        first, second, cam = self._holders(entry.key)
        holder = min((first, second), key=_used)  # the first of equals
        if _used(holder) == WAYS:
            holder = cam
            if self.cam_used == CAM_ENTRIES:
                raise FaultError("both buckets and the CAM are full", where="the position map")
            self.cam_used += 1
        holder[holder.index(None)] = entry

    def remove(self, key: int) -> None:
        """Clear the place of a key that has an entry."""
        for holder in self._holders(key):
            for way, entry in enumerate(holder):
                if entry is not None and entry.key == key:
                    holder[way] = None
                    self.cam_used -= holder is self._cam
                    return

    def buckets(self, key: int) -> tuple[int, int]:
        """The numbers of a key's two buckets."""
        if key not in self._hashed:
            self._hashed[key] = buckets_of(self._prf_key, key, len(self._buckets))
        return self._hashed[key]

    def rows(self) -> Iterator[tuple[Entry | None, ...]]:
        """The buckets in order, their ways each."""
        yield from map(tuple, self._buckets)

    def __iter__(self) -> Iterator[Entry]:
        for holder in (*self._buckets, self._cam):
            yield from (entry for entry in holder if entry is not None)

    def _holders(self, key: int) -> tuple[list[Entry | None], list[Entry | None], list[Entry | None]]:
        first, second = self.buckets(key)
        return self._buckets[first], self._buckets[second], self._cam


def _used(bucket: list[Entry | None]) -> int:
    return sum(entry is not None for entry in bucket)
