"""Units of a dataflow fabric that packets flow between (SN40L, MICRO 2024, sections III-A and IV).

Pattern compute units (PCUs) make one vector after another out of the vectors in their queues, pattern memory
units (PMUs) keep stage buffers and address them, address generation units (AGCUs) load and store.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import PlanError

LANES = 8
"""Words of a vector."""
WORD_BYTES = 4
VECTOR_BYTES = LANES * WORD_BYTES
PIECE_BYTES = 512
"""Of HBM, that lie in one channel: every region of memory begins with a new piece."""
DDR_BIT = 38
"""Of a byte address: set in DDR's, clear in HBM's."""
MOST_DESTINATIONS = 3
"""Queues that one flow may feed."""
MOST_LOOPS = 4
"""Loops over one unit; the fifth counter of a PMU's address generator goes from unit to unit."""


@dataclass(frozen=True)
class Walk:
    """Addresses of the vectors of one unit, in words from where the unit begins.

    Attributes:
        loops: pairs of an extent and a stride, innermost first.
        lane: distance from lane to lane: 1 along a row, the row's pitch down a column.

    Raises:
        PlanError: more loops than an address generator has.
    """

    loops: tuple[tuple[int, int], ...]
    lane: int = 1

    def __post_init__(self) -> None:
        if len(self.loops) > MOST_LOOPS:
            raise PlanError(f"a walk of {len(self.loops)} loops", accepted=f"{MOST_LOOPS} at most")

    @property
    def vectors(self) -> int:
        """Of a unit."""
        return math.prod(extent for extent, _ in self.loops)

    def addresses(self) -> NDArray[np.int64]:
        """``[vectors, LANES]``."""
        first = np.zeros(1, np.int64)
        for extent, stride in self.loops:
            first = (np.arange(extent)[:, None] * stride + first).ravel()
        return first[:, None] + np.arange(LANES) * self.lane


@dataclass(frozen=True)
class Reader:
    """A buffer read out, unit by unit, as a flow."""

    flow: str
    walk: Walk


