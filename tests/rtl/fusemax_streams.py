"""Runs of the small FuseMax array behind `attention_harness`: shapes and streams in, results out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.sim.rtl import fusemax_oracle

from .fusemax_program import Block, program

ROWS = COLS = 2
E, F = 6, 5
DEPTH_OF_QUEUES = 512

Vectors = NDArray[np.uint32]


@dataclass(frozen=True)
class Shape:
    """Tiles of queries and keys, keys of the last tile, tiles in flight, blocks."""

    p1: int
    m1: int
    last_rows: int
    stages: int
    blocks: int

    @property
    def program(self) -> list[int]:
        """Of an epoch."""
        return program(ROWS, E, F, self.stages)

    def random_blocks(self, seed: int, scale: float = 1.0) -> list[Block]:
        """Operands."""
        queries, keys = self.p1 * COLS, (self.m1 - 1) * ROWS + self.last_rows
        return [Block.random(seed + i, queries, keys, E, F, scale) for i in range(self.blocks)]

    @property
    def control(self) -> int:
        """The shape as the harness takes it."""
        fields = (self.p1, 109), (self.m1, 112), (self.last_rows, 116), (self.stages, 118), (self.blocks, 120)
        return sum(value << place for value, place in (*fields, (len(self.program), 122)))

    @property
    def cycles(self) -> tuple[int, int]:
        """From start to done, and how many of them all stands still for keys, where streams never wait."""
        period, q_beats, kv_beats = len(self.program), self.p1 * E, E + F
        epochs = self.p1 * self.m1 + self.stages - 1
        loaded = [q_beats + kv_beats + 1, q_beats + 2 * kv_beats + 1]  # first cycle with key tile i there
        begins: list[int] = []
        stalls = 0
        for epoch in range(epochs):
            begin = begins[-1] + period if begins else loaded[0] + 2
            tile, first = divmod(epoch, self.p1)
            if first == 0 and tile < self.m1:
                if tile >= 2:
                    released = begins[(tile - 1) * self.p1 + self.stages - 2] + period - 1 + ROWS + 1
                    loaded.append(max(loaded[-1], released) + kv_beats)
                stalls += max(0, loaded[tile] - begin)
                begin = max(begin, loaded[tile])
            begins.append(begin)
        block = begins[-1] + period + self.p1 * (F + 1)
        return self.blocks * block + COLS + 18, self.blocks * stalls


@dataclass(frozen=True)
class Outcome:
    """Results ``[blocks, queries, F]`` as bit patterns, and the counters."""

    results: NDArray[np.uint16]
    cycles: int
    stalls: int
    busy_2d: int
    busy_1d: int
    done: int


def stream(
    shape: Shape, blocks: list[Block], *, gaps: float = 0.0, closed: float = 0.0, seed: int = 0
) -> Vectors:
    """Input of the harness: the start, then operands with ``gaps`` and results not taken when ``closed``.

    Without gaps the operands are there before the start.
    """
    chance = np.random.default_rng(seed)
    operands = [word for block in blocks for word in block.words(ROWS, COLS)]
    assert len(operands) <= DEPTH_OF_QUEUES
    words = [1 << 104 | word for word in shape.program]
    given = [1 << 105 | word << 72 for word in operands]
    if gaps:
        start = [*words, *([0] * 4), 1 << 106]
        spread = [item for word in given for item in (*([0] * chance.geometric(1 - gaps)), word)]
        inputs = [*start, *spread]
    else:
        inputs = [*words, *given, *([0] * 4), 1 << 106]
    results = shape.blocks * shape.p1 * F
    inputs += [0] * (shape.cycles[0] + int(2 * results / (1 - closed)) + 100)
    ready = chance.random(len(inputs)) >= closed
    control = shape.control
    values = [value | control | int(open_) << 107 for value, open_ in zip(inputs, ready, strict=True)]
    return words_of(values)


def words_of(values: list[int]) -> Vectors:
    """Integers as the 128-bit words of a harness."""
    return np.array(
        [[value >> place & 0xFFFFFFFF for place in (0, 32, 64, 96)] for value in values], np.uint32
    )


def outcome(shape: Shape, out: Vectors) -> Outcome:
    """What the harness gave."""
    words = out[out[:, 1] & 1 == 1, 0]
    expected = shape.blocks * shape.p1 * F
    assert len(words) == expected, f"{len(words)} words of results, not {expected}"
    tiles = words.view(np.uint16).reshape(shape.blocks, shape.p1, F, COLS)
    last = out[-1].astype(np.int64)
    return Outcome(
        results=tiles.transpose(0, 1, 3, 2).reshape(shape.blocks, -1, F),
        cycles=int(last[1] >> 16 | (last[2] & 0xFFFF) << 16),
        stalls=int(last[2] >> 16),
        busy_2d=int(last[3] & 0xFFFF),
        busy_1d=int(last[3] >> 16),
        done=int((out[:, 1] >> 1 & 1).sum()),
    )


def differing(blocks: list[Block], results: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where results are not what they must be, bit for bit; any NaN is as good as another."""
    want = np.stack([fusemax_oracle.attention(block.q, block.k, block.v, rows=ROWS) for block in blocks])
    got = results.view(np.float16)
    return (want.view(np.uint16) != results) & ~(np.isnan(want) & np.isnan(got))
