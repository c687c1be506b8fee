"""Lanes that check every access to shared memory: two that conflict must be ordered by events, on any device.

Each lane counts its accesses; an event carries what its lane had seen when it was recorded, and a wait
merges it (vector clocks: Mattern, 1989, "Virtual Time and Global States of Distributed Systems"). Nothing is
known of how fast a lane is, so a wait that is missing is found even where luck made the result right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from penstock.backends.torch_train.lanes import COMPUTE, LANES, Copy, Event, Lanes

_Clock = dict[str, int]


@dataclass(frozen=True)
class _Access:
    lane: str
    time: int
    low: int
    high: int
    writes: bool
    what: str


@dataclass(frozen=True)
class Hazard:
    """Two accesses to the same bytes, one of them a write, in no order.

    Attributes:
        earlier, later: lane and kind of both, in the order in which they were given to their lanes.
        bytes: that both touch.
    """

    earlier: str
    later: str
    bytes: int


class WatchedLanes:
    """Passes everything on to other lanes, and notes hazards.

    Attributes:
        hazards: found so far.
    """

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.hazards: list[Hazard] = []
        self._clocks: dict[str, _Clock] = {lane: dict.fromkeys(LANES, 0) for lane in LANES}
        self._recorded: dict[Event, _Clock] = {}
        self._seen: list[_Access] = []

    def begin(self) -> None:
        """See `Lanes`."""
        self.lanes.begin()

    def record(self, lane: str, event: Event) -> None:
        """See `Lanes`."""
        self._recorded[event] = dict(self._clocks[lane])
        self.lanes.record(lane, event)

    def wait(self, lane: str, event: Event) -> None:
        """See `Lanes`."""
        for other, time in self._recorded.get(event, {}).items():
            self._clocks[lane][other] = max(self._clocks[lane][other], time)
        self.lanes.wait(lane, event)

    def copy(self, lane: str, copies: Sequence[Copy]) -> None:
        """See `Lanes`."""
        self._access(lane, [source for _, source in copies], [target for target, _ in copies])
        self.lanes.copy(lane, copies)

    def touch(self, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
        """See `Lanes`."""
        self._access(COMPUTE, reads, writes)
        self.lanes.touch(reads, writes)

    def finish(self) -> None:
        """See `Lanes`."""
        self.lanes.finish()
        everything = {lane: self._clocks[lane][lane] for lane in LANES}
        self._clocks = {lane: dict(everything) for lane in LANES}
        self._seen.clear()

    def close(self) -> None:
        """See `Lanes`."""
        self.lanes.close()

    def _access(self, lane: str, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
        self._clocks[lane][lane] += 1
        now = self._clocks[lane]
        for tensors, writing in ((reads, False), (writes, True)):
            for tensor in tensors:
                low = tensor.data_ptr()
                made = _Access(lane, now[lane], low, low + tensor.nbytes, writing, _said(lane, writing))
                self._compare(made, now)
                self._seen.append(made)

    def _compare(self, made: _Access, now: _Clock) -> None:
        """Against all earlier accesses; those this one follows and covers cannot matter any more."""
        kept = []
        for before in self._seen:
            shared = min(before.high, made.high) - max(before.low, made.low)
            ordered = before.time <= now[before.lane]
            if shared > 0 and not ordered and (before.writes or made.writes) and before.lane != made.lane:
                self.hazards.append(Hazard(before.what, made.what, shared))
            covered = made.writes and made.low <= before.low and before.high <= made.high
            if not (ordered and covered):
                kept.append(before)
        self._seen = kept


def _said(lane: str, writing: bool) -> str:
    return f"{lane} {'writes' if writing else 'reads'}"