@dataclass(frozen=True)
class Buffer:
    """A stage buffer in a PMU.

    Attributes:
        name: of the unit.
        tensor: what it holds, for people.
        words: of a unit, one tile of the tensor.
        depth: units it holds at once.
        pitch: words from row to row.
        write: the flow that fills it.
        into: where the flow's vectors go.
        readers: at most two.
    """

    kind: ClassVar[str] = "buffer"

    name: str
    tensor: str
    words: int
    depth: int
    pitch: int
    write: str
    into: Walk
    readers: tuple[Reader, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The flow that fills it."""
        return (self.write,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Flows out of it."""
        return tuple(reader.flow for reader in self.readers)


@dataclass(frozen=True)
class Gemm:
    """A PCU as an output-stationary array: tiles of ``8 · row_tiles`` rows × 8 columns, `steps` deep.

    Per tile one vector of B as bias if it has one, and per step one vector of B (8 columns) and `row_tiles`
    of A (8 rows each); then the tile leaves, a vector of 8 columns a row.

    Attributes:
        name: of the unit.
        einsum: what it computes, for people.
        a, b: flows in.
        out: flow out.
        steps: elements summed.
        tiles: output tiles of a unit.
        row_tiles: vectors of A a step.
        bias: whether B begins with one.
        scale: what results are multiplied by; 1 leaves them.
        gelu: whether results pass through GELU.
    """

    kind: ClassVar[str] = "gemm"

    name: str
    einsum: str
    a: str
    b: str
    out: str
    steps: int
    tiles: int
    row_tiles: int
    bias: bool = False
    scale: float = 1.0
    gelu: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """A, B."""
        return (self.a, self.b)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The results."""
        return (self.out,)

    @property
    def packets(self) -> int:
        """Vectors of a unit that leave."""
        return self.tiles * self.row_tiles * LANES


@dataclass(frozen=True)
class Quantized:
    """A PCU with a BitMoD array for its body: a linear layer on quantized weights (BitMoD, HPCA 2025).

    A brings activations row by row, once; B weights and biases in the array's words, 8 columns of the result
    after another. A tile of 8 columns leaves as a vector a row.

    Attributes:
        name: of the unit.
        einsum: what it computes, for people.
        a, b: flows in.
        out: flow out.
        depth: elements summed, in groups of 128.
        tiles: output tiles of a unit.
        rows: of a unit.
        format: of the weights, one of `ir.bitmod_format.ARRAY_FORMATS`.
        gelu: whether results pass through GELU.
    """

    kind: ClassVar[str] = "quantized"

    name: str
    einsum: str
    a: str
    b: str
    out: str
    depth: int
    tiles: int
    rows: int
    format: str
    gelu: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """A, B."""
        return (self.a, self.b)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The results."""
        return (self.out,)

    @property
    def packets(self) -> int:
        """Vectors of a unit that leave."""
        return self.tiles * self.rows


OPS = ("copy", "add", "sub", "mul", "max")
TAILS = ("none", "exp", "reciprocal", "rsqrt", "gelu")
SOURCES = ("queue", "buffer", "scalar", "constant")
REDUCTIONS = ("none", "sum", "max", "first")


@dataclass(frozen=True)
class Operand:
    """Where an instruction reads: an operand queue, the row buffer from an address, a scalar, a constant."""

    source: str
    at: int


@dataclass(frozen=True)
class Instruction:
    """What a SIMD pipeline does to `count` vectors, one a cycle: ``tail(x op y)``.

    Attributes:
        op: one of `OPS`.
        x, y: operands; y is None of a copy.
        count: vectors.
        tail: one of `TAILS`.
        buffer: address in the row buffer of the first result, or None.
        output: whether results leave.
        reduce: one of `REDUCTIONS`, over all lanes of all vectors.
        scalar: register that takes the reduction's result.
        waits: begins only when all results before it are there.
    """

    op: str
    x: Operand
    y: Operand | None
    count: int
    tail: str = "none"
    buffer: int | None = None
    output: bool = False
    reduce: str = "none"
    scalar: int = 0
    waits: bool = False


@dataclass(frozen=True)
class Rows:
    """A PCU as a SIMD pipeline that runs a program over the rows of its operands.

    Attributes:
        name: of the unit.
        einsum: what it computes, for people.
        queues: flows in, queue by queue.
        out: flow out.
        once: instructions before the first row of all.
        body: instructions for each row.
        trips: rows of a unit.
        constants: numbers the instructions name.
    """

    kind: ClassVar[str] = "rows"

    name: str
    einsum: str
    queues: tuple[str, ...]
    out: str
    once: tuple[Instruction, ...]
    body: tuple[Instruction, ...]
    trips: int
    constants: tuple[float, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Queue by queue."""
        return self.queues

    @property
    def outputs(self) -> tuple[str, ...]:
        """The results."""
        return (self.out,)

    @property
    def packets(self) -> int:
        """Vectors of a unit that leave."""
        return self.trips * sum(each.count for each in self.body if each.output)


@dataclass(frozen=True)
class Load:
    """An AGCU that reads memory into a flow.

    Attributes:
        name: of the unit.
        flow: what it feeds.
        region: of memory.
        unit_vectors: vectors of a unit.
        stride_vectors: from one unit's begin to the next one's; 0 reads the same again.
        once: one unit in all, before the first tile, instead of one for each.
    """

    kind: ClassVar[str] = "load"

    name: str
    flow: str
    region: str
    unit_vectors: int
    stride_vectors: int
    once: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The flow."""
        return (self.flow,)


@dataclass(frozen=True)
class Store:
    """An AGCU that writes a flow to memory, unit after unit."""

    kind: ClassVar[str] = "store"

    name: str
    flow: str
    region: str
    unit_vectors: int
    stride_vectors: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """The flow."""
        return (self.flow,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """None."""
        return ()


Compute = Gemm | Quantized | Rows
"""What a PCU is."""
Unit = Buffer | Compute | Load | Store
