"""Descriptors, segments and completions of the SN40L-style fabric's memory side, as bits and as words.

The layouts are those of ``rtl/sn40l/sn40l_mem_pkg.sv`` (SN40L, MICRO 2024, section IV-D; the fields are of
this project's design). `Descriptor.apply` is the byte model: what a descriptor does to memory, row by row,
knowing nothing of bursts or beats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from ...ir.errors import InputError
from ...ir.fabric import DDR_BIT

BEAT_BYTES = 32
DDR = 1 << DDR_BIT
"""Where DDR begins; HBM begins at 0."""
OFFSET_BITS = DDR_BIT
EXPERT_ANY = 0xFFF
"""Owner of segments that every descriptor may use."""
DESCRIPTOR_BITS = 330
SEGMENT_BITS = 91
COMPLETION_BITS = 73
PUBLIC_ARRAYS = '`verilator_config\npublic_flat_rw -module "sn40l_mem_chan" -var "mem_q"\n'
"""For Verilator: drivers and tests put images into channels, and take them, without running cycles."""
AGCU_SEGMENT = 64
AGCU_DESCRIPTOR = 256


class Op(IntEnum):
    """What a descriptor does."""

    LOAD = 0
    STORE = 1
    COPY = 2
    FILL = 3


class Code(IntEnum):
    """What became of a descriptor."""

    OKAY = 0
    SHAPE = 1
    BOUNDS = 2
    PERMIT = 3
    EXPERT = 4
    READ_SLV = 5
    READ_DEC = 6
    WRITE_SLV = 7
    WRITE_DEC = 8
    POISON = 9
    ABORT = 10


@dataclass(frozen=True)
class Segment:
    """A piece of a tier that descriptors may name.

    Attributes:
        base: byte address; from `DDR` on in DDR.
        limit: bytes; 0 is no segment.
        read, write: what is allowed.
        expert: whose it is.
    """

    base: int
    limit: int
    read: bool = True
    write: bool = True
    expert: int = EXPERT_ANY

    def __post_init__(self) -> None:
        if not (0 <= self.base < 2 * DDR and 0 <= self.limit < DDR and 0 <= self.expert <= EXPERT_ANY):
            raise InputError(
                f"a segment at {self.base:#x} of {self.limit:#x} bytes, expert {self.expert}",
                accepted="an address below 2^39, a size below 2^38, an expert below 4096",
            )

    def bits(self) -> int:
        """As ``segment_t``."""
        fields = (
            (self.base >= DDR, 1),
            (self.read, 1),
            (self.write, 1),
            (self.expert, 12),
            (self.base % DDR, OFFSET_BITS),
            (self.limit, OFFSET_BITS),
        )
        return _packed(fields)

    def words(self) -> list[int]:
        """As an AGCU's registers."""
        base = self.base % DDR
        flags = (self.base >= DDR) << 31 | self.write << 29 | self.read << 28 | self.expert << 16
        return [base & 0xFFFFFFFF, flags | base >> 32, self.limit & 0xFFFFFFFF, self.limit >> 32]


