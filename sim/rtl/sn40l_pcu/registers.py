"""What a PCU's registers hold: the fields of ``sn40l_pcu_pkg``, from words and to words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum

import numpy as np

from ....ir.errors import PlanError
from ....ir.fabric import LANES

QUEUES = 5
COUNTERS = 4
CONSTANTS = 8
SCALARS = 8
BUFFER_DEPTH = 256
INSTRUCTIONS = 32

MODE, UNITS, TRIPS, GEMM, PROGRAM, LAST_LANES, OUTPUT, PACKETS = range(8)
CREDIT, SPECIALS, QUEUE, CONSTANT, INSTRUCTION = 0x08, 0x0C, 0x10, 0x20, 0x40

RESULT_CYCLES = 11
"""From a vector's issue to the first cycle in which its result can be read from the buffer."""
SCALAR_CYCLES = 14
"""From the issue of an instruction's last vector to the first cycle in which its scalar can be read."""


class Mode(IntEnum):
    """What the body does."""

    OFF = 0
    GEMM = 1
    SIMD = 2


class Op(IntEnum):
    """What is made of x and y."""

    COPY = 0
    ADD = 1
    SUB = 2
    MUL = 3
    MAX = 4


class Tail(IntEnum):
    """Function of the result."""

    NONE = 0
    EXP = 1
    RECIPROCAL = 2
    RSQRT = 3
    GELU = 4


class Source(IntEnum):
    """Where an operand is."""

    QUEUE = 0
    BUFFER = 1
    SCALAR = 2
    CONSTANT = 3


class Reduce(IntEnum):
    """What a scalar gets of the results."""

    NONE = 0
    SUM = 1
    MAX = 2
    FIRST = 3


def _bits(width: int, at: int) -> int:
    return field(metadata={"at": at, "width": width}, default=0)


@dataclass(frozen=True)
class Instruction:
    """One instruction, field by field; `count` is vectors less one."""

    op: int = _bits(3, 0)
    tail: int = _bits(3, 3)
    x_source: int = _bits(3, 6)
    x_index: int = _bits(3, 9)
    y_source: int = _bits(3, 12)
    y_index: int = _bits(3, 15)
    reduce: int = _bits(2, 18)
    rd: int = _bits(3, 20)
    to_buffer: int = _bits(1, 23)
    to_output: int = _bits(1, 24)
    waits: int = _bits(1, 25)
    ragged: int = _bits(1, 26)
    x_addr: int = _bits(8, 32)
    y_addr: int = _bits(8, 40)
    dst: int = _bits(8, 48)
    count: int = _bits(8, 56)

    @property
    def vectors(self) -> int:
        """How many it takes."""
        return self.count + 1

    @property
    def binary(self) -> bool:
        """Whether it has a y."""
        return self.op != Op.COPY

    def queues(self) -> tuple[int, ...]:
        """Queues that give it a vector each time."""
        named = {self.x_index} if self.x_source == Source.QUEUE else set[int]()
        if self.binary and self.y_source == Source.QUEUE:
            named.add(self.y_index)
        return tuple(sorted(named))

    def encoded(self) -> int:
        """Its 64 bits.

        Raises:
            PlanError: a field's value does not fit it.
        """
        word = 0
        for each in fields(self):
            value, width = int(getattr(self, each.name)), each.metadata["width"]
            if not 0 <= value < 1 << width:
                raise PlanError(
                    f"{each.name} = {value}", where="instruction", accepted=f"0..{(1 << width) - 1}"
                )
            word |= value << each.metadata["at"]
        return word

    @classmethod
    def decoded(cls, word: int) -> Instruction:
        """From its 64 bits."""
        values = {
            each.name: word >> each.metadata["at"] & (1 << each.metadata["width"]) - 1 for each in fields(cls)
        }
        return cls(**values)


@dataclass(frozen=True)
class Queue:
    """Whose packets an operand queue takes."""

    flow: int
    plane: int = 0


@dataclass(frozen=True)
class Credit:
    """A counter of the output: of packets or of units, from `initial`."""

    initial: int
    per_unit: bool = False


