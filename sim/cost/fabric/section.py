"""Cycles of a section on the SN40L-style fabric: a pipeline of units that streams tiles (SN40L, MICRO 2024).

Between two events every unit goes on at one speed: its own, or slower where what it takes has not come from
memory yet (`streams`). PCUs that one flow feeds go together. A unit goes into a tile when its stage buffers
hold it, and on while there is room for its results; a place of a stage buffer is free again when its readers
have read it, which is as far ahead of the PCUs as operand queues are deep. A packet goes a link a cycle along
its flow's tree; what a hand-over takes beside that is constants, measured at single hand-overs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from ....ir.errors import PlanError
from ....ir.fabric import VECTOR_BYTES, Buffer, Compute, Section
from ...rtl.sn40l_section.pcus import configuration
from .pcu import activity
from .streams import NEARLY, shared
from .works import Work, works

FIRST = 77
"""From start_i until memory's first vectors can be taken: descriptor, latency, network."""
WRITTEN = 2
"""From a tile's last result until the stage buffer tells that it has it, beside the links."""
READ = 6
"""From then until its first vector can be taken, beside the links."""
TOLD = 4
"""From the last vector read out of a place until the next tile's first may come, beside the links."""
STORED = 74
"""From the last result until done_o, beside the links: write, answer."""
LINKS = 2
"""Of a flow from one end to the other, where no places are known."""

Links = Mapping[str, Mapping[str, int]]
"""Flow → unit at an end of it → links on the way there."""


@dataclass(frozen=True)
class FabricCosts:
    """What a section's memory gives.

    Attributes:
        hbm_bytes_per_cycle, ddr_bytes_per_cycle: of all streams of a tier together.
    """

    hbm_bytes_per_cycle: float
    ddr_bytes_per_cycle: float


