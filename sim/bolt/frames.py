"""Value frames in HBM: a free list, and per host bin the list of frames that await its next flush."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ...ir.errors import FaultError
from .page import Slot


class Frames:
    """F frames of a key and a value each.

    Args:
        count: F.
        host_bins: M.
    """

    def __init__(self, count: int, host_bins: int) -> None:
        self._free = deque(range(count))
        self._held: list[Slot | None] = [None] * count
        self.pending: list[deque[int]] = [deque() for _ in range(host_bins)]
        """By host bin: frames to be flushed, the oldest first."""
        self.queued = 0
        """Frames in all of ``pending``: Q."""

    @property
    def used(self) -> int:
        """Frames that hold a value: H + Q."""
        return len(self._held) - len(self._free)

    def take(self) -> int:
        """The frame that has been free longest.

        Raises:
            FaultError: none is free.
        """
        if not self._free:
            raise FaultError(f"all {len(self._held)} frames are in use", where="HBM")
        return self._free.popleft()

    def put(self, frame: int, key: int, value: bytes) -> None:
        """Write a key and its value to a taken frame."""
        self._held[frame] = key, value

    def give(self, frame: int) -> Slot:
        """Free a frame, and what it held."""
        slot = self.held(frame)
        self._held[frame] = None
        self._free.append(frame)
        return slot

    def held(self, frame: int) -> Slot:
        """A used frame's key and value."""
        slot = self._held[frame]
        assert slot is not None, f"frame {frame} holds nothing"
        return slot

    def queue(self, host_bin: int, frame: int) -> None:
        """Let a frame await a host bin's flush."""
        self.pending[host_bin].append(frame)
        self.queued += 1

    def flush(self, host_bin: int) -> Iterator[Slot]:
        """Free a host bin's frames, the oldest first."""
        while self.pending[host_bin]:
            self.queued -= 1
            yield self.give(self.pending[host_bin].popleft())
