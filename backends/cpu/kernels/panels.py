"""Packed parameters in memory: panels of a block's lanes, one after another, each read front to back.

A tile holds ``[panels][depth][block]``, in pairs ``[panels][depth/2][block][2]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from .access import Places
from .frame import Buffer, Frame, Stream
from .kernel import Pack
from .lanes import BITS
from .text import Linear

_LINE = 64  # bytes of a cache line
_NEAREST = 3  # the level of ``memref.prefetch`` that is the first-level cache


def packed_stream(frame: Frame, buffer: Buffer, element: str, pack: Pack, ranks: Sequence[str]) -> Stream:
    """Addresses in a packed parameter, in the panel where lane 0 lies."""
    coeffs, tile, scale = dict.fromkeys(ranks, 0), Linear(), 1
    for (rank, _), count in zip(pack.lanes, pack.counts, strict=True):
        tile = tile * count + frame.number.get(rank, Linear())
    for (rank, _), size in zip(reversed(pack.lanes), reversed(pack.tiles), strict=True):
        if rank in coeffs:
            coeffs[rank] = scale * (2 if pack.pairs else 1)
        scale *= size
    base = tile * (pack.panels * pack.deep * pack.block)
    scale = pack.block
    for rank, extent in reversed(pack.depth):
        if rank in coeffs:
            coeffs[rank] = scale
        scale *= extent
    return Stream(buffer, element, base, coeffs)


def in_panel(stream: Stream, pack: Pack, along: str, places: Places) -> tuple[Stream, Places]:
    """The addresses in the panel of these lanes, which begin a register block, and the place in it."""
    # Lane l of a tile sits at (l // block)·depth·block + k·block + l % block (in pairs: twice that).
    lane = places[along]
    begin = Linear(lane.terms, lane.const // pack.block * pack.block)
    inside = {**places, along: Linear((), lane.const % pack.block)}
    return replace(stream, base=stream.base + begin * pack.deep), inside


class NextPanel:
    """Asks for the panel after the one at hand, so that its first reader finds it near.

    Every block of rows asks for its share while it sums. A core that meets a panel for the first time waits
    for the third-level cache at every line that the processor's own prefetching is late for.

    Args:
        frame: where things are.
        stream, inside: addresses in the panel, and the place where the block's stretch of the depth begins.
        pack: the layout.
        size: points of the stretch.
        row: where the block of rows begins.
        high, rows: rows of the block, and of all blocks.
    """

    def __init__(
        self,
        frame: Frame,
        stream: Stream,
        inside: Places,
        pack: Pack,
        size: int,
        row: Linear,
        high: int,
        rows: int,
    ) -> None:
        self.writer, self.buffer = frame.writer, stream.buffer
        share = -(-size * pack.block // rows)  # elements asked for by a row
        self.each = -(-high * share // size)  # and at every point of the depth
        self.line = _LINE * 8 // BITS[stream.element]
        place = stream.at(inside) + row * share + pack.deep * pack.block
        room = prod(pack.shape) - size * self.each - self.line  # nothing behind the parameter is asked for
        limit = self.writer.number(max(room, 0))
        self.begin = self.writer.pure("ahead", f"arith.minui {self.writer.index(place)}, {limit} : index")

    def ask(self, point: Linear, points: int) -> None:
        """Ask for what belongs to so many points of the stretch, from `point` on."""
        for extra in range(0, self.each * points, self.line):
            place = self.writer.index(Linear.of(self.begin) + point * self.each + extra)
            target = f"{self.buffer.name}[{place}], read, locality<{_NEAREST}>, data"
            self.writer.line(f"memref.prefetch {target} : {self.buffer.kind}")
