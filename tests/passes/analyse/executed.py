"""Runs a loop nest point by point, and counts what moves and what is alive: no formula of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from penstock.ir.einsum import Access, Einsum
from penstock.passes.analyse.nest import SPILL, Nest
from penstock.passes.analyse.sizes import pattern

Element = tuple[str, tuple[int, ...]]


@dataclass
class Executed:
    """What an execution did: elements loaded and stored, and the interval each was alive for."""

    nest: Nest
    blocks: Mapping[str, int]
    moved: int = 0
    clock: int = 0
    alive: list[list[int]] = field(default_factory=list)
    made: dict[Element, tuple[Any, list[int]]] = field(default_factory=dict)
    loaded: dict[Any, tuple[Any, dict[Element, list[int]]]] = field(default_factory=dict)
    stored: set[Element] = field(default_factory=set)

    @property
    def peak(self) -> int:
        """The most elements alive at once."""
        steps = [0] * (self.clock + 2)
        for first, last in self.alive:
            steps[first] += 1
            steps[last + 1] -= 1
        peak = now = 0
        for step in steps:
            now += step
            peak = max(peak, now)
        return peak

    def run(self) -> Executed:
        """Every block, every pass, every point."""
        nest, extents = self.nest, self.nest.extents
        starts = [range(0, extents[rank], self.blocks[rank]) for rank in nest.order]
        for corner in product(*starts):
            tile = dict(zip(nest.order, corner, strict=True))
            for run in range(1, nest.passes + 1):
                self.behind(tile, run, before=True)
                for at in product(*(range(extents[rank]) for rank in nest.stream)):
                    step = dict(zip(nest.stream, at, strict=True))
                    for point in self.points(tile):
                        for place in range(len(nest.part.einsums)):
                            due = run in nest.runs[place] or (run == 1 and nest.part.starts[place])
                            if nest.iterates(place) and due:
                                self.execute(place, tile, run, step, point)
                self.behind(tile, run, before=False)
        return self

    def behind(self, tile: Mapping[str, int], run: int, *, before: bool) -> None:
        """What does not run along the stream: level 0 before the first pass, the rest after its own."""
        nest = self.nest
        for point in self.points(tile):
            for place, level in enumerate(nest.levels):
                due = run == 1 and level == 0 if before else run == level
                if due and not nest.iterates(place):
                    self.execute(place, tile, run, {}, point)

    def points(self, tile: Mapping[str, int]) -> Iterator[dict[str, int]]:
        """Points of a block, in the order of the outer ranks."""
        ends = {r: min(start + self.blocks[r], self.nest.extents[r]) for r, start in tile.items()}
        for at in product(*(range(start, ends[rank]) for rank, start in tile.items())):
            yield dict(zip(tile, at, strict=True))

    def execute(
        self,
        place: int,
        tile: Mapping[str, int],
        run: int,
        step: Mapping[str, int],
        point: Mapping[str, int],
    ) -> None:
        """One Einsum at one outer point: once per block for the outer ranks it does not have."""
        einsum = self.nest.part.einsums[place]
        has = self.nest.part.rank_sets[place]
        if any(point[rank] != tile[rank] for rank in tile if rank not in has):
            return
        inner = [rank for rank in einsum.ranks if rank not in point and rank not in step]
        for at in product(*(range(self.nest.extents[rank]) for rank in inner)):
            where = {**point, **step, **dict(zip(inner, at, strict=True))}
            self.clock += 1
            for access in einsum.accesses:
                self.read(access, where, tile, run, step)
            self.write(place, einsum, where, tile, run)

    def read(
        self,
        access: Access,
        where: Mapping[str, int],
        tile: Mapping[str, int],
        run: int,
        step: Mapping[str, int],
    ) -> None:
        element = _element(access, where)
        part, nest = self.nest.part, self.nest
        writer = part.written.get(access.tensor)
        if writer is not None:
            visit, interval = self.made[element]
            if dict(nest.fates).get(access.tensor) != SPILL or visit[1] == run:
                interval[1] = self.clock
                return
            self.load(("refill", access.tensor), (tuple(tile.items()), run, tuple(step.items())), element)
            return
        key = pattern(access)
        ranks = part.load_ranks[key]
        if ranks.isdisjoint(nest.stream):
            visit = tuple(start for rank, start in tile.items() if rank in ranks)
        elif nest.fibers:
            visit = tuple(tile.values())
        else:
            visit = (tuple(tile.values()), run, tuple(at for rank, at in step.items() if rank in ranks))
        self.load(key, visit, element)

    def load(self, key: Any, visit: Any, element: Element) -> None:
        """Load an element on the first use of a visit; it stays until the last."""
        last, held = self.loaded.get(key, (None, {}))
        if last != visit:
            held = {}
            self.loaded[key] = (visit, held)
        if element not in held:
            self.moved += 1
            held[element] = [self.clock, self.clock]
            self.alive.append(held[element])
        held[element][1] = self.clock

    def write(
        self, place: int, einsum: Einsum, where: Mapping[str, int], tile: Mapping[str, int], run: int
    ) -> None:
        element = _element(einsum.output, where)
        visit = (tuple(tile.items()), run)
        part = self.nest.part
        if part.aliases[place]:
            source = _element(einsum.accesses[0], where)
            self.made[element] = (visit, self.loaded[pattern(einsum.accesses[0])][1][source])
            return
        if element not in self.made or self.made[element][0] != visit:
            self.made[element] = (visit, [self.clock, self.clock])
            self.alive.append(self.made[element][1])
            spills = dict(self.nest.fates).get(element[0]) == SPILL and element[0] not in part.stores
            self.moved += int(spills and not part.starts[place])
            if element[0] in part.stores and element not in self.stored and part.stores[element[0]] > 0:
                self.stored.add(element)
        self.made[element][1][1] = self.clock


def _element(access: Access, where: Mapping[str, int]) -> Element:
    index = tuple(one.const + sum(where[rank] * c for rank, c in one.terms) for one in access.index)
    return access.tensor, index
