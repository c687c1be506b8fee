"""The rows side of a contraction, copied beside each other where the rows as they lie crowd each other out.

A register block reads one scalar of each of its rows at every step of the depth. Rows that are a multiple
of the page apart share one set of the first-level cache. With nine of them in one set of eight ways a product
is 4 to 7 % faster as they lie than with a copy; with thirteen it is 15 % slower (AMD Zen 4, both precisions).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import prod

from .access import Places, head_mask, load, store
from .frame import Buffer, Frame, Stream
from .lanes import BITS, Lanes
from .text import Linear

_LINE, _SAME_SET = 64, 4096  # bytes: of a cache line, and between lines that share a set of a usual L1
_CROWDED = 9  # lines of one block's rows in a set that are still there, or soon again, when they are read


def crowded(stride: int, rows: int) -> bool:
    """Whether so many rows, that many bytes apart, fight for the sets of the first-level cache."""
    lines = {row * stride // _LINE for row in range(rows)}
    sets = [line % (_SAME_SET // _LINE) for line in lines]
    return max(map(sets.count, sets)) > _CROWDED


class RowsCopy:
    """A copy of one stretch of the depth, rows an odd number of cache lines apart.

    Args:
        frame: where things are.
        source: addresses of the rows side.
        rows, depth: ranks, outermost first, as the source walks them.
        extents: of the ranks, of the outermost depth what a stretch has at most.
    """

    def __init__(
        self,
        frame: Frame,
        source: Stream,
        rows: Sequence[str],
        depth: Sequence[str],
        extents: dict[str, int],
    ) -> None:
        self.frame, self.source, self.rows, self.depth, self.extents = frame, source, rows, depth, extents
        size = BITS[source.element] // 8
        line = _LINE // size
        deep = prod(extents[rank] for rank in depth)
        apart = (-(-deep // line) | 1) * line
        coeffs = dict.fromkeys(source.coeffs, 0)
        for ranks, scale in ((depth, 1), (rows, apart)):
            for rank in reversed(ranks):
                coeffs[rank] = scale
                scale *= extents[rank]
        count = apart * prod(extents[rank] for rank in rows)
        name = frame.writer.fresh("rows")
        stored = source.buffer.element
        kind = f"memref<{count}x{stored}>"
        frame.arena.place(name, kind, count * size)
        self.stream = Stream(Buffer(name, kind, stored, (1,), True), source.element, Linear(), coeffs)

    def at(self, start: Linear) -> Stream:
        """The copy's addresses for the stretch that begins there."""
        return replace(self.stream, base=start * -self.stream.coeffs[self.depth[0]])

    def write(self, places: Places, start: Linear, size: int) -> None:
        """Copy the stretch of that size that begins there; `places` has the ranks looped around."""
        writer, frame = self.frame.writer, self.frame
        lanes = Lanes(writer, frame.isa.lanes(BITS[self.source.element]))
        last = self.depth[-1]
        extents = {**self.extents, self.depth[0]: size}
        target = self.at(start)
        with ExitStack() as stack:
            places = {**places, self.depth[0]: start}
            for rank in (*self.rows, *self.depth[:-1]):
                place = stack.enter_context(writer.loop(rank, Linear(), Linear((), extents[rank]), 1))
                places[rank] = places.get(rank, Linear()) + place if rank == self.depth[0] else place
            begin = places.get(last, Linear())
            whole = extents[last] // lanes.count * lanes.count
            if whole:
                with writer.loop(last, Linear(), Linear((), whole), lanes.count) as place:
                    here = {**places, last: begin + place}
                    store(lanes, target, here, last, load(lanes, self.source, here, last, None), None)
            if extents[last] > whole:
                mask = head_mask(lanes, extents[last] - whole)
                here = {**places, last: begin + whole}
                store(lanes, target, here, last, load(lanes, self.source, here, last, mask), mask)
