"""What a PCU makes of its operands, bit for bit: no cycles, queues or pipeline, but the order of its sums.

SN40L (MICRO 2024, section IV-A); registers and instructions are ``sn40l_pcu_pkg``'s. All output tiles, and
all trips through a program where none reads what another left, are computed side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....ir.errors import PlanError
from . import quantized
from .registers import (
    BUFFER_DEPTH,
    CONSTANTS,
    LANES,
    RESULT_CYCLES,
    SCALAR_CYCLES,
    SCALARS,
    Configuration,
    Instruction,
    Mode,
    Op,
    Reduce,
    Source,
    Tail,
)
from .tail import NAN, TAILS, Floats

Flags = NDArray[np.bool_]
AT_ONCE = 1024
"""Trips computed side by side."""
_TAIL_NAMES = {Tail.EXP: "exp", Tail.RECIPROCAL: "reciprocal", Tail.RSQRT: "rsqrt", Tail.GELU: "gelu"}


@dataclass(frozen=True)
class Stream:
    """Vectors in order.

    Attributes:
        vectors: float32 ``[vectors, 8]``.
        poison: bool ``[vectors]``.
    """

    vectors: Floats
    poison: Flags

    @classmethod
    def clean(cls, vectors: Floats) -> Stream:
        """Vectors without poison."""
        return cls(vectors, np.zeros(len(vectors), np.bool_))


def run(configuration: Configuration, operands: Sequence[Stream]) -> Stream:
    """The vectors that leave in a whole run.

    Args:
        configuration: the registers.
        operands: of each queue all that comes to it.

    Raises:
        PlanError: more or fewer operands than are used, or an instruction that reads what is not there yet.
    """
    with np.errstate(all="ignore"):
        if configuration.weights:
            return _quantized(configuration, operands)
        if configuration.mode == Mode.GEMM:
            return _gemm(configuration, operands)
        if configuration.mode == Mode.SIMD:
            check(configuration)
            return _simd(configuration, operands)
    raise PlanError(f"mode {configuration.mode!r} does nothing", accepted="GEMM, SIMD")


def _gemm(it: Configuration, operands: Sequence[Stream]) -> Stream:
    count, head = it.units * it.trips, int(it.bias)
    a, b = operands[0], operands[1]
    if len(a.vectors) != count * it.depth * it.tiles or len(b.vectors) != count * (it.depth + head):
        raise PlanError(
            f"{len(a.vectors)} vectors of A, {len(b.vectors)} of B for {count} tiles of depth {it.depth}",
            accepted=f"{count * it.depth * it.tiles} and {count * (it.depth + head)}",
        )
    rows = a.vectors.reshape(count, it.depth, it.tiles * LANES)
    columns = b.vectors.reshape(count, it.depth + head, LANES)
    start = columns[:, :1] if it.bias else np.float32(0)
    sums = np.zeros((count, it.tiles * LANES, LANES), np.float32)
    sums[:] = start
    for k in range(it.depth):
        sums += rows[:, k, :, None] * columns[:, head + k, None, :]
    poison = np.any(a.poison.reshape(count, it.depth, it.tiles), axis=1)
    poison |= np.any(b.poison.reshape(count, -1), axis=1, keepdims=True)
    leaving = Stream(
        _one_nan(sums[:, : it.rows]).reshape(-1, LANES),
        np.repeat(poison, LANES, axis=1)[:, : it.rows].reshape(-1),
    )
    return _left(it, leaving, operands)


def _quantized(it: Configuration, operands: Sequence[Stream]) -> Stream:
    """Poison is the whole unit's here; in the RTL what left before a vector with poison came is clean."""
    a, b = operands[0], operands[1]
    out = quantized.rows(it, a.vectors, b.vectors)
    poison = a.poison.reshape(it.units, -1).any(1) | b.poison.reshape(it.units, -1).any(1)
    return _left(it, Stream(_one_nan(out), np.repeat(poison, it.trips * it.rows)), operands)


def _left(it: Configuration, leaving: Stream, operands: Sequence[Stream]) -> Stream:
    """Rows of a systolic body through the one instruction."""
    if len(it.program) != 1:
        raise PlanError(f"{len(it.program)} instructions for a systolic body", accepted="1")
    # Every row goes through the instruction; one count of vectors after the other.
    once = it.program[0]
    one_by_one = Instruction(
        **{**vars(once), "x_source": Source.QUEUE, "x_index": 0, "count": 0, "ragged": 0}
    )
    y_streams = [Stream.clean(np.zeros((0, LANES), np.float32)) for _ in range(2)] + list(operands[2:])
    through = Configuration(
        Mode.SIMD, 1, len(leaving.vectors), 0, program=(one_by_one,), constants=it.constants
    )
    return _simd(through, [leaving, *y_streams[1:]])


