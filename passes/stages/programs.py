"""Programs of the PCUs' SIMD pipelines: softmax, and LayerNorm of a sum."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from ...ir.errors import PlanError
from ...ir.fabric import LANES, Instruction, Operand
from ...sim.rtl.sn40l_pcu.registers import RESULT_CYCLES, SCALAR_CYCLES

ROW_BUFFER = 256
"""Vectors of a PCU's row buffer."""
COUNT = 256
"""Vectors of one instruction, at most."""


def softmax(width: int, masked: bool) -> tuple[Instruction, ...]:
    """Per row of `width`: queue 0 the scores, queue 1 what is added to hide keys.

    Raises:
        PlanError: a row that the buffer does not hold, or that is no whole number of vectors.
    """
    vectors = _vectors(width, rows=1)
    row, largest, total, share = Operand("buffer", 0), 0, 1, 2
    scores = Operand("queue", 0)
    begin = Instruction(
        "add" if masked else "copy",
        scores,
        Operand("queue", 1) if masked else None,
        vectors,
        buffer=0,
        reduce="max",
        scalar=largest,
    )
    return (
        begin,
        Instruction(
            "sub",
            row,
            Operand("scalar", largest),
            vectors,
            tail="exp",
            buffer=0,
            reduce="sum",
            scalar=total,
        ),
        Instruction(
            "copy",
            Operand("scalar", total),
            None,
            1,
            tail="reciprocal",
            reduce="first",
            scalar=share,
        ),
        Instruction("mul", row, Operand("scalar", share), vectors, output=True),
    )


def add_norm_parameters(width: int, queue: int) -> tuple[Instruction, ...]:
    """Once: weight and bias of a LayerNorm come in by a queue and stay behind the row in the buffer."""
    vectors = _vectors(width, rows=3)
    return tuple(
        Instruction("copy", Operand("queue", queue), None, vectors, buffer=part * vectors) for part in (1, 2)
    )


def add_norm(width: int, terms: int) -> tuple[Instruction, ...]:
    """Per row: the sum of queues 0 to `terms` - 1, normalised; constants 1/width and epsilon."""
    vectors = _vectors(width, rows=3)
    row, weight, bias = (Operand("buffer", part * vectors) for part in range(3))
    mean, square, variance, scale = range(4)
    share, epsilon = Operand("constant", 0), Operand("constant", 1)
    total = 4
    sums = []
    for term in range(1, terms):
        first, last = term == 1, term == terms - 1
        sums.append(
            Instruction(
                "add",
                Operand("queue", 0) if first else row,
                Operand("queue", term),
                vectors,
                buffer=0,
                reduce="sum" if last else "none",
                scalar=total if last else 0,
            )
        )
    return (
        *sums,
        Instruction("mul", Operand("scalar", total), share, 1, reduce="first", scalar=mean),
        Instruction("sub", row, Operand("scalar", mean), vectors, buffer=0),
        Instruction("mul", row, row, vectors, reduce="sum", scalar=square),
        Instruction("mul", Operand("scalar", square), share, 1, reduce="first", scalar=variance),
        Instruction(
            "add",
            Operand("scalar", variance),
            epsilon,
            1,
            tail="rsqrt",
            reduce="first",
            scalar=scale,
        ),
        Instruction("mul", row, Operand("scalar", scale), vectors, buffer=0),
        Instruction("mul", row, weight, vectors, buffer=0),
        Instruction("add", row, bias, vectors, output=True),
    )


def settled(
    once: tuple[Instruction, ...], body: tuple[Instruction, ...]
) -> tuple[tuple[Instruction, ...], tuple[Instruction, ...]]:
    """The same program, where an instruction waits if it would read a result before it is there."""
    program, begin = [*once, *body], len(once)
    while (late := _late(program, begin)) is not None:
        program[late] = replace(program[late], waits=True)
    return tuple(program[:begin]), tuple(program[begin:])


def _late(program: list[Instruction], begin: int) -> int | None:
    """The first instruction that reads too early when one vector is issued a cycle; the body runs twice."""
    there: dict[tuple[str, int], int] = {}
    now = drained = 0
    for number in (*range(len(program)), *range(begin, len(program))):
        each = program[number]
        now = max(now, drained) if each.waits else now
        for vector in range(each.count):
            if any(there.get(place, 0) > now for place in _reads(each, vector)):
                return number
            drained = max(drained, now + RESULT_CYCLES)
            if each.buffer is not None:
                there["buffer", each.buffer + vector] = now + RESULT_CYCLES
            if each.reduce != "none":
                there["scalar", each.scalar] = drained = max(drained, now + SCALAR_CYCLES)
            now += 1
    return None


def _reads(each: Instruction, vector: int) -> Iterator[tuple[str, int]]:
    for operand in (each.x, each.y):
        if operand is not None and operand.source == "buffer":
            yield "buffer", operand.at + vector
        elif operand is not None and operand.source == "scalar":
            yield "scalar", operand.at


def _vectors(width: int, rows: int) -> int:
    vectors = math.ceil(width / LANES)
    if width % LANES or vectors > COUNT or rows * vectors > ROW_BUFFER:
        raise PlanError(
            f"rows of {width} words, {rows} in the buffer",
            accepted=f"multiples of {LANES}, at most {ROW_BUFFER * LANES // rows}",
        )
    return vectors