@dataclass(frozen=True)
class SectionCycles:
    """What a section takes.

    Attributes:
        total: from start_i to done_o.
        ends: unit → cycle in which the last result of each tile has left it.
        busy: PCU → cycles its body works, of all tiles.
    """

    total: int
    ends: Mapping[str, tuple[float, ...]]
    busy: Mapping[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """PCU → share of the cycles in which its body works."""
        return {name: busy / self.total for name, busy in self.busy.items()}

    @property
    def period(self) -> float:
        """Cycles between the last two tiles; all of them where there is one."""
        ends = max(self.ends.values(), key=lambda ends: ends[-1])
        return ends[-1] - ends[-2] if len(ends) > 1 else float(self.total)


def section_cycles(
    section: Section, costs: FabricCosts, far: Set[str] = frozenset(), links: Links | None = None
) -> SectionCycles:
    """The model of a section.

    Args:
        section: the units.
        costs: of the memory.
        far: regions that lie in DDR.
        links: how long flows are, where units have places; else `LINKS` each.

    Raises:
        PlanError: a section that would never end.
    """
    return _Model(section, costs, far, links or {}).run()


class _Model:
    def __init__(self, section: Section, costs: FabricCosts, far: Set[str], links: Links) -> None:
        self.section, self.links = section, links
        self.bandwidth = {
            "hbm": costs.hbm_bytes_per_cycle / VECTOR_BYTES,
            "ddr": costs.ddr_bytes_per_cycle / VECTOR_BYTES,
        }
        self.buffers = {unit.name: unit for unit in section.units if isinstance(unit, Buffer)}
        self.works, self.streams = works(section, far)
        self.takers = {name: work for work in self.works.values() for name in work.loads}
        self.fillers = {work.writes: work for work in self.works.values() if work.writes}
        self.readers = {
            name: [
                times
                for work in self.works.values()
                for each, times in zip(work.reads, work.read, strict=True)
                if each.buffer == name
            ]
            for name in self.buffers
        }
        self.now = float(FIRST)

    def run(self) -> SectionCycles:
        """Event after event, until every unit is through with every tile."""
        tiles = self.section.tiles
        while any(len(work.made) < tiles for work in self.works.values()):
            speeds, given = self._speeds()
            step = min(self._events(speeds, given), default=math.inf)
            if step == math.inf:
                raise PlanError("units wait for each other", where=self.section.name)
            self.now += step
            for name, stream in self.streams.items():
                stream.step(step, given[name], speeds[self.takers[name].name])
            for work in self.works.values():
                work.at += step * speeds[work.name] / work.period
            self._settle()
        last = max(self.works.values(), key=lambda work: work.made[-1])
        ends = {name: tuple(work.made) for name, work in self.works.items()}
        busy = {
            unit.name: activity(configuration(unit, tiles)).works
            for unit in self.section.units
            if isinstance(unit, Compute)
        }
        return SectionCycles(round(last.made[-1] + STORED + self._far(last.out)), ends, busy)

    def _far(self, flow: str | None, unit: str | None = None) -> int:
        """Links of a flow, to a unit or to the farthest; of no flow none."""
        if flow is None:
            return 0
        its = self.links.get(flow, {})
        return its.get(unit, LINKS) if unit else max(its.values(), default=LINKS)

    def _written(self, buffer: str, tile: int) -> float:
        """When a stage buffer has a tile; never, as far as is known."""
        filler = self.fillers[buffer]
        if len(filler.made) <= tile:
            return math.inf
        return filler.made[tile] + WRITTEN + self._far(filler.out, buffer)

    def _there(self, work: Work, tile: int) -> float:
        """When a unit's operands of a tile are there."""
        if tile >= self.section.tiles:
            return math.inf
        times = [
            self._written(each.buffer, tile) + READ + self._far(each.flow, work.name) for each in work.reads
        ]
        return max(times, default=0.0)

    def _room(self, work: Work, tile: int) -> float:
        """When there is room for what a unit makes of a tile."""
        if work.writes is None or tile < self.buffers[work.writes].depth:
            return 0.0
        before = tile - self.buffers[work.writes].depth
        times = self.readers[work.writes]
        return max(read[before] + TOLD if before < len(read) else math.inf for read in times)

    def _limit(self, work: Work) -> tuple[float, float]:
        """How far a unit may go as things are, in tiles, and when that may change."""
        tiles = self.section.tiles
        while work.there < tiles and self._there(work, work.there) <= self.now + NEARLY:
            work.there += 1
        while work.rooms < tiles and self._room(work, work.rooms) <= self.now + NEARLY:
            work.rooms += 1
        limit = min(work.there, work.rooms + work.slack if work.rooms < tiles else tiles)
        if work.at < limit - NEARLY:
            return limit, math.inf
        times = [
            self._there(work, work.there),
            self._room(work, work.rooms) if work.rooms < tiles else math.inf,
        ]
        return limit, min(time if time > self.now + NEARLY else math.inf for time in times)

    def _speeds(self) -> tuple[dict[str, float], dict[str, float]]:
        """Of units, as shares of their full speed, and of streams, in vectors a cycle."""
        speeds = {}
        for work in self.works.values():
            work.limit, work.soon = self._limit(work)
            speeds[work.name] = float(work.at < work.limit - NEARLY)
        given: dict[str, float] = {}
        slower = True
        while slower:
            self._together(speeds)
            for tier, capacity in self.bandwidth.items():
                asking = {
                    name: stream.asks(speeds[self.takers[name].name])
                    for name, stream in self.streams.items()
                    if stream.tier == tier
                }
                given |= shared(asking, capacity)
            slower = False
            for name, stream in self.streams.items():
                its = self.takers[name].name
                if stream.empty and given[name] < stream.taken * speeds[its] - NEARLY:
                    speeds[its], slower = given[name] / stream.taken, True
        return speeds, given

    def _together(self, speeds: dict[str, float]) -> None:
        """Units that one flow feeds go as fast as the slowest."""
        slowest: dict[str, float] = {}
        for work in self.works.values():
            slowest[work.together] = min(slowest.get(work.together, 1.0), speeds[work.name])
        for work in self.works.values():
            speeds[work.name] = slowest[work.together]

    def _events(self, speeds: Mapping[str, float], given: Mapping[str, float]) -> Iterator[float]:
        """Cycles until something is otherwise."""
        for work in self.works.values():
            yield max(work.soon - self.now, 0.0)
            if speeds[work.name] > 0:
                yield (work.stop(NEARLY) - work.at) * work.period / speeds[work.name]
        for name, stream in self.streams.items():
            yield stream.until(given[name], speeds[self.takers[name].name])

    def _settle(self) -> None:
        """What has come of it: tiles taken, read out of buffers, made."""
        for work in self.works.values():
            while len(work.taken) < math.floor(work.at + NEARLY):
                work.taken.append(self.now)
        settled = False
        while not settled:
            settled = True
            for work in self.works.values():
                settled &= not self._makes(work) and not self._reads(work)

    def _makes(self, work: Work) -> bool:
        """Whether the next tile's results are known to leave."""
        tile = len(work.made)
        if tile >= len(work.taken) or (room := self._room(work, tile)) == math.inf:
            return False
        before = work.made[-1] if work.made else 0.0
        work.made.append(max(work.taken[tile] + work.tail, max(room, before) + work.vectors))
        return True

    def _reads(self, work: Work) -> bool:
        """Whether the next tile is known to have left a buffer."""
        found = False
        for each, times in zip(work.reads, work.read, strict=True):
            tile = len(times)
            if tile < self.section.tiles and work.at >= each.read_at(tile) - NEARLY:
                written = self._written(each.buffer, tile)
                if written < math.inf:
                    times.append(max(self.now, written + each.vectors))
                    found = True
        return found