@dataclass
class _State:
    """Buffer, scalars and what is left in the queues, for trips side by side."""

    buffer: Floats  # [trips, BUFFER_DEPTH, LANES]
    buffer_poison: Flags
    scalars: Floats  # [trips, SCALARS]
    scalar_poison: Flags

    @classmethod
    def empty(cls) -> _State:
        return cls(
            np.zeros((1, BUFFER_DEPTH, LANES), np.float32),
            np.zeros((1, BUFFER_DEPTH), np.bool_),
            np.zeros((1, SCALARS), np.float32),
            np.zeros((1, SCALARS), np.bool_),
        )

    def spread(self, trips: int) -> _State:
        """The same for each of some trips."""
        return _State(
            np.repeat(self.buffer[-1:], trips, axis=0),
            np.repeat(self.buffer_poison[-1:], trips, axis=0),
            np.repeat(self.scalars[-1:], trips, axis=0),
            np.repeat(self.scalar_poison[-1:], trips, axis=0),
        )


def _simd(it: Configuration, operands: Sequence[Stream]) -> Stream:
    prologue, body = it.program[: it.body], it.program[it.body :]
    trips = it.units * it.trips
    taken = _consumed(prologue)
    per_trip = _consumed(body)
    for queue, stream in enumerate(operands):
        wanted = taken.get(queue, 0) + trips * per_trip.get(queue, 0)
        if len(stream.vectors) != wanted:
            raise PlanError(f"{len(stream.vectors)} vectors in queue {queue}", accepted=str(wanted))
    constants = np.zeros(CONSTANTS, np.float32)
    constants[: len(it.constants)] = it.constants
    out: list[Stream] = []

    def turn(program: Sequence[Instruction], state: _State, begins: dict[int, int], number: int) -> None:
        found: list[Stream] = []
        used: dict[int, int] = {}
        length = _consumed(program)
        for each in program:
            blocks = {}
            for queue in each.queues():
                stream, at = operands[queue], used.get(queue, 0)
                span = slice(begins.get(queue, 0), begins.get(queue, 0) + number * length[queue])
                vectors = stream.vectors[span].reshape(number, length[queue], LANES)
                poison = stream.poison[span].reshape(number, length[queue])
                blocks[queue] = vectors[:, at : at + each.vectors], poison[:, at : at + each.vectors]
                used[queue] = at + each.vectors
            left = _step(each, state, blocks, constants, it.lanes)
            if left is not None:
                found.append(left)
        if found:
            vectors = np.concatenate([each.vectors for each in found], axis=1)
            poison = np.concatenate([each.poison for each in found], axis=1)
            out.append(Stream(vectors.reshape(-1, LANES), poison.reshape(-1)))
        for queue, each in length.items():
            begins[queue] = begins.get(queue, 0) + number * each

    begins: dict[int, int] = {}
    state = _State.empty()
    turn(prologue, state, begins, 1)
    most = 1 if _carries(body) else AT_ONCE
    done = 0
    while done < trips:
        number = min(most, trips - done)
        state = state.spread(number)
        turn(body, state, begins, number)
        done += number
    return Stream(
        np.concatenate([np.zeros((0, LANES), np.float32), *(each.vectors for each in out)]),
        np.concatenate([np.zeros(0, np.bool_), *(each.poison for each in out)]),
    )


def _consumed(program: Sequence[Instruction]) -> dict[int, int]:
    """Queue → vectors taken of it."""
    found: dict[int, int] = {}
    for each in program:
        for queue in each.queues():
            found[queue] = found.get(queue, 0) + each.vectors
    return found


def _step(
    each: Instruction,
    state: _State,
    blocks: dict[int, tuple[Floats, Flags]],
    constants: Floats,
    lanes: int,
) -> Stream | None:
    """One instruction in all trips; what leaves: vectors ``[trips, vectors, 8]``."""
    shape = (len(state.buffer), each.vectors, LANES)

    def operand(source: int, index: int, address: int) -> tuple[Floats, Flags]:
        if source == Source.QUEUE:
            return blocks[index]
        if source == Source.BUFFER:
            at = (address + np.arange(each.vectors)) % BUFFER_DEPTH
            return state.buffer[:, at], state.buffer_poison[:, at]
        if source == Source.SCALAR:
            return state.scalars[:, index, None, None], state.scalar_poison[:, index, None]
        return constants[index].reshape(1, 1, 1), np.zeros((1, 1), np.bool_)

    made, poison = operand(each.x_source, each.x_index, each.x_addr)
    if each.binary:
        y, y_poison = operand(each.y_source, each.y_index, each.y_addr)
        made = _one_nan(_OPS[Op(each.op)](made, y))
        poison = poison | y_poison
    if each.tail != Tail.NONE:
        made = TAILS[_TAIL_NAMES[Tail(each.tail)]](made)
    made = np.broadcast_to(made, shape).copy()
    poison = np.broadcast_to(poison, shape[:2])
    beyond = slice(min(lanes, LANES) if each.ragged else LANES, LANES)
    made[:, -1, beyond] = 0
    if each.to_buffer:
        at = (each.dst + np.arange(each.vectors)) % BUFFER_DEPTH
        state.buffer[:, at], state.buffer_poison[:, at] = made, poison
    if each.reduce != Reduce.NONE:
        state.scalars[:, each.rd] = _reduced(made, each, beyond)
        last = poison[:, -1] if each.reduce == Reduce.FIRST else poison.any(1)
        state.scalar_poison[:, each.rd] = last
    return Stream(made, poison) if each.to_output else None


