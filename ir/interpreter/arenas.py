"""Runs a memory map: tensors lie at the planned offsets of one array of bytes per tier, and copies move them.

A step reads its operands out of the arenas and its results are written there, so a map that hands a place to
two tensors, drops one too early, or reads one that is still on its way, computes other numbers than the plain
interpreter. Bytes that nobody may read are overwritten at once: of a dropped tensor, of a copy's target until
it is waited for. A copy takes its source's bytes when it is waited for, which is as late as it may.

The interpreter's numbers are wider than those of the map, so every planned byte stands for `WIDTH` bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..build import integer, string
from ..errors import PlanError
from ..mlir import ir
from ..steps import ALLOC, VIEWS
from ..tier_moves import COPY, DROP, FLOAT_BYTES, FRAMES, WAIT, stored_bytes
from .engine import After, Array, Interpreter, Values, run_on

WIDTH = 8
"""Bytes of an arena for each planned one: the interpreter's floats over the least that a tier may hold."""
POISON = 0xFF
"""What is written over bytes that nobody may read: as a float no number, as an integer -1."""


@dataclass
class _Place:
    """Bytes of an arena, and the kind of tensor that was put there."""

    arena: Array
    start: int
    end: int
    shape: tuple[int, ...] | None = None
    kind: np.dtype = field(default_factory=lambda: np.dtype(np.float64))

    def read(self) -> Array:
        if self.shape is None:
            where = f"bytes [{self.start // WIDTH}, {self.end // WIDTH})"
            raise PlanError("read before anything has arrived there", where=where)
        size = self.kind.itemsize * int(np.prod(self.shape))
        return self.arena[self.start : self.start + size].copy().view(self.kind).reshape(self.shape)

    def write(self, array: Array) -> None:
        self.spoil()
        self.shape, self.kind = array.shape, array.dtype
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self.arena[self.start : self.start + flat.size] = flat

    def spoil(self) -> None:
        self.arena[self.start : self.end] = POISON


@dataclass
class _Moving:
    """A copy on its way; where it goes to is known once it has a place, else it lies with the caller."""

    source: _Place | _Moving | _Given | _Seen
    place: _Place | None = None
    here: Array | None = None

    def arrive(self) -> None:
        if self.place is None:
            self.here = self.source.read()
        else:
            self.place.write(self.source.read())

    def read(self) -> Array:
        if self.here is None:
            raise PlanError("a copy is read before it was waited for", where="memory map")
        return self.here


@dataclass
class _Given:
    """A tensor that lies with the caller."""

    array: Array

    def read(self) -> Array:
        return self.array


@dataclass
class _Seen:
    """A view of a tensor: read through, not kept."""

    of: _Place | _Moving | _Given | _Seen
    view: Callable[[Array], Array]

    def read(self) -> Array:
        return self.view(self.of.read())


_KEPT = (_Place, _Moving, _Given, _Seen)


class Arenas(Interpreter):
    """An interpreter whose functions with ``tier.frames`` keep their tensors in arenas.

    Attributes:
        moved_bytes: planned bytes that copies moved, by the tier they went to.
    """

    def __init__(self, module: ir.Module, after: After | None = None) -> None:
        super().__init__(module, after)
        self.moved_bytes: dict[str, int] = defaultdict(int)
        self._tiers: dict[str, Array] = {}
        self._float_bytes = WIDTH

    def call(self, function: ir.Operation, arguments: Sequence[object]) -> list[object]:
        """Run a function; one that is mapped in arenas of its own."""
        if FRAMES not in function.attributes:
            return super().call(function, arguments)
        frames = ir.DictAttr(function.attributes[FRAMES])
        sizes = {each.name: ir.IntegerAttr(each.attr).value for each in frames}
        self._float_bytes = integer(function, FLOAT_BYTES)
        self._tiers = {tier: np.full(size * WIDTH, POISON, np.uint8) for tier, size in sizes.items()}
        return [_read(each) for each in super().call(function, arguments)]

    def step(
        self,
        op: ir.Operation,
        operands: list[object],
        values: Values,
        fixed: Mapping[str, int],
        clip: Mapping[str, int],
    ) -> list[object]:
        """One operation: moves between arenas, views as they are, others on what the arenas hold."""
        move = _MOVES.get(op.name)
        if move is not None and self._tiers:
            return move(self, op, operands)
        first = operands[0] if operands else None
        if op.name in VIEWS and isinstance(first, _KEPT):
            step = super().step

            def view(array: Array) -> Array:
                return np.asarray(step(op, [array], values, fixed, clip)[0])

            return [_Seen(first, view)]
        return super().step(op, [_read(each) for each in operands], values, fixed, clip)

    def _alloc(self, op: ir.Operation, operands: list[object]) -> list[object]:
        offset, size = integer(op, "offset"), integer(op, "bytes")
        tier = string(op, "tier")
        if tier not in self._tiers or offset + size > self._tiers[tier].size // WIDTH:
            raise PlanError(f"bytes [{offset}, {offset + size}) of {tier}", where="memory map")
        place = _Place(self._tiers[tier], offset * WIDTH, (offset + size) * WIDTH)
        value = operands[0]
        if isinstance(value, _Moving):
            value.place = place
            place.spoil()
        else:
            place.write(np.asarray(_read(value)))
        return [place]

    def _copy(self, op: ir.Operation, operands: list[object]) -> list[object]:
        source = operands[0]
        self.moved_bytes[string(op, "to")] += stored_bytes(op.results[0], self._float_bytes)
        moving = _Moving(source if isinstance(source, _KEPT) else _Given(np.asarray(source)))
        return [moving, moving]

    def _wait(self, op: ir.Operation, operands: list[object]) -> list[object]:
        moving = operands[0]
        assert isinstance(moving, _Moving)
        moving.arrive()
        return []

    def _drop(self, op: ir.Operation, operands: list[object]) -> list[object]:
        place = operands[0]
        assert isinstance(place, _Place)
        place.spoil()
        return []


_MOVES: Mapping[str, Callable[[Arenas, ir.Operation, list[object]], list[object]]] = {
    ALLOC: Arenas._alloc,
    COPY: Arenas._copy,
    WAIT: Arenas._wait,
    DROP: Arenas._drop,
}


def _read(value: object) -> object:
    return value.read() if isinstance(value, _KEPT) else value


def run_map(
    module: ir.Module, entry: str, inputs: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, int]]:
    """Run a mapped entry in arenas: (results by name, planned bytes that copies moved by tier they went to).

    Raises:
        InputError: as `interpret`.
        PlanError: a place outside its tier's frame, a copy read before its time.
    """
    results, machine = run_on(Arenas, module, entry, inputs)
    return results, dict(machine.moved_bytes)
