"""Cycles of a PCU's run while operands and room are there, as its RTL takes them (SN40L, MICRO 2024, §IV-A).

From the cycle after start_i, which is 0, to the first with done_o. Operands can be taken from cycle 1 on.
The run of a systolic body is max-plus: tiles accumulate one after the other, wait for their set of
accumulators, and leave in order. A program issues a vector a cycle, and waits where it is told to.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...rtl.sn40l_pcu.registers import (
    RESULT_CYCLES,
    SCALAR_CYCLES,
    Configuration,
    Instruction,
    Mode,
    Reduce,
    Source,
)

FULL = 2
"""From a tile's last multiply-accumulate to the first cycle in which its rows can leave."""
LEAVES = 3
"""From a result's cycle to done: into the output's queue, out of it, told."""
TOLD = 1
"""From the last scalar to done."""


def cycles(it: Configuration, *, sets: int = 2) -> int:
    """Of a whole run.

    Args:
        it: the registers.
        sets: of accumulators.
    """
    if it.mode == Mode.GEMM:
        return _gemm(it, sets)
    if it.mode == Mode.SIMD:
        return _simd(it)
    return 0


def _gemm(it: Configuration, sets: int) -> int:
    busy = it.depth * it.tiles
    ready, free, left = 1, [0] * sets, 0
    for tile in range(it.units * it.trips):
        begin = max(ready + it.bias, free[tile % sets])
        end = begin + busy - 1
        left = max(end + FULL, left + 1) + it.rows - 1
        ready, free[tile % sets] = end + 1, left + 1
    return left + RESULT_CYCLES - 1 + LEAVES


def _simd(it: Configuration) -> int:
    prologue, body = it.program[: it.body], it.program[it.body :]
    now, drained, done = _turn(prologue, _begin(it.program[0]), 0)
    trips, span, state = it.units * it.trips, 0, None
    while trips:
        before = now
        now, drained, done = _turn(body, now, drained)
        trips -= 1
        # The next trip is as long as this one if it begins as far from its predecessors' results.
        if (now - before, drained - now) == (span, state):
            now, drained, done = (each + span * trips for each in (now, drained, done))
            break
        span, state = now - before, drained - now
    return done


def _begin(first: Instruction) -> int:
    sides = (first.x_source, first.y_source if first.binary else None)
    return 1 if Source.QUEUE in sides else 0


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
