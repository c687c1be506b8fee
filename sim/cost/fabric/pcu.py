"""Cycles of a PCU's run while operands and room are there, as its RTL takes them (SN40L, MICRO 2024, §IV-A).

From the cycle after start_i, which is 0, to the first with done_o. Operands can be taken from cycle 1 on.
The run of a systolic body is max-plus: tiles accumulate one after the other, wait for their set of
accumulators, and leave in order. A BitMoD body's is its array's, unit by unit. A program issues a vector a
cycle, and waits where it is told to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....ir.bitmod_format import GROUP_SIZE
from ....ir.bitmod_format import Mode as Weights
from ...rtl.sn40l_pcu.registers import (
    LANES,
    RESULT_CYCLES,
    SCALAR_CYCLES,
    Configuration,
    Instruction,
    Mode,
    Reduce,
    Source,
)
from ..bitmod import BitmodArray, linear_cycles

FULL = 2
"""From a tile's last multiply-accumulate to the first cycle in which its rows can leave."""
MOST_TOKENS, MOST_GROUPS = 32, 12
"""Of a unit of the BitMoD body: tokens, groups of 128 inputs."""
LEAVES = 3
"""From a result's cycle to done: into the output's queue, out of it, told."""
TOLD = 1
"""From the last scalar to done."""


@dataclass(frozen=True)
class Activity:
    """Cycles of a run.

    Attributes:
        total: all.
        works: with a vector in the body.
        starved: without an operand.
        blocked: without accumulators or room for a result.
    """

    total: int
    works: int = 0
    starved: int = 0
    blocked: int = 0


def activity(it: Configuration, *, sets: int = 2) -> Activity:
    """Cycles of a whole run, with so many sets of accumulators."""
    if it.weights:
        return _quantized(it)
    if it.mode == Mode.GEMM:
        return _gemm(it, sets)
    if it.mode == Mode.SIMD:
        return _simd(it)
    return Activity(0)


def _gemm(it: Configuration, sets: int) -> Activity:
    busy, count = it.depth * it.tiles, it.units * it.trips
    ready, free, left, blocked = 1, [0] * sets, 0, 0
    for tile in range(count):
        begin = max(ready + it.bias, free[tile % sets])
        blocked += begin - ready - it.bias
        ready = begin + busy
        left = max(ready - 1 + FULL, left + 1) + it.rows - 1
        free[tile % sets] = left + 1
    return Activity(left + RESULT_CYCLES - 1 + LEAVES, count * busy, 1, blocked)


def _quantized(it: Configuration) -> Activity:
    inputs, array = GROUP_SIZE * it.depth, BitmodArray(max_tokens=MOST_TOKENS, max_groups=MOST_GROUPS)
    unit = linear_cycles(array, it.rows, LANES * it.trips, inputs, mode=Weights(it.weights)).total
    # A unit begins the cycle after the one before it is through, whose last row has left a cycle before.
    left = it.units * (unit + 1) - 2
    return Activity(left + RESULT_CYCLES - 1 + LEAVES, it.units * unit)


def _simd(it: Configuration) -> Activity:
    prologue, body = it.program[: it.body], it.program[it.body :]
    starved = _takes(it.program[0])
    now, drained, done = _turn(prologue, starved, 0)
    trips, span, state = it.units * it.trips, 0, None
    works = sum(each.vectors for each in prologue) + trips * sum(each.vectors for each in body)
    while trips:
        before = now
        now, drained, done = _turn(body, now, drained)
        trips -= 1
        # The next trip is as long as this one if it begins as far from its predecessors' results.
        if (now - before, drained - now) == (span, state):
            done += span * trips
            break
        span, state = now - before, drained - now
    return Activity(done, works, starved)


def _takes(first: Instruction) -> int:
    """1 where an instruction takes of a queue, else 0."""
    sides = (first.x_source, first.y_source if first.binary else None)
    return int(Source.QUEUE in sides)


def _turn(program: Sequence[Instruction], now: int, drained: int) -> tuple[int, int, int]:
    """Once through instructions: the next issue, when all results are there, when the run would be done."""
    done = 0
    for each in program:
        if each.waits:
            now = max(now, drained)
        now += each.vectors
        there = now - 1 + (RESULT_CYCLES if each.reduce == Reduce.NONE else SCALAR_CYCLES)
        drained = max(drained, there)
        done = max(done, there + TOLD, now - 1 + RESULT_CYCLES - 1 + LEAVES if each.to_output else 0)
    return now, drained, done
