"""A copy within one tier of the SN40L in miniature, cycle by cycle: reads and writes share the channels.

Where both sides of a copy are in one tier, which channel a read and a write want at the same time decides
how long it takes, and a formula of totals does not know it. Here each side sends a beat a cycle to its
channel's queue, channels serve their two queues in turn at their rate, a read beat comes back a latency
later, words leave in order, and write beats follow their words. Data, identifiers and addresses are left
out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ...ir.errors import InputError

QUEUE = 32
"""Beats of a kind that wait at a channel."""
ON_THE_WAY = 7
"""Words between the read side and the write side's port."""
LEAD, BACK, FORWARD = 5, 4, 3
"""Registers: from the offer to the first request, from an answer to its word, from a word to its beat."""
ANSWERED = 4
"""From a write beat's answer to its burst's identifier."""
PATIENCE = 10_000_000


@dataclass(frozen=True)
class Beats:
    """One side of a copy: its beats in order.

    Attributes:
        channels: of every beat.
        bursts: of every beat, the number of its burst.
        needs: of every word that is read the beat that completes it; of every beat that is written the word
            that completes it.
        pauses: cycles that the shifter spends after a beat, by beat; empty for writes.
    """

    channels: list[int]
    bursts: list[int]
    needs: list[int]
    pauses: list[int]


class _Channel:
    """A channel's queues and its bucket of tokens."""

    __slots__ = ("queues", "rate", "tokens", "turn")

    def __init__(self, pace: float) -> None:
        self.queues: tuple[deque[int], deque[int]] = (deque(), deque())
        self.rate = 1 / pace
        self.tokens = 0.0
        self.turn = 0

    def serve(self) -> tuple[int, int] | None:
        """One cycle: which beat of which kind is served, if any."""
        self.tokens += self.rate
        kind = self.turn if self.queues[self.turn] else 1 - self.turn
        served = None
        if self.tokens > 1 - 1e-9 and self.queues[kind]:
            self.tokens -= 1
            self.turn = 1 - kind
            served = kind, self.queues[kind].popleft()
        self.tokens = min(self.tokens, 1.0)
        return served


class _Stream:
    """Words between the sides: beats that came leave in order, as far as there is room."""

    def __init__(self, reads: Beats) -> None:
        self.reads = reads
        self.came: list[int] = [0] * len(reads.channels)  # when each beat is there; 0: not served yet
        self.left = 0  # beats out of their slots
        self.ready: list[int] = []  # when each word is there
        self.free = 0  # when the next beat may leave

    def step(self, now: int, sent: int) -> None:
        """Let a beat leave."""
        if self.left == len(self.came) or len(self.ready) >= sent + ON_THE_WAY or now < self.free:
            return
        if not 0 < self.came[self.left] <= now:
            return
        self.free = now + 1 + self.reads.pauses[self.left]
        while len(self.ready) < len(self.reads.needs) and self.reads.needs[len(self.ready)] <= self.left:
            self.ready.append(now)
        self.left += 1


def replay(reads: Beats, writes: Beats, channels: int, pace: float, latency: int, slots: int) -> int:
    """From the offer until the last write beat is served.

    Raises:
        InputError: it does not end.
    """
    banks = [_Channel(pace) for _ in range(channels)]
    stream = _Stream(reads)
    read_ends, write_ends = _last_beats(reads.bursts), _last_beats(writes.bursts)
    answered = [0] * len(write_ends)  # when the identifier of a write burst is free; 0: not served yet
    asked = sent = done = 0
    for now in range(LEAD, PATIENCE):
        if asked < len(reads.channels):
            before = reads.bursts[asked] - slots
            queue = banks[reads.channels[asked]].queues[0]
            if (before < 0 or stream.left > read_ends[before]) and len(queue) < QUEUE:
                queue.append(asked)
                asked += 1
        if _has_word(stream, writes, sent, now):
            before = writes.bursts[sent] - slots
            queue = banks[writes.channels[sent]].queues[1]
            if (before < 0 or 0 < answered[before] <= now) and len(queue) < QUEUE:
                queue.append(sent)
                sent += 1
        for bank in banks:
            served = bank.serve()
            if served is None:
                continue
            kind, beat = served
            if kind == 0:
                stream.came[beat] = now + latency + BACK
                continue
            done += 1
            if beat == write_ends[writes.bursts[beat]]:
                answered[writes.bursts[beat]] = now + latency + ANSWERED
        stream.step(now, sent)
        if done == len(writes.channels):
            return now
    raise InputError(f"a copy does not end within {PATIENCE} cycles")


def _has_word(stream: _Stream, writes: Beats, sent: int, now: int) -> bool:
    """Whether the word of the next write beat is at the port."""
    if sent == len(writes.channels):
        return False
    need = writes.needs[sent]
    return need < len(stream.ready) and stream.ready[need] + FORWARD <= now


def _last_beats(bursts: list[int]) -> list[int]:
    """Of every burst its last beat."""
    found = [0] * (bursts[-1] + 1)
    for beat, burst in enumerate(bursts):
        found[burst] = beat
    return found