@dataclass(frozen=True)
class Descriptor:
    """n2 x n1 rows of so many bytes, to be moved.

    Attributes:
        op: what to do.
        length: bytes of a row.
        n1, n2: rows, inner and outer dimension.
        source, destination: numbers of segments.
        source_offset, destination_offset: of the first row, bytes.
        source_strides, destination_strides: from row to row, inner and outer, signed bytes.
        pattern: of FILL, 32 bits.
        expert: who asks.
        wait, post: tokens; None for none.
        last, irq: flags.
    """

    op: Op
    length: int
    n1: int = 1
    n2: int = 1
    source: int = 0
    destination: int = 0
    source_offset: int = 0
    destination_offset: int = 0
    source_strides: tuple[int, int] = (0, 0)
    destination_strides: tuple[int, int] = (0, 0)
    pattern: int = 0
    expert: int = EXPERT_ANY
    wait: int | None = None
    post: int | None = None
    last: bool = False
    irq: bool = False

    def __post_init__(self) -> None:
        strides = (*self.source_strides, *self.destination_strides)
        wrong = (
            not 0 <= self.length < 1 << 32
            or not (0 <= self.n1 < 1 << 16 and 0 <= self.n2 < 1 << 16)
            or not (0 <= self.source < 16 and 0 <= self.destination < 16)
            or not (0 <= self.source_offset < DDR and 0 <= self.destination_offset < DDR)
            or any(not -(1 << 31) <= stride < 1 << 31 for stride in strides)
            or not (0 <= self.pattern < 1 << 32 and 0 <= self.expert <= EXPERT_ANY)
            or any(token is not None and not 0 <= token < 3 for token in (self.wait, self.post))
        )
        if wrong:
            raise InputError(
                f"a field of {self} does not fit",
                accepted="rows below 2^32 bytes, counts below 2^16, segments below 16, offsets below 2^38, "
                "signed strides of 32 bits, tokens 0 to 2, experts below 4096",
            )

    @property
    def bytes(self) -> int:
        """That are moved."""
        return self.length * self.n1 * self.n2

    @property
    def rows(self) -> int:
        """How many."""
        return self.n1 * self.n2

    @property
    def row_words(self) -> int:
        """Words of the stream that a row takes."""
        return -(-self.length // BEAT_BYTES)

    def bits(self) -> int:
        """As ``descriptor_t``."""
        fields = (
            (self.op, 2),
            (self.last, 1),
            (self.irq, 1),
            (self.wait is not None, 1),
            (self.wait or 0, 2),
            (self.post is not None, 1),
            (self.post or 0, 2),
            (self.expert, 12),
            (self.source, 4),
            (self.destination, 4),
            (self.source_offset, OFFSET_BITS),
            (self.destination_offset, OFFSET_BITS),
            (self.length, 32),
            (self.n1, 16),
            (self.n2, 16),
            *((stride & 0xFFFFFFFF, 32) for stride in (*self.source_strides, *self.destination_strides)),
            (self.pattern, 32),
        )
        return _packed(fields)

    def words(self) -> list[int]:
        """As an AGCU's registers, from the head on."""
        head = self.op | self.last << 5 | self.irq << 6 | self.expert << 16
        if self.wait is not None:
            head |= 1 << 8 | self.wait << 9
        if self.post is not None:
            head |= 1 << 12 | self.post << 13
        high = (self.destination_offset >> 32) << 24 | (self.source_offset >> 32) << 16
        return [
            head,
            high | self.destination << 8 | self.source,
            self.source_offset & 0xFFFFFFFF,
            self.destination_offset & 0xFFFFFFFF,
            self.length,
            self.n2 << 16 | self.n1,
            *(stride & 0xFFFFFFFF for stride in (*self.source_strides, *self.destination_strides)),
            self.pattern,
        ]

    def source_rows(self) -> Iterator[int]:
        """Offsets of the rows read, in order."""
        return self._rows(self.source_offset, self.source_strides)

    def destination_rows(self) -> Iterator[int]:
        """Offsets of the rows written, in order."""
        return self._rows(self.destination_offset, self.destination_strides)

    def _rows(self, offset: int, strides: tuple[int, int]) -> Iterator[int]:
        for outer in range(self.n2):
            for inner in range(self.n1):
                yield offset + inner * strides[0] + outer * strides[1]

    def code(self, segments: list[Segment]) -> Code:
        """What the segment check says, from every row on its own."""
        if 0 in (self.length, self.n1, self.n2):
            return Code.SHAPE
        sides = []
        if self.op in (Op.LOAD, Op.COPY):
            sides.append((self.source, self.source_rows(), False))
        if self.op != Op.LOAD:
            sides.append((self.destination, self.destination_rows(), True))
        for number, rows, writes in sides:
            segment = segments[number] if number < len(segments) else Segment(0, 0, False, False, 0)
            if segment.expert not in (EXPERT_ANY, self.expert):
                return Code.EXPERT
            if not (segment.write if writes else segment.read):
                return Code.PERMIT
            room = min(segment.limit, DDR - segment.base % DDR)
            if any(not 0 <= row <= room - self.length for row in rows):
                return Code.BOUNDS
        return Code.OKAY

    def load(self, memory: bytes | bytearray, segments: list[Segment]) -> list[bytes]:
        """The words of the stream: each row from a new one, zeros behind it."""
        words = []
        for row in self.source_rows():
            begin = segments[self.source].base + row
            text = bytes(memory[begin : begin + self.length]).ljust(self.row_words * BEAT_BYTES, b"\0")
            words += [text[at : at + BEAT_BYTES] for at in range(0, len(text), BEAT_BYTES)]
        return words

    def apply(self, memory: bytearray, segments: list[Segment], stream: list[bytes] | None = None) -> None:
        """Do to memory what STORE (with the words of its stream), COPY or FILL does."""
        if self.op == Op.COPY:
            stream = self.load(memory, segments)
        elif self.op == Op.FILL:
            stream = [self.pattern.to_bytes(4, "little") * 8] * (self.rows * self.row_words)
        if stream is None:
            raise InputError("a STORE without its words", accepted="a list of 32-byte words")
        for number, row in enumerate(self.destination_rows()):
            words = stream[number * self.row_words : (number + 1) * self.row_words]
            begin = segments[self.destination].base + row
            memory[begin : begin + self.length] = b"".join(words)[: self.length]


@dataclass(frozen=True)
class Completion:
    """The answer to a descriptor.

    Attributes:
        code: what became of it.
        last: the descriptor's flag.
        expert: who asked.
        errors: how many beats, bursts and words were bad.
        address: of the first error.
    """

    code: Code
    last: bool
    expert: int
    errors: int
    address: int

    @classmethod
    def of(cls, bits: int) -> Completion:
        """Read ``completion_t``."""
        return cls(
            Code(bits >> 69 & 15),
            bool(bits >> 68 & 1),
            bits >> 56 & 0xFFF,
            bits >> 40 & 0xFFFF,
            bits & ((1 << 40) - 1),
        )


class FaultKind(IntEnum):
    """What a fault does to the beat that meets it."""

    FLIP = 0
    SLVERR = 1
    DECERR = 2


@dataclass(frozen=True)
class Fault:
    """An entry of a memory channel's fault map.

    Attributes:
        kind: what it does.
        address: of any byte of the beat.
        on_read, on_write: what it is met by; `FaultKind.FLIP` by reads only.
        once: whether it is gone after it was met.
        word: which 64 bits of the beat are flipped.
        mask: bits flipped, 64 of data and 8 of the check above them.
    """

    kind: FaultKind
    address: int
    on_read: bool = True
    on_write: bool = False
    once: bool = False
    word: int = 0
    mask: int = 0

    def bits(self) -> int:
        """As ``fault_t``."""
        fields = (
            (self.kind, 2),
            (self.on_read, 1),
            (self.on_write, 1),
            (self.once, 1),
            (self.address, 40),
            (self.word, 2),
            (self.mask, 72),
        )
        return _packed(fields)


def _packed(fields: tuple[tuple[int, int], ...]) -> int:
    """Fields (value, width) as bits, the first one highest."""
    value = 0
    for field, width in fields:
        value = value << width | int(field)
    return value
