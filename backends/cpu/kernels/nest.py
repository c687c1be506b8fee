"""Loop nests of pointwise Einsums and reductions: one vector rank, the others loops around it.

Einsums over one iteration space share a nest; what they hand each other stays in vector registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ....ir.einsum import Coord
from .access import Places, head_mask, load, store
from .frame import Frame, collapse
from .group import Step, Tensor
from .lanes import Lanes, Vec
from .maps import across, fold, fold_element, identity
from .points import Points, streams_of
from .text import Linear
from .transpose import SQUARES, transposed

_BROADCAST, _CONTIGUOUS, _GATHER, _SCATTER = 0.4, 1.0, 12.0, 16.0
_LIGHT = 4  # Einsums in a reduction that still leave it bound by latency: then several accumulators


class Nest:
    """Writes one nest.

    Args:
        frame: where things are.
        steps: Einsums with the same iteration space.
        stored: tensors whose values are needed after the nest.
    """

    def __init__(self, frame: Frame, steps: Sequence[Step], stored: set[Tensor]) -> None:
        self.frame, self.steps, self.writer = frame, steps, frame.writer
        first = steps[0]
        reduced = next((step.einsum.reduced for step in steps if step.einsum.reduced), ())
        ranks = [rank for rank in first.einsum.ranks if rank not in frame.fixed]
        ranks = [rank for rank in ranks if frame.extent(first, rank) > 1]
        self.streams = streams_of(frame, steps, stored, ranks)
        coords = {
            rank for step in steps for o in step.einsum.operands if isinstance(o, Coord) for rank in o.ranks
        }
        classes: dict[str, object] = {rank: None if rank in coords else rank in reduced for rank in ranks}
        extents = {rank: frame.extent(first, rank) for rank in ranks}
        self.ranks, self.extents, streams = collapse(ranks, extents, list(self.streams.values()), classes)
        self.streams = dict(zip(self.streams, streams, strict=True))
        self.reduced = {rank for rank in self.ranks if rank in reduced or classes[rank] is True}
        self.folds = [k for k, step in enumerate(steps) if step.einsum.reduce]
        self.lanes = Lanes(self.writer, frame.isa.lanes(self._lane_bits()))
        self.along = self._vector_rank()
        if self.along is None:
            self.lanes = Lanes(self.writer, 1)
        self.points = Points(frame, steps, self.streams, self.ranks, self.along, self.lanes)

    def _lane_bits(self) -> int:
        elements = {stream.element for stream in self.streams.values()}
        wide = "f64" in elements or ("i64" in elements and not elements & {"f32", "bf16"})
        return 64 if wide else 32

    def _vector_rank(self) -> str | None:
        """The rank with the cheapest memory accesses per point."""
        best, chosen = float(len(self.streams)), None
        for rank in self.ranks:
            extent, count = self.extents[rank], self.lanes.count
            cost = 0.0
            for (_, operand), stream in self.streams.items():
                far = _SCATTER if operand < 0 else _GATHER
                cost += {0: _BROADCAST, 1: _CONTIGUOUS}.get(stream.coeffs[rank], far)
            cost = cost * -(-extent // count) / extent + (4.0 / extent if rank in self.reduced else 0.0)
            if cost < best:
                best, chosen = cost, rank
        return chosen

    def write(self) -> None:
        """Write the nest."""
        for step in self.steps:
            self.writer.comment(step.text)
        outer = [rank for rank in self.ranks if rank not in self.reduced and rank != self.along]
        outer.sort(key=lambda rank: -self._weight(rank))
        inner = [rank for rank in self.ranks if rank in self.reduced and rank != self.along]
        inner.sort(key=lambda rank: -self._weight(rank))
        across = self._transposing(outer)
        with ExitStack() as stack:
            places: Places = {}
            for rank in outer:
                if rank == across:
                    continue
                loop = self.writer.loop(rank, Linear(), Linear((), self.extents[rank]), 1)
                places[rank] = stack.enter_context(loop)
            if across is not None:
                self._blocks(across, places)
            elif self.along in self.reduced:
                self._across(inner, places)
            else:
                self._along(inner, places)

    def _transposing(self, outer: Sequence[str]) -> str | None:
        """The rank along which what is strided along the vectors is contiguous, if whole blocks fit."""
        far = {
            place: stream
            for place, stream in self.streams.items()
            if self.along is not None and stream.coeffs[self.along] not in (0, 1)
        }
        known = {stream.element for stream in far.values()} <= {"f32", "i32"}
        guarded = any(stream.guards for stream in far.values())
        if not far or self.folds or not known or guarded or self.along is None:
            return None
        if self.lanes.count not in SQUARES or self.extents[self.along] < self.lanes.count:
            return None
        fitting = [rank for rank in outer if self.extents[rank] >= self.lanes.count]
        beside = [rank for rank in fitting if all(stream.coeffs[rank] == 1 for stream in far.values())]
        self.points.far = far
        return next(iter(beside), None)

    def _blocks(self, across: str, places: Places) -> None:
        """Square blocks of the vector rank and `across`, transposed in registers; then the edges."""
        assert self.along is not None
        count, writer = self.lanes.count, self.writer
        whole, _, rest = self._split()
        covered = self.extents[across] // count * count
        with writer.loop(self.along, Linear(), Linear((), whole), count) as place:
            at = {**places, self.along: place}
            with writer.loop(across, Linear(), Linear((), covered), count) as begin:
                self._block({**at, across: begin}, across)
            if covered < self.extents[across]:
                edge = writer.loop(across, Linear((), covered), Linear((), self.extents[across]), 1)
                with edge as one:
                    self._vectors((), {**at, across: one}, 1, None)
        if rest:
            with writer.loop(across, Linear(), Linear((), self.extents[across]), 1) as one:
                at = {**places, across: one, self.along: Linear((), whole)}
                self._vectors((), at, 1, head_mask(self.lanes, rest))

    def _block(self, places: Places, across: str) -> None:
        """One square block: rows of the strided tensors become columns before, and after, the points."""
        assert self.along is not None
        count, along = self.lanes.count, self.along
        line = [{**places, across: places[across] + k} for k in range(count)]
        rows = [{**places, along: places[along] + k} for k in range(count)]
        points = self.points
        points.ready, points.pending = {}, {}
        for (_, operand), stream in points.far.items():
            if operand >= 0:
                loaded = [load(self.lanes, stream, at, across, None) for at in rows]
                for at, column in zip(line, transposed(self.lanes, loaded), strict=True):
                    points.ready[points.key(stream, at, None)] = column
        for at in line:
            points.write(at, [], None, None)
        for place, columns in points.pending.items():
            for at, row in zip(rows, transposed(self.lanes, columns), strict=True):
                store(self.lanes, points.far[place], at, across, row, None)
        points.ready, points.pending = {}, None

    def _weight(self, rank: str) -> int:
        return sum(abs(stream.coeffs[rank]) for stream in self.streams.values())

    def _split(self) -> tuple[int, int, int]:
        """Extent covered by whole unrolled vectors, vectors per turn, lanes left over."""
        assert self.along is not None
        whole = self.extents[self.along] // self.lanes.count
        unroll = 1
        if self.folds and len(self.steps) <= _LIGHT:
            unroll = next((u for u in (4, 3, 2) if whole % u == 0), 1) if whole else 1
        return whole * self.lanes.count, unroll, self.extents[self.along] % self.lanes.count

    def _start(self) -> list[tuple[str, str]]:
        """Identity of every reduction, with its type."""
        carried = []
        for k in self.folds:
            element = fold_element(str(self.steps[k].einsum.reduce), self.steps[k].output.element)
            start = identity(self.lanes, str(self.steps[k].einsum.reduce), element)
            carried.append((start.name, self.lanes.kind(element)))
        return carried

    def _loops(
        self,
        ranks: Sequence[str],
        places: Places,
        carried: Sequence[tuple[str, str]],
        body: Callable[[Places, list[str]], list[str]],
    ) -> list[str]:
        """Loops over reduced ranks around `body`, carrying the reductions."""
        if not ranks:
            return body(places, [name for name, _ in carried])

        def turn(place: Linear, names: list[str]) -> list[str]:
            pairs = [(name, kind) for name, (_, kind) in zip(names, carried, strict=True)]
            return self._loops(ranks[1:], {**places, ranks[0]: place}, pairs, body)

        return self.writer.fold(ranks[0], self.extents[ranks[0]], 1, carried, turn)

    def _along(self, inner: Sequence[str], places: Places) -> None:
        """The vector rank is in the output: each vector is folded by itself."""
        if self.along is None:
            self._vectors(inner, places, 1, None)
            return
        whole, unroll, rest = self._split()
        if whole:
            stop, step = Linear((), whole), unroll * self.lanes.count
            with self.writer.loop(self.along, Linear(), stop, step) as place:
                self._vectors(inner, {**places, self.along: place}, unroll, None)
        if rest:
            mask = head_mask(self.lanes, rest)
            self._vectors(inner, {**places, self.along: Linear((), whole)}, 1, mask)

    def _vectors(self, inner: Sequence[str], places: Places, unroll: int, mask: Vec | None) -> None:
        """`unroll` neighbouring vectors through the reduced loops, then their stores."""
        size = len(self.folds)

        def body(at: Places, names: list[str]) -> list[str]:
            ends: list[str] = []
            for turn in range(unroll):
                ends += self.points.write(
                    self._shifted(at, turn), names[turn * size : (turn + 1) * size], mask, None
                )
            return ends

        ends = self._loops(inner, places, self._start() * unroll, body)
        for turn in range(unroll):
            for name, k in zip(ends[turn * size : (turn + 1) * size], self.folds, strict=True):
                self._finish(k, Vec(name, ""), self.lanes, self._shifted(places, turn), mask)

    def _shifted(self, places: Places, turn: int) -> Places:
        if turn == 0 or self.along is None:
            return places
        return {**places, self.along: places[self.along] + turn * self.lanes.count}

    def _across(self, inner: Sequence[str], places: Places) -> None:
        """The vector rank is folded: vectors of partial results, folded across lanes at the end."""
        assert self.along is not None
        along = self.along
        whole, unroll, rest = self._split()
        size = len(self.folds)

        def body(at: Places, names: list[str]) -> list[str]:
            def turn(place: Linear, held: list[str]) -> list[str]:
                ends: list[str] = []
                for k in range(unroll):
                    here = self._shifted({**at, along: place}, k)
                    ends += self.points.write(here, held[k * size : (k + 1) * size], None, None)
                return ends

            kinds = [kind for _, kind in self._start()] * unroll
            if whole:
                carried = list(zip(names, kinds, strict=True))
                names = self.writer.fold(along, whole, unroll * self.lanes.count, carried, turn)
            if rest:
                mask = head_mask(self.lanes, rest)
                last = self.points.write({**at, along: Linear((), whole)}, names[:size], mask, mask)
                names = last + names[size:]
            return names

        ends = self._loops(inner, places, self._start() * unroll, body)
        for j, k in enumerate(self.folds):
            reduce = str(self.steps[k].einsum.reduce)
            element = fold_element(reduce, self.steps[k].output.element)
            total = Vec(ends[j], element)
            for turn in range(1, unroll):
                total = fold(self.lanes, reduce, total, Vec(ends[turn * size + j], element))
            total = across(self.lanes, reduce, total)
            self._finish(
                k, total, Lanes(self.writer, 1), {**places, **dict.fromkeys(self.reduced, Linear())}, None
            )

    def _finish(self, k: int, value: Vec, lanes: Lanes, places: Places, mask: Vec | None) -> None:
        """Store a reduction's result."""
        if (k, -1) not in self.streams:
            return
        step = self.steps[k]
        element = fold_element(str(step.einsum.reduce), step.output.element)
        value = lanes.convert(Vec(value.name, element), step.output.element)
        places = {**dict.fromkeys(self.reduced, Linear()), **places}
        along = self.along if lanes.count > 1 else None
        store(lanes, self.streams[k, -1], places, along, value, mask)
