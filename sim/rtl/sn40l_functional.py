"""A section of the fabric executed without cycles: every flow's vectors, every word of every stage buffer.

Packets of a flow keep their order, and a unit is read only once it is written; so what a unit makes depends
on its flows alone, and a section can be run unit by unit, tile by tile. Buffers are addressed word by word,
as their generators do, so that what a walk leaves out, writes twice or reads too early is found here. The
order of sums is the PCU's; its functions are given, so that the same code runs bit for bit as the RTL or in
any other arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import PlanError
from ...ir.fabric import LANES, Buffer, Gemm, Instruction, Load, Operand, Rows, Section, Store
from .run import Progress

Vectors = NDArray[np.floating]
Function = Callable[[Vectors], Vectors]
Tails = Mapping[str, Function]
"""Functions of the tail: ``exp``, ``reciprocal``, ``rsqrt``, ``gelu``, lane by lane."""

_NOTHING = -1
"""Tag of a word that no tile has written."""
_ROW_BUFFER = 256
_SCALARS = 8


def execute(
    section: Section, memory: Mapping[str, Vectors], tails: Tails, progress: Progress | None = None
) -> dict[str, Vectors]:
    """Run a section, in the floating-point type of its memory.

    Args:
        section: what is configured.
        memory: regions that are loaded, ``[vectors, 8]``.
        tails: functions of the PCUs' tails.
        progress: told of tiles done.

    Returns:
        The regions that are stored.

    Raises:
        PlanError: a walk or a unit's length that does not fit.
    """
    pads = {unit.name: _Scratchpad(unit) for unit in section.units if isinstance(unit, Buffer)}
    pipelines = {unit.name: _Pipeline(unit, tails) for unit in section.units if isinstance(unit, Rows)}
    stored: dict[str, list[Vectors]] = {}
    for tile in range(section.tiles):
        if progress:
            progress("executing the section", tile, section.tiles)
        flows: dict[str, Vectors] = {}
        for unit in section.units:
            if isinstance(unit, Load):
                begin = 0 if unit.once else tile * unit.stride_vectors
                flows[unit.flow] = memory[unit.region][begin : begin + unit.unit_vectors]
            elif isinstance(unit, Buffer):
                pads[unit.name].write(tile, flows[unit.write])
                flows |= pads[unit.name].read(tile)
            elif isinstance(unit, Gemm):
                flows[unit.out] = gemm(unit, flows[unit.a], flows[unit.b], tails)
            elif isinstance(unit, Rows):
                flows[unit.out] = pipelines[unit.name].run([flows[each] for each in unit.queues])
            elif isinstance(unit, Store):
                stored.setdefault(unit.region, []).append(flows[unit.flow])
    return {name: np.concatenate(parts) for name, parts in stored.items()}


@dataclass
class _Scratchpad:
    """A PMU's words, and which tile wrote each."""

    buffer: Buffer
    words: Vectors | None = None
    tile_of: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.tile_of = np.full(self.buffer.words * self.buffer.depth, _NOTHING)
        self.into = self.buffer.into.addresses()
        self.walks = {reader.flow: reader.walk.addresses() for reader in self.buffer.readers}
        for walk in (self.into, *self.walks.values()):
            if walk.min() < 0 or walk.max() >= self.buffer.words:
                raise PlanError(f"addresses leave its {self.buffer.words} words", where=self.buffer.name)

    def write(self, tile: int, vectors: Vectors) -> None:
        """Take a unit."""
        if self.words is None:
            self.words = np.zeros(self.tile_of.size, vectors.dtype)
        places = self.into + self._begin(tile)
        distinct = np.unique(places).size
        if len(vectors) != len(places) or distinct != places.size:
            raise PlanError(f"{len(vectors)} vectors into {distinct} words", where=self.buffer.name)
        self.words[places] = vectors
        self.tile_of[places] = tile

    def read(self, tile: int) -> dict[str, Vectors]:
        """Give a unit to every reader."""
        assert self.words is not None
        for flow, walk in self.walks.items():
            if (self.tile_of[walk + self._begin(tile)] != tile).any():
                raise PlanError(f"{flow} reads what tile {tile} did not write", where=self.buffer.name)
        return {flow: self.words[walk + self._begin(tile)] for flow, walk in self.walks.items()}

    def _begin(self, tile: int) -> int:
        return tile % self.buffer.depth * self.buffer.words


def gemm(unit: Gemm, a: Vectors, b: Vectors, tails: Tails) -> Vectors:
    """A unit's results, in the order they leave: sums from the bias on, element after element.

    Raises:
        PlanError: operands of other lengths.
    """
    steps, tiles, head = unit.steps, unit.tiles, int(unit.bias)
    if len(a) != tiles * steps * unit.row_tiles or len(b) != tiles * (steps + head):
        raise PlanError(f"{len(a)} vectors of A, {len(b)} of B", where=unit.name)
    columns = b.reshape(tiles, steps + head, LANES)
    rows = a.reshape(tiles, steps, unit.row_tiles * LANES)
    sums = np.zeros((tiles, rows.shape[2], LANES), a.dtype)
    with np.errstate(all="ignore"):
        if unit.bias:
            sums += columns[:, :1]
        for step in range(steps):
            sums += rows[:, step, :, None] * columns[:, head + step, None, :]
        if unit.scale != 1.0:
            sums = sums * a.dtype.type(unit.scale)
        if unit.gelu:
            sums = tails["gelu"](sums)
    return sums.reshape(-1, LANES)


