"""Contractions: Σ over shared ranks of a product whose operands each have ranks of their own.

One operand is the *vector side*: its own ranks, the *lanes*, lie along the vectors; the other's own
ranks are the *rows*, whose scalars are broadcast. A block of rows × vectors of the output is held in
registers while the *depth* (the summed ranks) runs; long depths are cut so that a panel of the vector
side takes a small part of the second-level cache, beside the rows and the output of a tile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import prod

from ..isa import Isa
from .access import Places, head_mask, load, store
from .epilogue import Epilogue
from .frame import Frame, Stream, collapse
from .group import Step
from .kernel import Pack
from .lanes import BITS, Lanes, Vec
from .pairs import dot, row_pair, side_pairs
from .panels import NextPanel, in_panel, packed_stream
from .register_blocks import Block, evenly
from .rows import RowsCopy, crowded
from .text import Linear

_WIDE_ENOUGH = 4  # vectors of the output over which copying the rows side is spread


@dataclass(eq=False)
class Contraction:
    """How one Einsum is contracted.

    Attributes:
        step: the Einsum.
        side: which access is the vector side.
        lanes: ranks along the vectors, outermost first.
        rows: ranks of the broadcast side alone.
        depth: summed ranks.
        batch: ranks of both sides and the output, looped around.
        pack: layout of the vector side when it is a packed parameter.
        block: register block for one tile.
        pairs: operands are bf16 and multiplied in pairs along the depth; the vector side lies in pairs, and
            so does the rows side where its depth is not side by side.
    """

    step: Step
    side: int
    lanes: tuple[str, ...]
    rows: tuple[str, ...]
    depth: tuple[str, ...]
    batch: tuple[str, ...]
    pack: Pack | None = None
    block: Block = field(default_factory=lambda: Block(1, 1))
    pairs: bool = False

    def write(self, frame: Frame, epilogue: Epilogue | None = None) -> bool:
        """Write the loops, and in them the epilogue if it fits; whether it did."""
        frame.writer.comment(self.step.text)
        micro = _Micro(self, frame, epilogue)
        for step in epilogue.steps if epilogue and micro.points else ():
            frame.writer.comment(step.text)
        micro.write()
        return micro.points is not None


@dataclass(frozen=True)
class _Stretch:
    """A stretch of the outermost depth: how long, and whether it is the first, the last."""

    size: int
    first: bool
    last: bool


def fits_panel(plan: Contraction, extents: Mapping[str, int], isa: Isa) -> bool:
    """Whether the whole depth surely runs in one stretch."""
    if prod(extents[rank] for rank in plan.rows) <= plan.block.rows:
        return True
    line = plan.block.vectors * isa.bits // 8
    return prod(extents[rank] for rank in plan.depth) * line <= panel_bytes(isa)


def panel_bytes(isa: Isa) -> int:
    """Of the vector side of a block over a stretch of the depth.

    It streams from the second-level cache as fast as registers take it, so that long stretches, whose sums
    are seldom put away and taken up again, are better than panels that fit the first level.
    """
    return isa.blocking.stretch * isa.l2_bytes // 32


class _Micro:
    """Writes one contraction."""

    def __init__(self, plan: Contraction, frame: Frame, epilogue: Epilogue | None) -> None:
        self.plan, self.frame, self.writer = plan, frame, frame.writer
        step = plan.step
        self.element = step.output.element
        self.vector = Lanes(frame.writer, frame.isa.lanes(BITS[self.element]))
        loops = [r for r in step.einsum.ranks if r not in frame.fixed and frame.extent(step, r) > 1]
        extents = {rank: frame.extent(step, rank) for rank in loops}
        accesses, tensors = step.einsum.accesses, step.inputs
        scalar = frame.stream(step, accesses[1 - plan.side], tensors[1 - plan.side], loops)
        vector = self._vector_stream(loops)
        output = frame.stream(step, step.einsum.output, step.output, loops)
        kinds = {"lanes": plan.lanes, "rows": plan.rows, "depth": plan.depth, "batch": plan.batch}
        classes: dict[str, object] = {r: kind for kind, ranks in kinds.items() for r in ranks if r in loops}
        self.classes = classes
        self.ranks, self.extents, streams = collapse(loops, extents, [scalar, vector, output], classes)
        beside = epilogue.streams(frame, loops) if epilogue else {}
        if beside:
            joint = collapse(loops, extents, [scalar, vector, output, *beside.values()], classes)
            if len(joint[0]) == len(self.ranks):
                self.ranks, self.extents, streams = joint
        self.scalar, self.side, self.output = streams[:3]
        self.along = self._along()
        if self.along is None and not plan.pairs:
            self.vector = Lanes(frame.writer, 1)
        self.points = None
        if epilogue and streams[3:]:
            found = dict(zip(beside, streams[3:], strict=True))
            self.points = epilogue.points(frame, found, self.along, self.vector)
        self.made = plan.step.output
        self.width = self.extents[self.along] if self.along else 1
        self.depth = sorted(self._of("depth"), key=lambda rank: -abs(self.scalar.coeffs[rank]))
        self.pair = self._pair()
        rows = sorted(self._of("rows"), key=lambda rank: self.extents[rank])
        self.rows, self.tall = rows[:-1], rows[-1] if rows else None
        self.copy = self._rows_copy()

    def _vector_stream(self, loops: Sequence[str]) -> Stream:
        """The vector side's addresses: in panels, a block of lanes begins depth·lane further."""
        plan, frame, step = self.plan, self.frame, self.plan.step
        access, tensor = step.einsum.accesses[plan.side], step.inputs[plan.side]
        if plan.pack is None:
            return frame.stream(step, access, tensor, loops)
        return packed_stream(frame, frame.buffer(tensor), tensor.element, plan.pack, loops)

    def _along(self) -> str | None:
        """The lane rank that is contiguous in the vector side and in the output."""
        step = 2 if self.plan.pairs else 1
        ranks = [r for r in self._of("lanes") if self.side.coeffs[r] == step and self.output.coeffs[r] == 1]
        return max(ranks, key=lambda rank: self.extents[rank], default=None)

    def _pair(self) -> str | None:
        """The depth rank that is walked in pairs, put innermost; None too where it has one point."""
        if not self.plan.pairs or not self.depth:
            return None
        inner = min(self.depth, key=lambda rank: self.side.coeffs[rank])
        if inner.split("_")[-1] != self.plan.depth[-1].split("_")[-1]:
            return None
        self.depth = [*(rank for rank in self.depth if rank != inner), inner]
        return inner

    def _rows_copy(self) -> RowsCopy | None:
        """Room for a copy of the rows side, where it is worth one or pairs lie apart."""
        if not self.depth or self.scalar.guards:
            return None
        rows = [*self.rows, self.tall] if self.tall else []
        paired = self.plan.step.inputs[1 - self.plan.side].pairs
        apart = self.pair is not None and not paired and self.scalar.coeffs[self.pair] != 1
        if not apart and (not rows or self.width < _WIDE_ENOUGH * self.vector.count or not self._crowded()):
            return None
        extents = {**self.extents, self.depth[0]: self._stretch()}
        return RowsCopy(self.frame, self.scalar, rows, self.depth, extents)

    def _crowded(self) -> bool:
        assert self.tall is not None
        stride = abs(self.scalar.coeffs[self.tall]) * BITS[self.scalar.element] // 8
        return crowded(stride, min(self.plan.block.rows, self.extents[self.tall]))

    def _stretch(self) -> int:
        """Points of the outermost depth in one stretch."""
        extent = self.extents[self.depth[0]]
        if self._one_block():
            return extent
        inner = prod(self.extents[rank] for rank in self.depth[1:])
        line = self.plan.block.vectors * self.vector.count * BITS[self.side.element] // 8
        most = max(1, panel_bytes(self.frame.isa) // (line * inner))
        rows = prod(self.extents[rank] for rank in self._of("rows"))
        room = max(1, self.frame.isa.l2_bytes * 7 // 8 // (4 * rows * inner))  # rows may have to be copied
        longest = min(most * 3 // 2, room)
        size = extent if extent <= longest else -(-extent // -(-extent // min(most, room)))
        return min(extent, size + size % 2) if self.depth[0] == self.pair else size

    def _one_block(self) -> bool:
        """Whether all rows are summed at once: no panel is read twice, so that it is read front to back."""
        return prod(self.extents[rank] for rank in self._of("rows")) <= self.plan.block.rows

    def _of(self, kind: str) -> list[str]:
        return [rank for rank in self.ranks if self.classes[rank] == kind]

    def write(self) -> None:
        """Loops around the register blocks: batch, depth chunks, lanes, rows."""
        around = [*self._of("batch"), *(rank for rank in self._of("lanes") if rank != self.along)]
        with ExitStack() as stack:
            places: Places = {}
            for rank in around:
                loop = self.writer.loop(rank, Linear(), Linear((), self.extents[rank]), 1)
                places[rank] = stack.enter_context(loop)
            self._stretches(places)

    def _stretches(self, places: Places) -> None:
        """Stretches of the outermost depth, the first of which sets the output."""
        if not self.depth:
            self._lanes(places, _Stretch(1, True, True))
            return
        rank, size = self.depth[0], self._stretch()
        extent = self.extents[rank]
        last = (extent - 1) // size * size
        self._one_stretch(places, Linear(), _Stretch(min(size, extent), True, last == 0))
        if last > size:
            with self.writer.loop(rank, Linear((), size), Linear((), last), size) as place:
                self._one_stretch(places, place, _Stretch(size, False, False))
        if last:
            self._one_stretch(places, Linear((), last), _Stretch(extent - last, False, True))

    def _one_stretch(self, places: Places, start: Linear, stretch: _Stretch) -> None:
        if self.copy is not None:
            self.copy.write(places, start, stretch.size)
            self.scalar = self.copy.at(start)
        self._lanes({**places, self.depth[0]: start}, stretch)

    def _lanes(self, places: Places, stretch: _Stretch) -> None:
        """Blocks of vectors, then the rest of the lanes."""
        count, vectors = self.vector.count, self.plan.block.vectors
        if self.along is None:
            mask = head_mask(self.vector, 1) if self.vector.count > 1 else None
            self._rows(places, 1, mask, stretch)
            return
        step = vectors * count
        whole = self.width // step * step
        if whole:
            with self.writer.loop(self.along, Linear(), Linear((), whole), step) as place:
                self._rows({**places, self.along: place}, vectors, None, stretch)
        rest = self.width - whole
        if rest:
            mask = head_mask(self.vector, rest % count) if rest % count else None
            at = {**places, self.along: Linear((), whole)}
            self._rows(at, -(-rest // count), mask, stretch)

    def _rows(self, places: Places, vectors: int, mask: Vec | None, stretch: _Stretch) -> None:
        """Blocks of rows, as many of one size as of one less: a last one of few rows would read as much."""
        tall = self.tall
        with ExitStack() as stack:
            for rank in self.rows:
                loop = self.writer.loop(rank, Linear(), Linear((), self.extents[rank]), 1)
                places = {**places, rank: stack.enter_context(loop)}
            if tall is None:
                self._block(places, None, 1, vectors, mask, stretch)
                return
            begin = 0
            for high, count in evenly(self.extents[tall], self.plan.block.rows):
                end = begin + high * count
                with self.writer.loop(tall, Linear((), begin), Linear((), end), high) as place:
                    self._block({**places, tall: place}, tall, high, vectors, mask, stretch)
                begin = end

    def _shift(self, places: Places, row: int, tall: str | None, vector: int) -> Places:
        moved = dict(places)
        if tall is not None:
            moved[tall] = places[tall] + row
        if self.along is not None:
            moved[self.along] = places[self.along] + vector * self.vector.count
        return moved

    def _block(
        self,
        places: Places,
        tall: str | None,
        high: int,
        vectors: int,
        mask: Vec | None,
        stretch: _Stretch,
    ) -> None:
        """One register block: accumulators, the depth loops, the stores."""
        kind = self.vector.kind(self.element)
        masks = [mask if k == vectors - 1 else None for k in range(vectors)]
        cells = [(row, k) for row in range(high) for k in range(vectors)]
        # The start of the depth chunk belongs to the inputs' addresses, not to the output's.
        start = {rank: places.get(rank, Linear()) for rank in self.depth}
        here = {**places, **dict.fromkeys(self.depth, Linear())}
        if stretch.first:
            zero = self.vector.constant(0.0, self.element).name
            carried = [(zero, kind) for _ in cells]
        else:
            carried = [
                (
                    load(self.vector, self.output, self._shift(here, r, tall, k), self.along, masks[k]).name,
                    kind,
                )
                for r, k in cells
            ]

        ahead = self._ahead({**places, **start}, tall, high, vectors, stretch.size)

        def turn(at: Places, names: list[str], single: bool) -> list[str]:
            if ahead is not None:
                (rank,) = self.depth
                ahead.ask(at[rank] - start[rank], 1 if rank != self.pair or single else 2)
            sides = [(self._shift(at, 0, None, k), masks[k]) for k in range(vectors)]
            ones = [self._shift(at, row, tall, 0) for row in range(high)]
            return (
                self._dots(sides, ones, names, single) if self.plan.pairs else self._fmas(sides, ones, names)
            )

        ends = self._deep(self.depth, stretch.size, {**places, **start}, carried, turn)
        for name, (row, k) in zip(ends, cells, strict=True):
            at = self._shift(here, row, tall, k)
            total = Vec(name, self.element)
            if stretch.last and self.points is not None:
                self.points.write(at, mask=masks[k], known={self.made: total})
            else:
                store(self.vector, self.output, at, self.along, total, masks[k])

    def _ahead(
        self, places: Places, tall: str | None, high: int, vectors: int, size: int
    ) -> NextPanel | None:
        """Who asks for the next panel: where several blocks of rows share one, and the tile has another."""
        pack = self.plan.pack
        if pack is None or tall is None or len(self.depth) != 1 or self._one_block():
            return None
        if self.along is None or self.width <= vectors * self.vector.count:
            return None
        stream, inside = self._panel(places)
        return NextPanel(self.frame, stream, inside, pack, size, places[tall], high, self.extents[tall])

    def _deep(
        self,
        ranks: Sequence[str],
        size: int,
        places: Places,
        carried: Sequence[tuple[str, str]],
        turn: Callable[[Places, list[str], bool], list[str]],
    ) -> list[str]:
        """Loops over the depth (the outermost only `size` long) around `turn`, carrying the accumulators.

        In pairs a last odd point is a turn by itself, with `single` set.
        """
        names = [name for name, _ in carried]
        if not ranks:
            return turn(places, names, self.pair is None)
        rank, step = ranks[0], 2 if ranks[0] == self.pair else 1
        extent = size or self.extents[rank]
        whole = extent // step * step

        def body(place: Linear, names: list[str]) -> list[str]:
            pairs = [(name, kind) for name, (_, kind) in zip(names, carried, strict=True)]
            return self._deep(ranks[1:], 0, {**places, rank: places[rank] + place}, pairs, turn)

        if whole:
            names = self.writer.fold(rank, whole, step, carried, body)
        if extent > whole:
            names = turn({**places, rank: places[rank] + whole}, names, True)
        return names

    def _fmas(
        self, sides: Sequence[tuple[Places, Vec | None]], rows: Sequence[Places], sums: list[str]
    ) -> list[str]:
        """One point of the depth: every row's scalar times every vector of the side."""
        vectors = [self._float(self._side(at, mask)) for at, mask in sides]
        totals = iter(sums)
        ends: list[str] = []
        for at in rows:
            one = self._float(load(self.vector, self.scalar, at, None, None))
            ends += [self.vector.fma(one, side, Vec(next(totals), self.element)).name for side in vectors]
        return ends

    def _dots(
        self,
        sides: Sequence[tuple[Places, Vec | None]],
        rows: Sequence[Places],
        sums: list[str],
        single: bool,
    ) -> list[str]:
        """Two neighbours of the depth, or a `single` last one."""
        streams = [self._panel(at) for at, _ in sides]
        vectors = [side_pairs(self.vector, stream, at) for stream, at in streams]
        totals = iter(sums)
        ends: list[str] = []
        for at in rows:
            one = row_pair(self.vector, self.scalar, at, single)
            ends += [dot(self.vector, Vec(next(totals), self.element), one, side).name for side in vectors]
        return ends

    def _float(self, value: Vec) -> Vec:
        """The value in the type that is summed in: bf16 operands are widened, their products are exact."""
        return self.vector.convert(value, self.element)

    def _side(self, places: Places, mask: Vec | None) -> Vec:
        """A vector of the vector side."""
        if self.along is None:
            return load(self.vector, self.side, places, None, None)
        if self.plan.pack is None:
            return load(self.vector, self.side, places, self.along, mask)
        stream, inside = self._panel(places)
        return load(self.vector, stream, inside, self.along, None)

    def _panel(self, places: Places) -> tuple[Stream, Places]:
        """The vector side's addresses in the packed panel of these lanes, and the place in it."""
        pack = self.plan.pack
        if pack is None or self.along is None:
            return self.side, places
        return in_panel(self.side, pack, self.along, places)
