"""A section of a dataflow fabric: what one kernel configures, as units that packets flow between.

Tiles of tokens stream through (SN40L, MICRO 2024, sections III-A and IV): pattern compute units (PCUs) make
one vector after another out of the vectors in their queues, pattern memory units (PMUs) keep stage buffers
and address them, address generation units (AGCUs) load and store. Nothing here is a place on the mesh, a
register or a number of a flow: the Verilog backend gives those.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .errors import BundleError, PlanError

LANES = 8
"""Words of a vector."""
WORD_BYTES = 4
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
    """

    loops: tuple[tuple[int, int], ...]
    lane: int = 1

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


Unit = Buffer | Gemm | Rows | Load | Store


@dataclass(frozen=True)
class Region:
    """A region of memory and what it holds, for whoever fills it.

    Attributes:
        vectors: its size.
        kind: ``source``, ``result``, ``mask``, ``weights`` or ``norm``.
        tensor: the activation or input; of weights and norms the weight.
        bias: parameter that goes with a weight, or None.
        columns: of a weight ``[n, d]``: from which n to which.
        depth: from which d to which.
        boolean: of a mask: whether it says who is seen; else it is added.
    """

    vectors: int
    kind: str
    tensor: str
    bias: str | None = None
    columns: tuple[int, int] = (0, 0)
    depth: tuple[int, int] = (0, 0)
    boolean: bool = False


@dataclass(frozen=True)
class End:
    """Where a flow begins or ends: a unit, and which of its contexts or queues."""

    unit: str
    port: int


@dataclass(frozen=True)
class Flow:
    """Packets from one unit to up to three.

    Attributes:
        name: of the flow.
        plane: of the vector network.
        source: who sends.
        destinations: who take.
    """

    name: str
    plane: int
    source: End
    destinations: tuple[End, ...]


@dataclass(frozen=True)
class Section:
    """One kernel.

    Attributes:
        name: the part of the model.
        tiles: units that stream through, a sequence of tokens each.
        units: in the order data takes, so that whoever feeds a unit stands before it.
        planes: flow → plane, where it is not 1.
        regions: of memory, by name.
    """

    name: str
    tiles: int
    units: tuple[Unit, ...]
    planes: Mapping[str, int]
    regions: Mapping[str, Region]

    def __post_init__(self) -> None:
        made: set[str] = set()
        names = [unit.name for unit in self.units]
        if len(set(names)) < len(names) or self.tiles < 1:
            raise PlanError(f"units {names}, {self.tiles} tiles", where=self.name)
        for unit in self.units:
            missing = [flow for flow in unit.inputs if flow not in made]
            if missing or made & set(unit.outputs):
                told = f"nobody before it feeds {missing}" if missing else "it feeds what another feeds"
                raise PlanError(told, where=f"{self.name}, {unit.name}")
            made |= set(unit.outputs)
        for flow in self.flows.values():
            if not 1 <= len(flow.destinations) <= MOST_DESTINATIONS:
                raise PlanError(
                    f"flow {flow.name} has {len(flow.destinations)} destinations",
                    where=self.name,
                    accepted=f"1 to {MOST_DESTINATIONS}",
                )

    @cached_property
    def flows(self) -> dict[str, Flow]:
        """By name, in the order of their sources."""
        ends: dict[str, list[End]] = {}
        for unit in self.units:
            for port, flow in enumerate(unit.inputs):
                ends.setdefault(flow, []).append(End(unit.name, port))
        return {
            flow: Flow(flow, self.planes.get(flow, 1), End(unit.name, port), tuple(ends.get(flow, ())))
            for unit in self.units
            for port, flow in enumerate(unit.outputs)
        }

    @cached_property
    def by_name(self) -> dict[str, Unit]:
        """Units by name."""
        return {unit.name: unit for unit in self.units}

    def of_kind(self, *kinds: type[Unit]) -> Iterator[Unit]:
        """Units of some kinds, in order."""
        return (unit for unit in self.units if isinstance(unit, kinds))

    def to_json(self) -> dict[str, Any]:
        """The section as a JSON object."""
        return {
            "name": self.name,
            "tiles": self.tiles,
            "units": [{"kind": unit.kind, **asdict(unit)} for unit in self.units],
            "planes": dict(self.planes),
            "regions": {name: asdict(region) for name, region in self.regions.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Section:
        """What `to_json` wrote.

        Raises:
            BundleError: it did not write this.
        """
        try:
            units = tuple(_unit(dict(unit)) for unit in data["units"])
            regions = {name: _region(dict(region)) for name, region in data["regions"].items()}
            return cls(data["name"], data["tiles"], units, dict(data["planes"]), regions)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"no section of a fabric: {error}", where="design.json") from error


def _region(data: dict[str, Any]) -> Region:
    return Region(**{**data, "columns": tuple(data["columns"]), "depth": tuple(data["depth"])})


def _walk(data: Mapping[str, Any]) -> Walk:
    return Walk(tuple((extent, stride) for extent, stride in data["loops"]), data["lane"])


def _instruction(data: Mapping[str, Any]) -> Instruction:
    operands = {name: Operand(**data[name]) for name in ("x", "y") if data[name] is not None}
    return Instruction(**{**data, **operands})


def _unit(data: dict[str, Any]) -> Unit:
    kind = data.pop("kind")
    if kind == Buffer.kind:
        data["into"] = _walk(data["into"])
        data["readers"] = tuple(Reader(each["flow"], _walk(each["walk"])) for each in data["readers"])
    if kind == Rows.kind:
        data["queues"], data["constants"] = tuple(data["queues"]), tuple(data["constants"])
        data["once"], data["body"] = (tuple(map(_instruction, data[part])) for part in ("once", "body"))
    return {each.kind: each for each in (Buffer, Gemm, Rows, Load, Store)}[kind](**data)