@dataclass
class _Pipeline:
    """A SIMD pipeline: its row buffer keeps what was loaded once. All trips of a unit run side by side."""

    unit: Rows
    tails: Tails
    kept: Vectors | None = None

    def run(self, queues: Sequence[Vectors]) -> Vectors:
        """A unit's results.

        Raises:
            PlanError: queues that hold more or less than the program reads.
        """
        if self.kept is None:
            self.kept = np.zeros((1, _ROW_BUFFER, LANES), queues[0].dtype)
            loading = _Trips(self.unit, self.tails, self.kept, [each[None] for each in queues])
            once = {each.x.at for each in self.unit.once}
            for instruction in self.unit.once:
                loading.step(instruction)
            loading.finished(once)
            self.once = once
        trips = self.unit.trips
        split = [each.reshape(trips, -1, LANES) if len(each) % trips == 0 else each[None] for each in queues]
        running = _Trips(self.unit, self.tails, np.repeat(self.kept, trips, axis=0), split)
        left = [out for each in self.unit.body if (out := running.step(each)) is not None]
        running.finished(set(range(len(queues))) - self.once)
        return np.concatenate(left, axis=1).reshape(-1, LANES)


@dataclass
class _Trips:
    """Some trips through a program: arrays ``[trips, vectors, 8]``."""

    unit: Rows
    tails: Tails
    buffer: Vectors
    queues: Sequence[Vectors]

    def __post_init__(self) -> None:
        self.taken = [0] * len(self.queues)
        self.scalars = np.zeros((len(self.buffer), _SCALARS), self.buffer.dtype)

    def step(self, each: Instruction) -> Vectors | None:
        """One instruction; what leaves, if it does."""
        popped: dict[int, Vectors] = {}
        x = self._operand(each.x, each.count, popped)
        y = x if each.y is None else self._operand(each.y, each.count, popped)
        with np.errstate(all="ignore"):
            made = _OPS[each.op](x, y)
            if each.tail != "none":
                made = self.tails[each.tail](made)
            made = np.broadcast_to(made, (len(self.buffer), each.count, LANES))
            if each.buffer is not None:
                self.buffer[:, each.buffer : each.buffer + each.count] = made
            if each.reduce == "first":
                self.scalars[:, each.scalar] = made[:, -1, 0]
            elif each.reduce != "none":
                self.scalars[:, each.scalar] = _fold(made, _OPS["add" if each.reduce == "sum" else "max"])
        return made if each.output else None

    def _operand(self, operand: Operand, count: int, popped: dict[int, Vectors]) -> Vectors:
        if operand.source == "queue":
            if operand.at not in popped:
                begin = self.taken[operand.at]
                self.taken[operand.at] += count
                popped[operand.at] = self.queues[operand.at][:, begin : begin + count]
                if popped[operand.at].shape[1] != count:
                    raise PlanError(f"queue {operand.at} is too short", where=self.unit.name)
            return popped[operand.at]
        if operand.source == "buffer":
            return self.buffer[:, operand.at : operand.at + count].copy()
        if operand.source == "scalar":
            return self.scalars[:, operand.at, None, None]
        return np.full((1, 1, 1), self.unit.constants[operand.at], self.buffer.dtype)

    def finished(self, queues: set[int]) -> None:
        """All of some queues was read."""
        for queue in queues:
            if self.taken[queue] != self.queues[queue].shape[1]:
                raise PlanError(
                    f"{self.taken[queue]} of {self.queues[queue].shape[1]} vectors of queue {queue} are read",
                    where=self.unit.name,
                )


def _max(x: Vectors, y: Vectors) -> Vectors:
    """The larger; NaN where either is, +0 above -0."""
    larger = np.maximum(x, y)
    both_zero = (x == 0) & (y == 0)
    return np.where(both_zero, x + y * np.where(np.signbit(x), 1, 0), larger)


_OPS: Mapping[str, Callable[[Vectors, Vectors], Vectors]] = {
    "copy": lambda x, _: x,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": _max,
}


def _fold(made: Vectors, op: Callable[[Vectors, Vectors], Vectors]) -> Vectors:
    """Within a vector pairs of neighbours, then pairs of these; then vectors in order: ``[trips]``."""
    while made.shape[2] > 1:
        made = op(made[:, :, 0::2], made[:, :, 1::2])
    return reduce(op, (made[:, vector, 0] for vector in range(made.shape[1])))
