"""Einsums on the points of one vector: operands loaded or at hand, maps, folds, stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import MappingProxyType

from ....ir.einsum import Access, Coord, Literal
from .access import Places, coordinate, load, presence, store
from .frame import Frame, Stream
from .group import Step, Tensor
from .lanes import Lanes, Vec, arithmetic
from .maps import emit_map, fold, fold_element, identity, literal_element


def streams_of(
    frame: Frame,
    steps: Sequence[Step],
    stored: Set[Tensor],
    ranks: Sequence[str],
    known: Set[Tensor] = frozenset(),
) -> dict[tuple[int, int], Stream]:
    """Addresses of what Einsums read and none of them makes, and of what is stored, as `Points` has them."""
    streams: dict[tuple[int, int], Stream] = {}
    made = set(known)
    for k, step in enumerate(steps):
        for j, (access, tensor) in enumerate(zip(step.einsum.accesses, step.inputs, strict=True)):
            if tensor not in made:
                streams[k, j] = frame.stream(step, access, tensor, ranks)
        if step.output in stored:
            streams[k, -1] = frame.stream(step, step.einsum.output, step.output, ranks)
        if step.einsum.reduce is None:
            made.add(step.output)
    return streams


@dataclass
class Points:
    """Writes Einsums that share an iteration space, a vector at a time.

    Attributes:
        frame: where things are.
        steps: the Einsums, in order.
        streams: addresses by Einsum and operand, of results to be stored by Einsum and -1.
        ranks: of the iteration space.
        along: the rank along the vectors; None for single points.
        lanes: the vectors.
        far: those of `streams` that are transposed, block by block, and not loaded or stored here.
        ready: vectors loaded beforehand.
        pending: vectors of `far` streams to be stored afterwards; None where they are stored at once.
    """

    frame: Frame
    steps: Sequence[Step]
    streams: Mapping[tuple[int, int], Stream]
    ranks: Sequence[str]
    along: str | None
    lanes: Lanes
    far: dict[tuple[int, int], Stream] = field(default_factory=dict)
    ready: dict[tuple[object, ...], Vec] = field(default_factory=dict)
    pending: dict[tuple[int, int], list[Vec]] | None = None

    def write(
        self,
        places: Places,
        held: Sequence[str] = (),
        mask: Vec | None = None,
        folded: Vec | None = None,
        known: Mapping[Tensor, Vec] = MappingProxyType({}),
    ) -> list[str]:
        """All Einsums on the vector at `places`; gives the reductions' next values, from those `held`.

        `mask` limits loads and stores, `folded` what the reductions take; what is `known` is not loaded.
        """
        made = dict(known)
        loaded: dict[tuple[object, ...], Vec] = {}
        ends: list[str] = []
        for k, step in enumerate(self.steps):
            operands, present = self._operands(k, places, mask, made, loaded)
            element, reduce = step.output.element, step.einsum.reduce
            if reduce is None:
                value = emit_map(self.lanes, step.einsum.map, operands, element, step.output.coarse)
                if present is not None:
                    value = self.lanes.select(present, value, self.lanes.constant(0, element))
                made[step.output] = value
                if self.pending is not None and (k, -1) in self.far:
                    self.pending.setdefault((k, -1), []).append(value)
                elif (k, -1) in self.streams:
                    store(self.lanes, self.streams[k, -1], places, self.along, value, mask)
                    loaded.clear()
                continue
            total = Vec(held[len(ends)], fold_element(reduce, element))
            taken = self.lanes.both(present, folded)
            ends.append(self._folded(step, operands, total, taken).name)
        return ends

    def _folded(self, step: Step, operands: list[Vec], total: Vec, taken: Vec | None) -> Vec:
        reduce, lanes = str(step.einsum.reduce), self.lanes
        floats = total.element in ("f32", "f64")
        if reduce == "sum" and step.einsum.map in ("mul", "square") and taken is None and floats:
            a, b = (operands * 2)[:2]
            return lanes.fma(lanes.convert(a, total.element), lanes.convert(b, total.element), total)
        element = arithmetic(step.output.element)
        value = lanes.convert(emit_map(lanes, step.einsum.map, operands, element), total.element)
        if taken is not None:
            value = lanes.select(taken, value, identity(lanes, reduce, total.element))
        return fold(lanes, reduce, total, value)

    def _operands(
        self,
        k: int,
        places: Places,
        mask: Vec | None,
        made: dict[Tensor, Vec],
        loaded: dict[tuple[object, ...], Vec],
    ) -> tuple[list[Vec], Vec | None]:
        """Operand values of Einsum k, and the mask of the points that are present (None: all)."""
        step, present = self.steps[k], None
        accesses = iter(enumerate(step.inputs))
        values: list[Vec | Literal] = []
        for operand in step.einsum.operands:
            if isinstance(operand, Literal):
                values.append(operand)
            elif isinstance(operand, Coord):
                coeffs = {rank: c for rank, c in operand.index.terms if rank in self.ranks}
                base = self.frame.value(operand.index)
                values.append(coordinate(self.lanes, base, coeffs, places, self.along))
            elif isinstance(operand, Access):
                j, tensor = next(accesses)
                if tensor in made:
                    values.append(made[tensor])
                    continue
                stream = self.streams[k, j]
                inside = self._present(stream, places)
                values.append(self._loaded(stream, places, self.lanes.both(mask, inside), loaded))
                present = self.lanes.both(present, inside)
        known = [value.element for value in values if isinstance(value, Vec)]
        output = step.output.element
        return [
            value
            if isinstance(value, Vec)
            else self.lanes.constant(value.value, literal_element(value.value, known, output))
            for value in values
        ], present

    def _present(self, stream: Stream, places: Places) -> Vec | None:
        inside: Vec | None = None
        for guard in stream.guards:
            inside = self.lanes.both(inside, presence(self.lanes, guard, places, self.along)[1])
        return inside

    def _loaded(
        self, stream: Stream, places: Places, mask: Vec | None, loaded: dict[tuple[object, ...], Vec]
    ) -> Vec:
        """The stream's vector, loaded once for all Einsums that read it."""
        key = self.key(stream, places, mask)
        if key in self.ready:
            return self.ready[key]
        if key not in loaded:
            loaded[key] = load(self.lanes, stream, places, self.along, mask)
        return loaded[key]

    def key(self, stream: Stream, places: Places, mask: Vec | None) -> tuple[object, ...]:
        """What a loaded vector goes by in `ready`."""
        coeff = stream.coeffs.get(self.along or "", 0)
        return stream.buffer.name, stream.at(places), coeff, mask.name if mask else None
