"""The price of one section: its buffers, streams and pace, for a number of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....ir.errors import InputError
from .fabric import Fabric
from .graph import Graph, How
from .load import Load
from .pace import needed, pace


@dataclass(frozen=True)
class Section:
    """Operators that run as one kernel, and what that takes.

    Attributes:
        operators: their numbers, in order.
        tiles: how many the streamed rank is cut in.
        pcus, pmus, streams: used, at the pace of the slowest.
        read_bytes, written_bytes: across its border; what is loaded anew for every tile counts every time.
        held_bytes: read before it starts, and held.
        fill_tiles: until its last operator starts, and one for the store of what it writes.
        tile_s: of the slowest stage.
        seconds: of the section.
        bound: which stage is slowest: ``pcu``, ``pmu`` or ``stream``.
    """

    operators: tuple[int, ...]
    tiles: int
    pcus: int
    pmus: int
    streams: int
    read_bytes: int
    written_bytes: int
    held_bytes: int
    fill_tiles: int
    tile_s: float
    seconds: float
    bound: str

    @property
    def off_chip_bytes(self) -> int:
        """Both ways."""
        return self.read_bytes + self.written_bytes


@dataclass(frozen=True)
class TooLarge:
    """Why operators do not fit in one section."""

    what: str
    need: int
    have: int


class Pricer:
    """Prices sets of operators of one graph on one fabric; prices are remembered."""

    def __init__(self, graph: Graph, fabric: Fabric) -> None:
        self.graph, self.fabric = graph, fabric
        self.maker, self.users = graph.makers(), graph.users()
        self._known: dict[tuple[tuple[int, ...], int], Section | TooLarge] = {}
        self._pcu_s: dict[tuple[int, ...], float] = {}

    def price(self, members: Sequence[int], tiles: int) -> Section | TooLarge:
        """The section of these operators, in order, cut in so many tiles, or why there is none.

        Raises:
            InputError: fewer tiles than one, or more than the streamed rank has.
        """
        if not 1 <= tiles <= self.graph.length:
            raise InputError(
                f"{tiles} tiles of a rank of {self.graph.length}",
                where=self.graph.name,
                accepted=f"1 to {self.graph.length}",
            )
        key = tuple(members), tiles
        if key not in self._known:
            self._known[key] = _Assembly(self, *key).section()
        return self._known[key]

    def pcu_s(self, members: tuple[int, ...]) -> float:
        """All tiles of the slowest operator, PCUs given out as well as can be."""
        if members not in self._pcu_s:
            work = self.work(members)
            self._pcu_s[members] = pace(work, np.ones(len(work)), self.fabric.pcus)
        return self._pcu_s[members]

    def work(self, members: tuple[int, ...]) -> np.ndarray:
        """Seconds of each operator that has any work, on one PCU."""
        times = [self.graph.operators[at].seconds for at in members]
        return np.array([each for each in times if each > 0])


class _Assembly:
    """One section in the making."""

    def __init__(self, pricer: Pricer, members: tuple[int, ...], tiles: int) -> None:
        self.pricer, self.members, self.tiles = pricer, members, tiles
        self.graph, self.fabric, self.inside = pricer.graph, pricer.fabric, set(members)
        self.start = self._starts()
        self.work = pricer.work(members) / tiles

    def _starts(self) -> dict[int, int]:
        """Tiles after which each operator starts."""
        start: dict[int, int] = {}
        for at in self.members:
            found = 0
            for use in self.graph.operators[at].uses:
                maker = self.pricer.maker.get(use.tensor)
                if maker in start:
                    found = max(found, start[maker] + (self.tiles if use.how is How.WHOLE else 1))
                else:
                    found = max(found, 1)  # a stage loads it
            start[at] = found
        return start

    def section(self) -> Section | TooLarge:
        """The fastest way to hold some of what is read whole, the smallest first, and load the rest anew."""
        if len(self.work) > self.fabric.pcus:
            return TooLarge("PCUs", len(self.work), self.fabric.pcus)
        base, whole = self._tensors()
        pcu_s = self.pricer.pcu_s(self.members) / self.tiles
        fill = max(self.start.values(), default=0) + bool(base.written)
        best: Section | None = None
        lacking: TooLarge | None = None
        for count in range(len(whole) + 1):
            load = base.with_whole(whole, count, self.tiles)
            lacking = self._lacks(load)
            if lacking is not None and lacking.what == "PMUs":
                break  # holding more needs more
            least = self.fabric.launch_s + load.held / self.fabric.bytes_per_s + (self.tiles + fill) * pcu_s
            if lacking is None and (best is None or least < best.seconds):
                found = self._timed(load, pcu_s, fill)
                best = found if best is None or found.seconds < best.seconds else best
        return best or lacking or TooLarge("PMUs", 0, 0)

    def _lacks(self, load: Load) -> TooLarge | None:
        units = sum(self._units(count) for count in load.buffers)
        if units > self.fabric.pmus:
            return TooLarge("PMUs", units, self.fabric.pmus)
        if len(load.streams) > self.fabric.streams:
            return TooLarge("streams", len(load.streams), self.fabric.streams)
        return None

    def _timed(self, load: Load, pcu_s: float, fill: int) -> Section:
        pmu_s = np.array(load.traffic) / self.fabric.pmu_bytes_per_s
        fewest = np.array([self._units(count) for count in load.buffers], float)
        stream_s = np.array(load.streams) / (self.fabric.bytes_per_s / self.fabric.streams)
        one = np.ones(len(load.streams))
        slowest, bound = pcu_s, "pcu"
        for name, times, least, units in (
            ("pmu", pmu_s, fewest, self.fabric.pmus),
            ("stream", stream_s, one, self.fabric.streams),
        ):
            if slowest <= 0 or needed(times, least, slowest).sum() > units:
                slowest, bound = max((slowest, bound), (pace(times, least, units), name))
        return Section(
            self.members,
            self.tiles,
            int(needed(self.work, np.ones(len(self.work)), slowest).sum()),
            int(needed(pmu_s, fewest, slowest).sum()),
            int(needed(stream_s, one, slowest).sum()),
            load.read,
            load.written,
            load.held,
            fill,
            slowest,
            self.fabric.launch_s + load.held / self.fabric.bytes_per_s + (self.tiles + fill) * slowest,
            bound,
        )

    def _tensors(self) -> tuple[Load, list[tuple[int, int]]]:
        """What is buffered and streamed in any case; bytes and readers of what is read whole from memory."""
        load, whole = Load(), []
        for tensor in self._touched():
            count, maker = self.graph.bytes[tensor], self.pricer.maker.get(tensor)
            readers = [at for at in self.pricer.users.get(tensor, ()) if at in self.inside]
            hows = {
                use.how for at in readers for use in self.graph.operators[at].uses if use.tensor == tensor
            }
            tile = -(-count // self.tiles)
            if maker in self.inside:
                self._make(load, tensor, maker, readers, hows)
            elif hows == {How.TILED}:
                starts = [self.start[at] for at in readers]
                kept = tile * (2 + max(starts) - min(starts))  # for its last reader after its first
                load.load(tile, count)
                load.buffer(kept, tile * (1 + len(readers)))
            else:
                whole.append((count, len(readers)))
        return load, sorted(whole)

    def _touched(self) -> list[int]:
        """Tensors that the members read or make, in order."""
        found: dict[int, None] = {}
        for at in self.members:
            operator = self.graph.operators[at]
            found.update(dict.fromkeys((*(use.tensor for use in operator.uses), operator.result)))
        return list(found)

    def _make(self, load: Load, tensor: int, maker: int, readers: list[int], hows: set[How]) -> None:
        """Add a tensor made here: buffered for its readers here, and stored where it has others."""
        count = self.graph.bytes[tensor]
        tile = -(-count // self.tiles)
        if tensor in self.graph.returned or len(readers) < len(self.pricer.users.get(tensor, ())):
            load.store(tile, count)
        if not readers:
            return
        if hows == {How.TILED}:
            last = max(self.start[at] for at in readers)
            load.buffer(tile * (1 + last - self.start[maker]), tile * (1 + len(readers)))
        else:
            load.buffer(count, tile + count * len(readers))

    def _units(self, count: int) -> int:
        return max(1, -(-count // self.fabric.pmu_bytes))
