"""From launches by function to one list by entry: layers unrolled, every tensor at its bytes.

The device allocation has a section for each kind of tensor; within ``arena`` the offsets are those of the
memory plan (``tier.alloc``), a callee's frame inside its caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from ...ir.build import integer, string
from ...ir.cascade import shape_of
from ...ir.dtypes import BY_NUMPY
from ...ir.entries import NAME, arguments, is_param, is_state, text_attribute
from ...ir.errors import PassError
from ...ir.mlir import func, ir
from ...ir.signature import Entry, TensorSpec
from ...ir.steps import (
    CALL,
    FRAME_BYTES,
    FRAME_OFFSET,
    NODE,
    NODES,
    callee,
    dtype_of,
    functions,
    instance,
    is_entry,
    is_upstream,
    made,
    placement,
    returned,
    root,
    steps,
    updates,
    written_results,
)
from .emit import Emitted, Launches
from .far import FAR
from .kernel import Launch
from .lanes import in_lanes
from .plan import EntryPlan, Span, Step, aligned

SECTIONS = ("weights", "window", "states", "inputs", "outputs", "arena", "work")
"""Of the allocation, in order."""

Weights = Mapping[tuple[str, str], int]
"""Parameter and part of it (``""``: as the model has it) → byte offset in the weights; from `far.FAR` on in
the host's image."""
Order = Callable[[Sequence[Step]], Sequence[Step]]


@dataclass(frozen=True)
class Address:
    """Where a tensor begins: a byte of the allocation, or a parameter."""

    start: int = -1
    param: str = ""


@dataclass(frozen=True)
class Sections:
    """First byte and size of every section."""

    places: Mapping[str, tuple[int, int]]
    bytes: int

    def start(self, name: str) -> int:
        """First byte of a section."""
        return self.places[name][0]


def sections(
    module: ir.Module, emitted: Emitted, weights_bytes: int, entries: Sequence[Entry], window: int = 0
) -> Sections:
    """Lay the sections out: each as large as the entry that needs most."""
    sizes = {
        "weights": weights_bytes,
        "window": window,
        "states": max((_end(entry.states) for entry in entries), default=0),
        "inputs": max((_end(entry.inputs) for entry in entries), default=0),
        "outputs": max((_end(entry.outputs) for entry in entries), default=0),
        "arena": max(
            integer(function, FRAME_BYTES)
            for function in functions(module).values()
            if is_entry(function) and FRAME_BYTES in function.attributes
        ),
        "work": max(map(_work_bytes, emitted.launches.values()), default=0),
    }
    places, position = dict[str, tuple[int, int]](), 0
    for name in SECTIONS:
        places[name] = (position, sizes[name])
        position += aligned(sizes[name])
    return Sections(places, position)


def _bytes(spec: TensorSpec) -> int:
    return prod(spec.shape) * BY_NUMPY[spec.dtype].size


def _end(specs: Sequence[TensorSpec]) -> int:
    return sum(aligned(_bytes(spec)) for spec in specs)


def _offsets(specs: Sequence[TensorSpec], start: int) -> dict[str, int]:
    found = {}
    for spec in specs:
        found[spec.name] = start
        start += aligned(_bytes(spec))
    return found


def _works(launches: Launches) -> dict[int, tuple[int, int]]:
    """Workspaces of a group: number → offset among them and bytes."""
    sizes: dict[int, int] = {}
    for launch in launches:
        for tensor in launch.kernel.tensors():
            place = launch.places[tensor.name]
            if place.kind == "work":
                sizes[place.number] = max(sizes.get(place.number, 0), tensor.bytes)
    found, position = {}, 0
    for number, size in sorted(sizes.items()):
        found[number] = (position, size)
        position += aligned(size)
    return found


def _work_bytes(launches: Launches) -> int:
    return sum(aligned(size) for _, size in _works(launches).values())


def unroll(
    module: ir.Module,
    emitted: Emitted,
    laid: Sections,
    weights: Weights,
    entries: Sequence[Entry],
    order: Order = in_lanes,
) -> dict[str, EntryPlan]:
    """The launch list of every entry, its steps as `order` makes them of those that follow each other."""
    return {entry.name: _Unrolling(module, emitted, laid, weights, order).entry(entry) for entry in entries}


