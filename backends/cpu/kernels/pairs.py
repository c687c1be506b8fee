"""Operands of bf16 dot products: two neighbours of the depth in one 32-bit word.

``vdpbf16ps`` adds to each lane's float the products of two bf16 pairs. The vector side therefore lies as
``[depth / 2][lanes][2]``, the rows side with its depth contiguous or likewise as ``[depth / 2][rows][2]``; an
odd depth ends with a zero. The instruction takes denormals for zero, gives none, and rounds each of its two
sums to nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ....ir.einsum import Literal
from .access import Places, head_mask, load
from .frame import Frame, Stream, collapse
from .group import Step
from .lanes import Lanes, Vec
from .text import Linear, vector_type
from .transpose import transposed

_WORD = 32
_Body = Callable[[Places, int], None]


def dot(lanes: Lanes, total: Vec, a: str, b: str) -> Vec:
    """total + a₀·b₀ + a₁·b₁ in every lane, of words that hold bf16 pairs."""
    floats, pairs = lanes.kind("f32"), vector_type(2 * lanes.count, "bf16")
    name = f'"llvm.x86.avx512bf16.dpbf16ps.{lanes.count * _WORD}"'
    kinds = f"({floats}, {pairs}, {pairs}) -> {floats}"
    text = f"llvm.call_intrinsic {name}({total.name}, {a}, {b}) : {kinds}"
    return Vec(lanes.writer.op("dot", text), "f32")


def side_pairs(lanes: Lanes, stream: Stream, places: Places) -> str:
    """Pairs of neighbouring lanes of the vector side."""
    words = Lanes(lanes.writer, 2 * lanes.count)
    place = lanes.writer.index(stream.at(places))
    kind = words.kind("bf16")
    text = f"vector.load {stream.buffer.name}[{place}] : {stream.buffer.kind}, {kind}"
    return _as_pairs(lanes, lanes.writer.op(f"{stream.buffer.name[1:]}_v", text), kind)


def row_pair(lanes: Lanes, stream: Stream, places: Places, single: bool) -> str:
    """The pair at an element of the rows side in every lane; a `single` one is followed by zero."""
    writer, buffer = lanes.writer, stream.buffer
    place = writer.index(stream.at(places))
    hint = f"{buffer.name[1:]}_s"
    if single:
        short = writer.op(hint, f"memref.load {buffer.name}[{place}] : {buffer.kind}")
        word = writer.op(hint, f"arith.extui {short} : i16 to i32")
    else:
        short = writer.op(hint, f"vector.load {buffer.name}[{place}] : {buffer.kind}, vector<2xi16>")
        one = writer.op(hint, f"vector.bitcast {short} : vector<2xi16> to vector<1xi32>")
        word = writer.op(hint, f"vector.extract {one}[0] : i32 from vector<1xi32>")
    kind = lanes.kind("i32")
    return _as_pairs(lanes, writer.op(hint, f"vector.broadcast {word} : i32 to {kind}"), kind)


def _as_pairs(lanes: Lanes, name: str, kind: str) -> str:
    pairs = vector_type(2 * lanes.count, "bf16")
    return lanes.writer.op("pairs", f"vector.bitcast {name} : {kind} to {pairs}")


def interleaved(lanes: Lanes, first: Vec, second: Vec) -> str:
    """Pairs, as bf16, of what two vectors of bf16, or of f32 to be rounded, have in each lane."""
    return _joined(
        lanes, first, second, [half + lane for lane in range(lanes.count) for half in (0, lanes.count)]
    )


def _joined(lanes: Lanes, first: Vec, second: Vec, places: Sequence[int]) -> str:
    """The places of two vectors of bf16, or of f32 that are rounded by one instruction."""
    writer, both = lanes.writer, vector_type(2 * lanes.count, "i16")
    if first.element == "bf16":
        kind = lanes.kind("bf16")
        return writer.op(
            "pairs", f"vector.shuffle {first.name}, {second.name} {list(places)} : {kind}, {kind}"
        )
    floats, rounded = lanes.kind("f32"), vector_type(2 * lanes.count, "bf16")
    name = f'"llvm.x86.avx512bf16.cvtne2ps2bf16.{lanes.count * _WORD}"'  # the upper half comes first
    call = f"llvm.call_intrinsic {name}({second.name}, {first.name}) : ({floats}, {floats}) -> {rounded}"
    name = writer.op("pairs", f"vector.bitcast {writer.op('rounded', call)} : {rounded} to {both}")
    if list(places) == list(range(2 * lanes.count)):
        return name
    return writer.op("pairs", f"vector.shuffle {name}, {name} {list(places)} : {both}, {both}")


class PairPanel:
    """Copies one side of a contraction into a panel of pairs, rounded to bf16 on the way.

    Args:
        step: ``panel[batch, depth, lanes] = id(source[…])``, or the source times a constant; its output a
            tensor of pairs, whose lanes are the rows where it is the side that is broadcast.
    """

    def __init__(self, step: Step) -> None:
        self.step = step

    def write(self, frame: Frame) -> None:
        """Write the loops."""
        frame.writer.comment(self.step.text)
        _PanelLoops(self.step, frame).write()


class _PanelLoops:
    """One copy: whole blocks by registers, what the source's order does not allow element by element."""

    def __init__(self, step: Step, frame: Frame) -> None:
        self.frame, self.writer = frame, frame.writer
        panel = step.output
        lanes = set(panel.ranks[len(panel.ranks) - panel.lanes :])
        pair = panel.ranks[-panel.lanes - 1]
        loops = [r for r in step.einsum.ranks if r not in frame.fixed and frame.extent(step, r) > 1]
        extents = {rank: frame.extent(step, rank) for rank in loops}
        streams = [
            frame.stream(step, step.einsum.accesses[0], step.inputs[0], loops),
            frame.stream(step, step.einsum.output, panel, loops),
        ]
        classes: dict[str, object] = {r: None if r == pair else r in lanes for r in loops}
        ranks, self.extents, streams = collapse(loops, extents, streams, classes)
        self.source, self.target = streams
        self.pair = pair if pair in ranks else None
        across = [rank for rank in ranks if self.target.coeffs[rank] == 2 and rank != pair]
        self.along = across[0] if across else None
        self.around = [rank for rank in ranks if rank not in (self.pair, self.along)]
        self.count = frame.isa.lanes(_WORD)
        self.factor = next((o.value for o in step.einsum.operands if isinstance(o, Literal)), None)

    def write(self) -> None:
        deep = self.extents[self.pair] if self.pair else 1
        wide = self.extents[self.along] if self.along else 1
        with ExitStack() as stack:
            places: Places = {}
            for rank in self.around:
                loop = self.writer.loop(rank, Linear(), Linear((), self.extents[rank]), 1)
                places[rank] = stack.enter_context(loop)
            if self.along and self.source.coeffs[self.along] == 1:
                self._in_parts(self.pair, deep, 2, places, self._rows_of_lanes(wide))
            elif self.along and self.pair and self.source.coeffs[self.pair] == 1:
                self._in_parts(self.along, wide, self.count, places, self._rows_of_depth(deep))
            else:
                self._in_parts(self.pair, deep, 2, places, self._single(wide))

    def _in_parts(self, rank: str | None, extent: int, size: int, places: Places, body: _Body) -> None:
        """`body(places, n)` for whole parts of a rank, then for what is left of it."""
        if rank is None:
            body(places, 1)
            return
        whole = extent // size * size
        if whole:
            with self.writer.loop(rank, Linear(), Linear((), whole), size) as place:
                body({**places, rank: place}, size)
        if extent > whole:
            body({**places, rank: Linear((), whole)}, extent - whole)

    def _next(self, places: Places) -> Places:
        return {**places, self.pair: places[self.pair] + 1} if self.pair else places

    def _rows_of_lanes(self, wide: int) -> _Body:
        """The source has its lanes side by side: two rows are interleaved."""
        lanes = Lanes(self.writer, self.count)

        def rows(places: Places, deep: int) -> None:
            def vector(here: Places, size: int) -> None:
                mask = head_mask(lanes, size) if size < self.count else None
                first = self._value(lanes, here, self.along, mask)
                second = lanes.constant(0.0, first.element)
                if deep == 2:
                    second = self._value(lanes, self._next(here), self.along, mask)
                self._store(here, interleaved(lanes, first, second))

            self._in_parts(self.along, wide, self.count, places, vector)

        return rows

    def _rows_of_depth(self, deep: int) -> _Body:
        """The source has its depth side by side: blocks of words are transposed."""
        singles, shorts = Lanes(self.writer, self.count), Lanes(self.writer, 2 * self.count)

        def block(places: Places, lanes: int) -> None:
            def square(here: Places, size: int) -> None:
                mask = head_mask(shorts, size) if size < shorts.count else None
                rows = []
                for lane in range(lanes):
                    at = {**here, self.along: here[self.along] + lane} if self.along else here
                    rows.append(self._words(self._row(at, size, mask)))
                rows += [singles.constant(0, "i32")] * (self.count - lanes)
                turned = transposed(singles, rows)
                assert self.pair is not None
                for number, words in enumerate(turned[: -(-size // 2)]):
                    self._store({**here, self.pair: here[self.pair] + 2 * number}, self._shorts(words))

            self._in_parts(self.pair, deep, shorts.count, places, square)

        return block

    def _value(self, lanes: Lanes, places: Places, along: str | None, mask: Vec | None) -> Vec:
        """The source's vector there, times the factor: bf16, or f32 that is still to be rounded."""
        value = load(lanes, self.source, places, along, mask)
        if self.factor is None:
            return value
        value = lanes.convert(value, "f32")
        return lanes.mul(value, lanes.constant(self.factor, "f32"))

    def _row(self, places: Places, size: int, mask: Vec | None) -> str:
        """Two vectors' worth of points of the depth, `size` of which are there, in order."""
        shorts, lanes = Lanes(self.writer, 2 * self.count), Lanes(self.writer, self.count)
        if self.source.element == "bf16" and self.factor is None:
            return load(shorts, self.source, places, self.pair, mask).name
        assert self.pair is not None
        halves: list[Vec] = []
        for begin in (0, self.count):
            if size <= begin:
                halves.append(lanes.constant(0.0, halves[0].element))
                continue
            held = head_mask(lanes, size - begin) if size < begin + self.count else None
            at = {**places, self.pair: places[self.pair] + begin}
            halves.append(self._value(lanes, at, self.pair, held))
        return _joined(lanes, halves[0], halves[1], range(shorts.count))

    def _single(self, wide: int) -> _Body:
        """Neither lies side by side: element by element."""
        source, target, kind = self.source.buffer, self.target.buffer, "vector<1xi16>"
        one = Lanes(self.writer, 1)

        def loaded(places: Places) -> str:
            if self.source.element != "bf16" or self.factor is not None:
                return one.convert(self._value(one, places, None, None), "bf16").name
            place = self.writer.index(self.source.at(places))
            return self.writer.op("one", f"vector.load {source.name}[{place}] : {source.kind}, {kind}")

        def rows(places: Places, deep: int) -> None:
            def element(here: Places, _: int) -> None:
                zero = self.writer.constant(f"dense<0> : {kind}", "none")
                both = (loaded(here), loaded(self._next(here)) if deep == 2 else zero)
                for number, name in enumerate(both):
                    place = self.writer.index(self.target.at(here) + number)
                    self.writer.line(f"vector.store {name}, {target.name}[{place}] : {target.kind}, {kind}")

            self._in_parts(self.along, wide, 1, places, element)

        return rows

    def _words(self, name: str) -> Vec:
        shorts, words = vector_type(2 * self.count, "i16"), vector_type(self.count, "i32")
        return Vec(self.writer.op("words", f"vector.bitcast {name} : {shorts} to {words}"), "i32")

    def _shorts(self, value: Vec) -> str:
        shorts, words = vector_type(2 * self.count, "i16"), vector_type(self.count, "i32")
        return self.writer.op("pairs", f"vector.bitcast {value.name} : {words} to {shorts}")

    def _store(self, places: Places, name: str) -> None:
        """Pairs of a vector's lanes; a panel has room for whole vectors."""
        buffer = self.target.buffer
        place = self.writer.index(self.target.at(places))
        kind = vector_type(2 * self.count, "i16")
        self.writer.line(f"vector.store {name}, {buffer.name}[{place}] : {buffer.kind}, {kind}")
