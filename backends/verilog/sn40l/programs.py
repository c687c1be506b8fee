"""Programs of the PCUs' SIMD pipelines: softmax, and LayerNorm of a sum."""

from __future__ import annotations

import math

from ....ir.errors import PlanError
from ....ir.fabric import LANES, Instruction, Operand

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
        waits=True,
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
            waits=True,
        ),
        Instruction(
            "copy",
            Operand("scalar", total),
            None,
            1,
            tail="reciprocal",
            reduce="first",
            scalar=share,
            waits=True,
        ),
        Instruction("mul", row, Operand("scalar", share), vectors, output=True, waits=True),
    )


def add_norm_parameters(width: int, queue: int) -> tuple[Instruction, ...]:
    """Once: weight and bias of a LayerNorm come in by a queue and stay behind the row in the buffer."""
    vectors = _vectors(width, rows=3)
    return tuple(
        Instruction("copy", Operand("queue", queue), None, vectors, buffer=part * vectors, waits=part == 2)
        for part in (1, 2)
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
                waits=True,
            )
        )
    return (
        *sums,
        Instruction("mul", Operand("scalar", total), share, 1, reduce="first", scalar=mean, waits=True),
        Instruction("sub", row, Operand("scalar", mean), vectors, buffer=0, waits=True),
        Instruction("mul", row, row, vectors, reduce="sum", scalar=square, waits=True),
        Instruction("mul", Operand("scalar", square), share, 1, reduce="first", scalar=variance, waits=True),
        Instruction(
            "add",
            Operand("scalar", variance),
            epsilon,
            1,
            tail="rsqrt",
            reduce="first",
            scalar=scale,
            waits=True,
        ),
        Instruction("mul", row, Operand("scalar", scale), vectors, buffer=0, waits=True),
        Instruction("mul", row, weight, vectors, buffer=0, waits=True),
        Instruction("add", row, bias, vectors, output=True, waits=True),
    )


def _vectors(width: int, rows: int) -> int:
    vectors = math.ceil(width / LANES)
    if width % LANES or vectors > COUNT or rows * vectors > ROW_BUFFER:
        raise PlanError(
            f"rows of {width} words, {rows} in the buffer",
            accepted=f"multiples of {LANES}, at most {ROW_BUFFER * LANES // rows}",
        )
    return vectors