@dataclass
class _Unrolling:
    """Writes the list of one entry."""

    module: ir.Module
    emitted: Emitted
    laid: Sections
    weights: Weights
    order: Order
    found: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = functions(self.module)

    def entry(self, entry: Entry) -> EntryPlan:
        function = self.table[entry.name]
        inputs = _offsets(entry.inputs, self.laid.start("inputs"))
        outputs = _offsets(entry.outputs, self.laid.start("outputs"))
        states = _offsets(entry.states, self.laid.start("states"))
        given: list[Address] = []
        for number, table in enumerate(arguments(function)):
            name = text_attribute(table, NAME, f"arg{number}" if is_param(table) else f"input{number}")
            if is_param(table):
                given.append(Address(param=name))
            else:
                given.append(Address((states if is_state(table) else inputs)[name]))
        in_place = updates(function.entry_block)
        places = iter(outputs.values())
        wanted = [given[number] if number >= 0 else Address(next(places)) for number in in_place]
        self.function(function, self.laid.start("arena"), given, wanted, "")
        return EntryPlan(inputs, outputs, states, tuple(self.order(self.found)))

    def function(
        self,
        function: func.FuncOp,
        frame: int,
        given: Sequence[Address],
        wanted: Sequence[Address],
        path: str,
    ) -> None:
        """Append a function's steps.

        Args:
            function: with steps.
            frame: where its frame begins.
            given: its arguments.
            wanted: where its results go.
            path: of the layer.
        """
        places: dict[ir.Value, Address] = dict(zip(function.arguments, given, strict=True))
        results = written_results(function)
        for number, op in enumerate(steps(function)):
            for value in made(op):
                if value in results:
                    places[value] = wanted[results[value]]
                else:
                    alloc = placement(value)
                    assert alloc is not None, "verified by ir/tier_check.py"
                    places[value] = Address(frame + integer(alloc, "offset"))
            operands = [places[root(value)] for value in op.operands]
            outputs = [places[root(value)] for value in op.results]
            if op.name == CALL and not is_upstream(self.table[callee(op)]):
                offset = integer(op, FRAME_OFFSET) if FRAME_OFFSET in op.attributes else 0
                inner = f"{path}.{instance(op)}" if path else instance(op)
                self.function(self.table[callee(op)], frame + offset, operands, outputs, inner)
                continue
            self._launch(op, self.emitted.launches[function.name.value, number], operands, outputs, path)
        self._copies(function, places, results, wanted)

    def _launch(
        self,
        op: ir.Operation,
        launches: Launches,
        operands: Sequence[Address],
        results: Sequence[Address],
        path: str,
    ) -> None:
        works = _works(launches)
        for launch in launches:
            places: dict[str, int] = {}
            for tensor in launch.kernel.tensors():
                place = launch.places[tensor.name]
                if place.kind == "work":
                    places[tensor.name] = self.laid.start("work") + works[place.number][0]
                else:
                    chosen = operands if place.kind == "operand" else results
                    places[tensor.name] = self._at(chosen[place.number], place.part)
            self._clear(launch, places, path)
            reads, writes = _touched(launch, places)
            self.found.append(Step(launch.kernel.name, "kernel", places, 0, path, _node(op), reads, writes))

    def _clear(self, launch: Launch, places: Mapping[str, int], path: str) -> None:
        """Zero what a kernel wants zero at its start."""
        for tensor in launch.kernel.tensors():
            if tensor.role == "zeroed":
                start = places[tensor.name]
                span = Span(start, start + tensor.bytes)
                name = f"clear {tensor.name}"
                self.found.append(Step(name, "clear", {"to": start}, tensor.bytes, path, "", writes=(span,)))

    def _at(self, address: Address, part: str) -> int:
        if not address.param:
            return address.start
        if (address.param, part) not in self.weights:
            raise PassError(f"no part '{part}' of it is stored", where=address.param)
        offset = self.weights[address.param, part]
        return offset if offset >= FAR else self.laid.start("weights") + offset

    def _copies(
        self,
        function: func.FuncOp,
        places: Mapping[ir.Value, Address],
        results: Mapping[ir.Value, int],
        wanted: Sequence[Address],
    ) -> None:
        """Results that are arguments, or the same value as another result."""
        in_place = updates(function.entry_block)
        for number, value in enumerate(returned(function)):
            owner = root(value)
            if results.get(owner) == number or in_place[number] >= 0:
                continue
            size = prod(shape_of(value)) * dtype_of(value).size
            source, target = self._at(places[owner], ""), wanted[number].start
            read, written = Span(source, source + size), Span(target, target + size)
            places_of = {"from": source, "to": target}
            self.found.append(Step("copy", "copy", places_of, size, "", "", reads=(read,), writes=(written,)))


def _touched(launch: Launch, places: Mapping[str, int]) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Bytes a launch reads and writes."""
    reads, writes = [], []
    for tensor in launch.kernel.tensors():
        span = Span(places[tensor.name], places[tensor.name] + tensor.bytes)
        if tensor.role in ("in", "update", "zeroed"):
            reads.append(span)
        if tensor.role != "in":
            writes.append(span)
    return tuple(reads), tuple(writes)


def _node(op: ir.Operation) -> str:
    if NODES in op.attributes:
        listed = [ir.StringAttr(each).value for each in ir.ArrayAttr(op.attributes[NODES])]
        return listed[-1] if listed else ""
    return string(op, NODE) if NODE in op.attributes else ""
