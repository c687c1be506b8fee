"""Cycles of the SN40L in miniature's DMA: how long descriptors take, from their offer to their completion.

`T_copy` of a machine with two memory tiers behind AXI4 (the units are those of SN40L, MICRO 2024, section
IV-D; the model is of this project's design, after ``rtl/sn40l``). A descriptor takes its command, the
latencies on its way, and the longest of: its words at one a cycle, its beats at the channels they lie in,
and its bursts where more of them would have to be outstanding than there are slots (Little's law).
`Constants` were fitted once, to transfers of one beat and to one list of short rows at the default
latencies and rates, and are frozen. Row misses are not modelled; a refresh is, as bandwidth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import InputError
from ..rtl.sn40l_memory import BEAT_BYTES, DDR, Code, Descriptor, Op, Segment
from .sn40l_replay import BACK, FORWARD, LEAD, Beats, replay

PIECE_BEATS = 16
"""Of a burst at most: 512 bytes, which are in one channel."""
MOST_ROWS = 1 << 16
"""That are looked at; longer lists are taken to go on as they began."""


@dataclass(frozen=True)
class Tier:
    """A tier of memory.

    Attributes:
        channels: that it is interleaved over.
        cycles_per_beat: of a channel, 32 bytes.
        latency: cycles from a beat's service to its answer.
    """

    channels: int
    cycles_per_beat: float
    latency: int

    def __post_init__(self) -> None:
        if self.channels < 1 or not self.cycles_per_beat >= 1 or self.latency < 1:
            raise InputError(
                f"a tier of {self.channels} channels, {self.cycles_per_beat} cycles a beat, "
                f"latency {self.latency}",
                accepted="at least 1 of each",
            )

    @property
    def bytes_per_cycle(self) -> float:
        """Of all channels."""
        return self.channels * BEAT_BYTES / self.cycles_per_beat


@dataclass(frozen=True)
class Constants:
    """Cycles that are fitted.

    Attributes:
        load, store, copy: of the command and of registers on the way, beside the latencies.
        shared: the same where reads and writes of one channel follow each other without a pause.
        turnaround: from a burst's end of latency to the next burst of its slot.
    """

    load: float = 13.0
    store: float = 12.0
    copy: float = 18.0
    shared: float = 6.0
    turnaround: float = 15.7


@dataclass(frozen=True)
class CopyModel:
    """A memory and its DMAs.

    Attributes:
        hbm, ddr: the tiers.
        slots: bursts that a DMA has outstanding, each way.
        refresh: part of the time that channels are closed.
        constants: fitted.
    """

    hbm: Tier = field(default_factory=lambda: Tier(4, 16 / 9, 64))
    ddr: Tier = field(default_factory=lambda: Tier(1, 4.0, 96))
    slots: int = 16
    refresh: float = 0.0
    constants: Constants = field(default_factory=Constants)

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= 16 or not 0 <= self.refresh < 1:
            raise InputError(
                f"{self.slots} slots, closed {self.refresh} of the time",
                accepted="1 to 16 slots, a part in [0, 1)",
            )

    def cycles(self, descriptor: Descriptor, segments: Sequence[Segment]) -> float:
        """From the offer of a descriptor to its completion, nothing else being under way.

        Raises:
            InputError: the segment check would refuse it.
        """
        reads, writes = self._sides(descriptor, segments)
        constants = self.constants
        if reads and writes and reads.tier == writes.tier and descriptor.rows <= MOST_ROWS:
            return self._within(descriptor, segments)
        command = {Op.LOAD: constants.load, Op.COPY: constants.copy}.get(descriptor.op, constants.store)
        sides = [side for side in (reads, writes) if side is not None]
        words = max(side.words for side in sides)
        slowest = max(words - 1, *(self._channel_cycles([side]) - side.pace for side in sides))
        pace = slowest / max(1, max(side.beats for side in sides) - 1)
        tails = sum(max(0.0, (side.last_burst - 1) * (side.pace - max(pace, 1.0))) for side in sides)
        waits = max(self._little(side) for side in sides)
        way = command + sum(side.latency for side in sides)
        shared = constants.shared + self._channel_cycles(sides) + sides[-1].latency
        return max(way + max(slowest + tails, waits), shared)

    def _within(self, descriptor: Descriptor, segments: Sequence[Segment]) -> float:
        """A copy within one tier."""
        tier = self.ddr if segments[descriptor.source].base >= DDR else self.hbm
        sides = []
        for segment, rows, gathers in (
            (segments[descriptor.source], descriptor.source_rows(), True),
            (segments[descriptor.destination], descriptor.destination_rows(), False),
        ):
            sides.append(
                _beats([segment.base % DDR + row for row in rows], descriptor, tier.channels, gathers)
            )
        pace = tier.cycles_per_beat / (1 - self.refresh)
        served = replay(sides[0], sides[1], tier.channels, pace, tier.latency, self.slots)
        return served + tier.latency + self.constants.copy - LEAD - BACK - FORWARD - 2

    def together(self, descriptors: Sequence[Descriptor], segments: Sequence[Segment]) -> float:
        """Until the last of several is done, each at a DMA and a port of its own."""
        found = [self._sides(descriptor, segments) for descriptor in descriptors]
        sides = [side for pair in found for side in pair if side is not None]
        if not sides:
            return 0.0
        channels = self._channel_cycles(sides) + self.constants.shared + max(side.latency for side in sides)
        return max(channels, *(self.cycles(each, segments) for each in descriptors))

    def _channel_cycles(self, sides: Sequence[_Side]) -> float:
        """Of the channel with most to do."""
        totals: dict[str, NDArray[np.float64]] = {}
        for side in sides:
            totals[side.tier] = totals.get(side.tier, 0) + side.channel_beats * side.pace
        return max(float(total.max()) for total in totals.values())

    def _little(self, side: _Side) -> float:
        """Cycles for bursts beyond those that are outstanding at once."""
        each = side.latency + self.constants.turnaround + (side.beats / side.bursts - 1) * side.pace
        return max(0.0, side.bursts - self.slots) * each / self.slots

    def _sides(
        self, descriptor: Descriptor, segments: Sequence[Segment]
    ) -> tuple[_Side | None, _Side | None]:
        code = descriptor.code(list(segments)) if descriptor.rows <= MOST_ROWS else Code.OKAY
        if code != Code.OKAY:
            raise InputError(f"the segment check refuses {descriptor}: {code.name}")
        reads = writes = None
        if descriptor.op in (Op.LOAD, Op.COPY):
            strides = descriptor.source_strides
            reads = self._side(
                descriptor, segments[descriptor.source], descriptor.source_offset, strides, True
            )
        if descriptor.op != Op.LOAD:
            strides = descriptor.destination_strides
            writes = self._side(
                descriptor, segments[descriptor.destination], descriptor.destination_offset, strides, False
            )
        return reads, writes

    def _side(
        self, descriptor: Descriptor, segment: Segment, offset: int, strides: tuple[int, int], gathers: bool
    ) -> _Side:
        """What one side of a descriptor asks of memory."""
        name = "ddr" if segment.base >= DDR else "hbm"
        tier = self.ddr if name == "ddr" else self.hbm
        count = min(descriptor.rows, MOST_ROWS)
        outer, inner = np.divmod(np.arange(count, dtype=np.int64), descriptor.n1)
        first = segment.base % DDR + offset + inner * strides[0] + outer * strides[1]
        begin, end = first // BEAT_BYTES, (first + descriptor.length - 1) // BEAT_BYTES + 1
        whole = PIECE_BEATS * tier.channels
        beats = np.zeros(tier.channels)
        for channel in range(tier.channels):
            below = [
                at // whole * PIECE_BEATS + np.clip(at % whole - channel * PIECE_BEATS, 0, PIECE_BEATS)
                for at in (begin, end)
            ]
            beats[channel] = (below[1] - below[0]).sum()
        words = end - begin
        if gathers:  # a row that begins in mid-beat takes a cycle more than it has words
            shifted = (first % BEAT_BYTES != 0) & (end - begin > 1)
            words = np.where(shifted, descriptor.row_words + 1, words)
        bursts = (end - 1) // PIECE_BEATS - begin // PIECE_BEATS + 1
        last = end[-1] - max(begin[-1], (end[-1] - 1) // PIECE_BEATS * PIECE_BEATS)
        scale = descriptor.rows / count
        return _Side(
            name,
            tier.cycles_per_beat / (1 - self.refresh),
            tier.latency,
            float(words.sum()) * scale,
            beats * scale,
            float(bursts.sum()) * scale,
            int(last),
        )


def _beats(rows: list[int], descriptor: Descriptor, channels: int, gathers: bool) -> Beats:
    """The beats of one side of a copy, whose rows begin at these bytes."""
    where: list[int] = []
    bursts: list[int] = []
    needs: list[int] = []
    pauses: list[int] = []
    words = 0
    for row in rows:
        begin, end = row // BEAT_BYTES, (row + descriptor.length - 1) // BEAT_BYTES + 1
        done, number = len(where), bursts[-1] + 1 if bursts else 0
        where += [beat // PIECE_BEATS % channels for beat in range(begin, end)]
        bursts += [number + beat // PIECE_BEATS - begin // PIECE_BEATS for beat in range(begin, end)]
        shifted = row % BEAT_BYTES != 0 and end - begin > 1
        if gathers:
            needs += [done + min(word + shifted, end - begin - 1) for word in range(descriptor.row_words)]
            pauses += [0] * (end - begin - 1) + [int(shifted and descriptor.row_words == end - begin)]
        else:
            needs += [words + min(beat, descriptor.row_words - 1) for beat in range(end - begin)]
        words += descriptor.row_words
    return Beats(where, bursts, needs, pauses)


@dataclass(frozen=True, eq=False)
class _Side:
    """What a descriptor asks of one tier.

    Attributes:
        tier: its name.
        pace: cycles a beat of a channel.
        latency: of the tier.
        words: cycles of the shifter on this side.
        channel_beats: by channel.
        bursts: how many.
        last_burst: beats of the last one.
    """

    tier: str
    pace: float
    latency: int
    words: float
    channel_beats: NDArray[np.float64]
    bursts: float
    last_burst: int

    @property
    def beats(self) -> float:
        """Of all channels."""
        return float(self.channel_beats.sum())
