"""Operands and configurations for a PCU: drawn by a seed, and those a transformer's block needs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from penstock.ir.errors import PlanError
from penstock.ir.fabric import LANES
from penstock.sim.rtl.sn40l_pcu.oracle import Flags, Stream, check
from penstock.sim.rtl.sn40l_pcu.registers import (
    BUFFER_DEPTH,
    CONSTANTS,
    QUEUES,
    RESULT_CYCLES,
    SCALARS,
    Configuration,
    Credit,
    Instruction,
    Mode,
    Op,
    Queue,
    Reduce,
    Source,
    Tail,
)
from penstock.sim.rtl.sn40l_pcu.tail import Floats

PATTERNS = (
    *(0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000),
    *(0x7FC00000, 0x7F800001, 0xFFFFFFFF, 0x00000001, 0x807FFFFF, 0x00800000),
    *(0x7F7FFFFF, 0xFF7FFFFF, 0x42B17218, 0xC2AEAC50, 0x40C00000, 0xC0C00000),
)
"""Zeros, ones, infinities, NaNs, subnormals, the smallest and largest, ends of exp and of gelu."""


def vectors(random: np.random.Generator, count: int, kind: str = "plain", poison: float = 0.0) -> Stream:
    """Operands: ``plain`` around 1, ``wide`` over all exponents, ``hard`` with `PATTERNS` in them."""
    values = random.standard_normal((count, LANES)).astype(np.float32)
    if kind != "plain":
        bits = random.integers(0, 2**32, values.shape, np.uint32)
        values = np.where(random.random(values.shape) < 0.5, bits.view(np.float32), values)
    if kind == "hard":
        special = np.array(PATTERNS, np.uint32).view(np.float32)
        values = np.where(random.random(values.shape) < 0.2, random.choice(special, values.shape), values)
    flags: Flags = random.random(count) < poison
    return Stream(values, flags)


def gemm(random: np.random.Generator, *, tiles: int = 4) -> tuple[Configuration, list[Stream]]:
    """A systolic run of any size that fits, its rows through any operation and tail."""
    used = int(random.integers(1, tiles + 1))
    rows = int(random.integers(1, LANES * used + 1))
    depth, trips, units = (int(random.integers(1, most)) for most in (12, 5, 4))
    bias = bool(random.integers(2))
    op, y_source = Op(random.integers(5)), Source(random.choice([0, 2, 3], p=[0.5, 0.0, 0.5]))
    last = Instruction(
        op=op,
        tail=int(random.integers(5)),
        y_source=y_source,
        y_index=2 + int(random.integers(3)),
        to_output=1,
    )
    count = units * trips
    kinds = random.choice(["plain", "wide", "hard"], 3)
    poison = float(random.choice([0.0, 0.02]))
    operands = [
        vectors(random, count * depth * used, kinds[0], poison),
        vectors(random, count * (depth + bias), kinds[1], poison),
        *(vectors(random, count * rows if at in last.queues() else 0, kinds[2], poison) for at in (2, 3, 4)),
    ]
    configuration = Configuration(
        Mode.GEMM,
        units,
        trips,
        trips * rows,
        bias=bias,
        depth=depth,
        tiles=used,
        rows=rows,
        program=(last,),
        constants=_constants(random),
        **_places(random, [0, 1, *_named(last)]),
    )
    return configuration, operands


def _named(each: Instruction) -> tuple[int, ...]:
    """Queues beside x that an instruction takes from."""
    return (each.y_index,) if each.binary and each.y_source == Source.QUEUE else ()


def simd(
    random: np.random.Generator, *, most: int = 9, longest: int = 20
) -> tuple[Configuration, list[Stream]]:
    """A program of random instructions, which reads nothing that was never written."""
    while (found := _simd(random, most, longest)) is None:
        pass
    return found


def _simd(random: np.random.Generator, most: int, longest: int) -> tuple[Configuration, list[Stream]] | None:
    """One draw; None where an instruction reads what it writes itself, which no waiting mends."""
    body = int(random.integers(0, 4))
    length = body + int(random.integers(1, most))
    written: set[int] = set()
    scalars: set[int] = set()
    program: list[Instruction] = []
    for at in range(length):
        count = int(random.choice([1, 2, int(random.integers(1, longest)), longest]))
        program.append(_instruction(random, count, written, scalars, outputs=at >= body))
        if program[-1].to_buffer:
            written |= {(program[-1].dst + vector) % BUFFER_DEPTH for vector in range(count)}
        if program[-1].reduce:
            scalars.add(program[-1].rd)
    program[-1] = replace(program[-1], to_output=1)
    units, trips = (int(random.integers(1, most)) for most in (4, 5))
    leaving = sum(each.vectors for each in program[body:] if each.to_output)
    used = sorted({queue for each in program for queue in each.queues()})
    configuration = Configuration(
        Mode.SIMD,
        units,
        trips,
        leaving * trips,
        program=tuple(program),
        body=body,
        lanes=int(random.integers(1, LANES + 1)),
        constants=_constants(random),
        **_places(random, used),
    )
    if (configuration := _made_to_wait(configuration)) is None:
        return None
    turns = [1] * body + [units * trips] * (length - body)
    poison = float(random.choice([0.0, 0.02]))
    operands = []
    for queue in range(QUEUES):
        count = sum(
            turn * each.vectors for turn, each in zip(turns, program, strict=True) if queue in each.queues()
        )
        operands.append(vectors(random, count, str(random.choice(["plain", "wide", "hard"])), poison))
    return configuration, operands


def _instruction(
    random: np.random.Generator, count: int, written: set[int], scalars: set[int], *, outputs: bool
) -> Instruction:
    starts = [at for at in written if all((at + i) % BUFFER_DEPTH in written for i in range(count))]

    def side() -> tuple[int, int, int]:
        kinds = [Source.QUEUE, Source.QUEUE, Source.CONSTANT]
        kinds += [Source.BUFFER] * 3 if starts else []
        kinds += [Source.SCALAR] * 2 if scalars else []
        source = Source(random.choice(kinds))
        if source == Source.SCALAR:
            return source, int(random.choice(sorted(scalars))), int(random.integers(256))
        address = int(random.choice(starts)) if source == Source.BUFFER else int(random.integers(256))
        return source, int(random.integers(QUEUES if source == Source.QUEUE else CONSTANTS)), address

    x, y = side(), side()
    return Instruction(
        op=Op(random.integers(5)),
        tail=Tail(random.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1])),
        x_source=x[0],
        x_index=x[1],
        x_addr=x[2],
        y_source=y[0],
        y_index=y[1],
        y_addr=y[2],
        reduce=Reduce(random.integers(4)),
        rd=int(random.integers(SCALARS)),
        to_buffer=int(random.integers(2)),
        to_output=int(outputs and random.random() < 0.4),
        waits=int(random.random() < 0.2),
        ragged=int(random.integers(2)),
        dst=int(random.choice([0, 3, 100, 250])),
        count=count - 1,
    )


def _made_to_wait(it: Configuration) -> Configuration | None:
    """The program with a wait wherever one is needed; None where that does not help."""
    while True:
        try:
            check(it)
        except PlanError as error:
            at = int(str(error.where).split()[-1])
            program = list(it.program)
            if program[at].waits:
                return None
            program[at] = replace(program[at], waits=1)
            it = replace(it, program=tuple(program))
        else:
            return it


def _constants(random: np.random.Generator) -> tuple[float, ...]:
    return tuple(float(np.float32(each)) for each in (*random.standard_normal(CONSTANTS - 1), -0.0))


def _places(random: np.random.Generator, used: list[int]) -> dict[str, Any]:
    """Flows and planes of the queues in use and of the output, and its credits."""
    flows = random.permutation(64)[:QUEUES]
    queues = tuple(
        Queue(int(flows[at]), int(random.integers(2))) if at in used else None for at in range(QUEUES)
    )
    counters = tuple(
        Credit(int(random.integers(1, 40)), bool(random.integers(2))) for _ in range(random.integers(5))
    )
    return {
        "queues": queues,
        "credits": counters,
        "flow": int(random.integers(64)),
        "plane": int(random.integers(2)),
        "seq": int(random.integers(2**16)),
    }


def softmax(vectors_of_row: int, rows: int, units: int, lanes: int = LANES) -> Configuration:
    """Of rows from queue 0; of the last vector only some lanes count."""
    n = vectors_of_row - 1
    buffer = {"x_source": Source.BUFFER, "x_addr": 0}
    program = (
        Instruction(to_buffer=1, dst=0, count=n, reduce=Reduce.MAX, rd=0, ragged=1),
        Instruction(
            op=Op.SUB, **buffer, y_source=Source.SCALAR, y_index=0, tail=Tail.EXP, to_buffer=1, count=n,
            reduce=Reduce.SUM, rd=1, waits=1, ragged=1,
        ),
        Instruction(
            x_source=Source.SCALAR, x_index=1, tail=Tail.RECIPROCAL, reduce=Reduce.FIRST, rd=2, waits=1
        ),
        Instruction(op=Op.MUL, **buffer, y_source=Source.SCALAR, y_index=2, to_output=1, count=n, waits=1),
    )  # fmt: skip
    return Configuration(
        Mode.SIMD,
        units,
        rows,
        rows * vectors_of_row,
        program=program,
        lanes=lanes,
        queues=(Queue(1),),
        flow=2,
    )


def add_norm(vectors_of_row: int, rows: int, units: int, terms: int, epsilon: float = 1e-12) -> Configuration:
    """LayerNorm of a sum of queues; weight and bias come once by the queue behind them.

    Chains of elementwise instructions over rows long enough need no waits.
    """
    n, weight, bias = vectors_of_row - 1, vectors_of_row, 2 * vectors_of_row
    row = {"x_source": Source.BUFFER, "x_addr": 0, "count": n}
    scalar = {"x_source": Source.SCALAR, "x_index": 0, "reduce": Reduce.FIRST, "rd": 0, "waits": 1}
    share = {"y_source": Source.CONSTANT, "y_index": 0}
    chained = int(vectors_of_row < RESULT_CYCLES)

    def by_buffer(address: int) -> dict[str, int]:
        return {"y_source": Source.BUFFER, "y_addr": address, "waits": chained}

    program = [
        Instruction(x_index=terms, to_buffer=1, dst=weight, count=n),
        Instruction(x_index=terms, to_buffer=1, dst=bias, count=n, waits=1),
    ]
    for term in range(1, terms):
        first = {"x_source": Source.QUEUE, "x_index": 0, "count": n} if term == 1 else row
        total = {"reduce": Reduce.SUM, "rd": 0} if term == terms - 1 else {}
        other = {"y_source": Source.QUEUE, "y_index": term, "waits": chained}
        program.append(Instruction(op=Op.ADD, **first, **other, to_buffer=1, **total))
    by_scalar = {"y_source": Source.SCALAR, "y_index": 0, "waits": 1}
    program += [
        Instruction(op=Op.MUL, **scalar, **share),
        Instruction(op=Op.SUB, **row, **by_scalar, to_buffer=1),
        Instruction(op=Op.MUL, **row, **by_buffer(0), reduce=Reduce.SUM, rd=0),
        Instruction(op=Op.MUL, **scalar, **share),
        Instruction(op=Op.ADD, **scalar, y_source=Source.CONSTANT, y_index=1, tail=Tail.RSQRT),
        Instruction(op=Op.MUL, **row, **by_scalar, to_buffer=1),
        Instruction(op=Op.MUL, **row, **by_buffer(weight), to_buffer=1),
        Instruction(op=Op.ADD, **row, **by_buffer(bias), to_output=1),
    ]
    return Configuration(
        Mode.SIMD,
        units,
        rows,
        rows * vectors_of_row,
        program=tuple(program),
        body=2,
        constants=(1 / (LANES * vectors_of_row), epsilon),
        queues=tuple(Queue(at + 1, at & 1) for at in range(terms + 1)),
        flow=9,
    )


def rows_of(stream: Stream, width: int) -> Floats:
    """Vectors as rows of a matrix."""
    return stream.vectors.reshape(-1, LANES * math.ceil(width / LANES))[:, :width]