def _reduced(made: Floats, each: Instruction, beyond: slice) -> Floats:
    """Neighbours in a vector, then pairs of these; then vectors in order: ``[trips]``."""
    if each.reduce == Reduce.FIRST:
        return made[:, -1, 0]
    words = made.copy()
    op = _OPS[Op.ADD if each.reduce == Reduce.SUM else Op.MAX]
    if each.reduce == Reduce.MAX:
        words[:, -1, beyond] = -np.inf
    while words.shape[2] > 1:
        words = op(words[:, :, 0::2], words[:, :, 1::2])
    total = words[:, 0, 0]
    for vector in range(1, words.shape[1]):
        total = op(total, words[:, vector, 0])
    return _one_nan(total)


def _larger(x: Floats, y: Floats) -> Floats:
    """The larger, +0 above -0; NaN where either is."""
    first = (x > y) | ((x == y) & ~np.signbit(x))
    return np.where(np.isnan(x) | np.isnan(y), NAN, np.where(first, x, y))


_OPS: dict[Op, Callable[[Floats, Floats], Floats]] = {
    Op.ADD: np.add,
    Op.SUB: np.subtract,
    Op.MUL: np.multiply,
    Op.MAX: _larger,
}


def _one_nan(x: Floats) -> Floats:
    return np.where(np.isnan(x), NAN, x)


def _carries(body: Sequence[Instruction]) -> bool:
    """Whether a trip reads what one before it left in buffer or scalars."""
    touched = _Touched.of(body)
    written: set[tuple[str, int]] = set()
    for each in body:
        for vector in range(each.vectors):
            if any(place in touched.places and place not in written for place in _reads(each, vector)):
                return True
            written.update(_writes(each, vector))
    return False


@dataclass(frozen=True)
class _Touched:
    places: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, body: Sequence[Instruction]) -> _Touched:
        return cls(
            frozenset(
                place for each in body for vector in range(each.vectors) for place in _writes(each, vector)
            )
        )


def _reads(each: Instruction, vector: int) -> list[tuple[str, int]]:
    sides = [(each.x_source, each.x_index, each.x_addr)]
    if each.binary:
        sides.append((each.y_source, each.y_index, each.y_addr))
    found = []
    for source, index, address in sides:
        if source == Source.BUFFER:
            found.append(("buffer", (address + vector) % BUFFER_DEPTH))
        elif source == Source.SCALAR:
            found.append(("scalar", index))
    return found


def _writes(each: Instruction, vector: int) -> list[tuple[str, int]]:
    found = [("buffer", (each.dst + vector) % BUFFER_DEPTH)] if each.to_buffer else []
    if each.reduce != Reduce.NONE:
        found.append(("scalar", each.rd))
    return found


def check(it: Configuration) -> None:
    """See that no instruction reads a result before it is there.

    Vectors leave one a cycle at the fastest, and what stalls one stalls those after it: a reader that is late
    enough then always is. `waits` makes it so.

    Raises:
        PlanError: the first that reads too early.
    """
    ready: dict[tuple[str, int], int] = {}
    now = drained = 0
    for number in (*range(len(it.program)), *range(it.body, len(it.program))):
        each = it.program[number]
        if each.waits:
            now = max(now, drained)
        for vector in range(each.vectors):
            for place in _reads(each, vector):
                if ready.get(place, 0) > now:
                    raise PlanError(
                        f"{place[0]} {place[1]} is read {ready[place] - now} cycles before it is there",
                        where=f"instruction {number}",
                        accepted="an instruction that waits",
                    )
            for place in _writes(each, vector):
                ready[place] = now + (RESULT_CYCLES if place[0] == "buffer" else SCALAR_CYCLES)
                drained = max(drained, ready[place])
            drained = max(drained, now + RESULT_CYCLES)
            now += 1