@dataclass(frozen=True)
class Configuration:
    """A PCU's registers.

    Attributes:
        mode: which body works.
        units: units of a run.
        trips: output tiles, or runs of the program's body, of a unit.
        packets: vectors of the result in a unit.
        bias: whether each output tile begins with a vector of bias.
        depth: K; with quantized weights groups of 128.
        tiles: vectors of A for each k; with quantized weights those of a token's last group, 0: all 16.
        rows: rows that leave of each output tile.
        program: instructions; the first alone, for a systolic body.
        body: where the program's body begins.
        lanes: of the last vector of a ragged instruction.
        flow: of the result.
        plane: of the result.
        seq: of a unit's first packet.
        constants: single precision.
        queues: of operands, from queue 0.
        credits: counters of the output.
        weights: of a BitMoD body, as its array is told; 0 of the other.
        specials: their special values, two terms each.
    """

    mode: Mode
    units: int
    trips: int
    packets: int
    bias: bool = False
    depth: int = 0
    tiles: int = 0
    rows: int = 0
    program: tuple[Instruction, ...] = ()
    body: int = 0
    lanes: int = LANES
    flow: int = 0
    plane: int = 0
    seq: int = 0
    constants: tuple[float, ...] = ()
    queues: tuple[Queue | None, ...] = ()
    credits: tuple[Credit, ...] = ()
    weights: int = 0
    specials: int = 0

    def words(self) -> Iterator[tuple[int, int]]:
        """Pairs of a register's address and its 32 bits.

        Raises:
            PlanError: more instructions than there are registers for, or one that does not fit its fields.
        """
        if len(self.program) > INSTRUCTIONS:
            raise PlanError(f"{len(self.program)} instructions", where="PCU", accepted=f"{INSTRUCTIONS}")
        yield UNITS, self.units
        yield TRIPS, self.trips
        yield GEMM, self.depth | self.tiles << 16 | self.rows << 24
        yield PROGRAM, self.body | max(len(self.program) - 1, 0) << 8
        yield LAST_LANES, self.lanes
        yield OUTPUT, self.flow | self.plane << 8 | self.seq << 16
        yield PACKETS, self.packets
        for at in range(COUNTERS):
            used = self.credits[at] if at < len(self.credits) else None
            yield CREDIT + at, (1 + used.per_unit | used.initial << 8) if used else 0
        for at in range(QUEUES):
            queue = self.queues[at] if at < len(self.queues) else None
            yield QUEUE + at, (queue.flow | queue.plane << 8 | 1 << 15) if queue else 0
        for at, constant in enumerate(self.constants):
            yield CONSTANT + at, int(np.float32(constant).view(np.uint32))
        for at, instruction in enumerate(self.program):
            word = instruction.encoded()
            yield INSTRUCTION + 2 * at, word & 0xFFFFFFFF
            yield INSTRUCTION + 2 * at + 1, word >> 32
        yield SPECIALS, self.specials
        yield MODE, self.mode | self.bias << 2 | self.weights << 4

    @classmethod
    def from_words(cls, words: Mapping[int, int]) -> Configuration:
        """What registers mean, the others being 0."""

        def get(at: int) -> int:
            return words.get(at, 0)

        mode = Mode(get(MODE) & 3)
        last = get(PROGRAM) >> 8 & 31 if mode == Mode.SIMD else 0
        pairs = [(get(INSTRUCTION + 2 * at), get(INSTRUCTION + 2 * at + 1)) for at in range(last + 1)]
        queues = [get(QUEUE + at) for at in range(QUEUES)]
        counters = [get(CREDIT + at) for at in range(COUNTERS)]
        return cls(
            mode=mode,
            units=get(UNITS),
            trips=get(TRIPS) & 0xFFFF,
            packets=get(PACKETS) & 0x1FFFF,
            bias=bool(get(MODE) >> 2 & 1),
            weights=get(MODE) >> 4 & 3,
            specials=get(SPECIALS),
            depth=get(GEMM) & 0xFFFF,
            tiles=get(GEMM) >> 16 & 15,
            rows=get(GEMM) >> 24,
            program=tuple(Instruction.decoded(low | high << 32) for low, high in pairs),
            body=get(PROGRAM) & 31,
            lanes=get(LAST_LANES) & 15,
            flow=get(OUTPUT) & 63,
            plane=get(OUTPUT) >> 8 & 1,
            seq=get(OUTPUT) >> 16,
            constants=tuple(float(np.uint32(get(CONSTANT + at)).view(np.float32)) for at in range(CONSTANTS)),
            queues=tuple(Queue(each & 63, each >> 8 & 1) if each >> 15 & 1 else None for each in queues),
            credits=tuple(Credit(each >> 8 & 255, each & 3 == 2) for each in counters if each & 3 in (1, 2)),
        )
