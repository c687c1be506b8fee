"""Cycles of a section on the SN40L-style fabric: a pipeline of units that streams tiles (SN40L, MICRO 2024).

Between two events every PCU at work goes on at one rate: its own, or slower where the memory's bandwidth is
shared (every stream gets what it asks for, or an equal share of what the others leave). PCUs that one flow
feeds go together. A PCU begins a tile when its stage buffers hold it and there is room for what it makes,
and is through after the cycles its registers ask for (`pcu.activity`); a stage buffer's place is free again
when its readers are through. What packets take on their way is constants, fitted once on small sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from ....ir.errors import PlanError
from ....ir.fabric import VECTOR_BYTES, Buffer, Compute, Load, Section, Store
from ...rtl.sn40l_section.pcus import configuration
from .pcu import activity

LOAD_CYCLES = 112
"""From start_i to the first vector of a load at its unit: descriptor, memory's latency, network."""
HAND_CYCLES = 26
"""From the last vector a PCU makes for a stage buffer to the first the next PCU takes out of it."""
STORE_CYCLES = 40
"""From the last vector of the last tile to done_o: network, write, answer."""
PORT_BYTES = 32.0
"""Bytes a cycle of one AGCU."""


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
        ends: PCU → cycle in which it is through with each tile.
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


def section_cycles(section: Section, costs: FabricCosts, far: Set[str] = frozenset()) -> SectionCycles:
    """The model of a section.

    Args:
        section: the units.
        costs: of the memory.
        far: regions that lie in DDR.

    Raises:
        PlanError: a section that would never end.
    """
    return _Model(section, costs, far).run()


@dataclass
class _Work:
    """What one unit does to each tile.

    Attributes:
        name: of the unit.
        cycles: of a tile at full rate, until the last vector leaves.
        repeats: of a tile, when the next one follows at once.
        demand: bytes a cycle from or to memory at full rate, by tier.
        reads: buffers it reads.
        writes: the buffer it fills, or none.
        together: the group of units that go at one rate; its own name where it goes alone.
    """

    name: str
    cycles: float
    repeats: float
    demand: dict[str, float]
    reads: tuple[str, ...]
    writes: str | None
    together: str
    tile: int = 0
    left: float = 0.0
    running: bool = False
    ready_at: float = 0.0
    ends: list[float] = field(default_factory=list)


class _Model:
    def __init__(self, section: Section, costs: FabricCosts, far: Set[str]) -> None:
        self.section, self.far = section, far
        self.bandwidth = {"hbm": costs.hbm_bytes_per_cycle, "ddr": costs.ddr_bytes_per_cycle}
        self.buffers = {unit.name: unit for unit in section.units if isinstance(unit, Buffer)}
        self.filled_by = {unit.write: unit.name for unit in self.buffers.values()}
        self.written: dict[str, list[float]] = {name: [] for name in self.buffers}
        self.works = {work.name: work for work in self._works()}
        self.readers = {
            name: [work.name for work in self.works.values() if name in work.reads] for name in self.buffers
        }
        self.now = 0.0

    def _works(self) -> list[_Work]:
        flows = self.section.flows
        found = []
        for unit in self.section.units:
            if isinstance(unit, Load) and unit.flow in self.filled_by:
                size = float(unit.unit_vectors)
                demand = {self._tier(unit.region): PORT_BYTES}
                found.append(_Work(unit.name, size, size, demand, (), self.filled_by[unit.flow], unit.name))
                found[-1].ready_at = LOAD_CYCLES
            elif isinstance(unit, Compute):
                one, two = (float(activity(configuration(unit, tiles)).total) for tiles in (1, 2))
                demand: dict[str, float] = {}
                together = unit.name
                for flow in unit.inputs:
                    source = self.section.by_name[flows[flow].source.unit]
                    if isinstance(source, Load) and not source.once:
                        tier = self._tier(source.region)
                        demand[tier] = demand.get(tier, 0.0) + source.unit_vectors * VECTOR_BYTES / (
                            two - one
                        )
                    if len(flows[flow].destinations) > 1:
                        together = flow
                for end in flows[unit.out].destinations:
                    store = self.section.by_name[end.unit]
                    if isinstance(store, Store):
                        tier = self._tier(store.region)
                        demand[tier] = demand.get(tier, 0.0) + store.unit_vectors * VECTOR_BYTES / (two - one)
                reads = tuple(
                    flows[flow].source.unit for flow in unit.inputs if flows[flow].source.unit in self.buffers
                )
                writes = self.filled_by.get(unit.out)
                found.append(_Work(unit.name, one, two - one, demand, reads, writes, together))
                found[-1].ready_at = 0.0 if reads else LOAD_CYCLES
        return found

    def _tier(self, region: str) -> str:
        return "ddr" if region in self.far else "hbm"

    def run(self) -> SectionCycles:
        """Event after event, until every unit is through with every tile."""
        tiles = self.section.tiles
        while any(work.tile < tiles for work in self.works.values()):
            self._begin()
            rates = self._rates()
            waits = [work.ready_at - self.now for work in self.works.values() if self._waits(work)]
            steps = [work.left / rates[work.name] for work in self.works.values() if work.running]
            if not steps and not waits:
                raise PlanError("units wait for each other", where=self.section.name)
            step = max(0.0, min([*steps, *waits]))
            self.now += step
            for work in self.works.values():
                if work.running:
                    work.left -= step * rates[work.name]
                    if work.left <= 1e-6:
                        self._end(work)
        last = max(work.ends[-1] for work in self.works.values())
        ends = {name: tuple(work.ends) for name, work in self.works.items()}
        busy = {
            unit.name: activity(configuration(unit, tiles)).works
            for unit in self.section.units
            if isinstance(unit, Compute)
        }
        return SectionCycles(round(last + STORE_CYCLES), ends, busy)

    def _waits(self, work: _Work) -> bool:
        """Whether nothing but time keeps a unit from its next tile."""
        return not work.running and work.ready_at > self.now and self._possible(work)

    def _possible(self, work: _Work) -> bool:
        """Whether the next tile is there, with room for what it becomes; sets when that was so."""
        if work.tile >= self.section.tiles:
            return False
        since = [work.ready_at]
        for name in work.reads:
            if len(self.written[name]) <= work.tile:
                return False
            since.append(self.written[name][work.tile] + HAND_CYCLES)
        if work.writes is not None:
            before = work.tile - self.buffers[work.writes].depth
            if before >= 0:
                for reader in self.readers[work.writes]:
                    if len(self.works[reader].ends) <= before:
                        return False
                    since.append(self.works[reader].ends[before])
        work.ready_at = max(since)
        return True

    def _begin(self) -> None:
        """Begin what can: units that go together all at once."""
        groups: dict[str, list[_Work]] = {}
        for work in self.works.values():
            groups.setdefault(work.together, []).append(work)
        for members in groups.values():
            idle = [work for work in members if not work.running and work.tile < self.section.tiles]
            if len(idle) < len(members) or sum(map(self._possible, idle)) < len(idle):
                continue
            ready = max(work.ready_at for work in idle)
            for work in idle:
                work.ready_at = ready
                if ready <= self.now + 1e-6:
                    follows = bool(work.ends) and work.ends[-1] >= self.now - 1.0
                    work.running, work.left = True, work.repeats if follows else work.cycles

    def _end(self, work: _Work) -> None:
        work.running = False
        work.tile += 1
        work.ends.append(self.now)
        if work.writes is not None:
            self.written[work.writes].append(self.now)

    def _rates(self) -> dict[str, float]:
        """Of each unit, beside its own: what memory gives it, and the slowest of its group."""
        rates = {work.name: 1.0 for work in self.works.values()}
        for tier, capacity in self.bandwidth.items():
            asking = {
                work.name: work.demand[tier]
                for work in self.works.values()
                if work.running and tier in work.demand
            }
            for name, given in _shared(asking, capacity).items():
                rates[name] = min(rates[name], given / asking[name])
        slowest: dict[str, float] = {}
        for work in self.works.values():
            if work.running:
                slowest[work.together] = min(slowest.get(work.together, 1.0), rates[work.name])
        return {work.name: slowest.get(work.together, 1.0) for work in self.works.values()}


def _shared(asking: Mapping[str, float], capacity: float) -> dict[str, float]:
    """What each gets: all it asks for, or an equal share of what those who ask for less leave."""
    given: dict[str, float] = {}
    left = capacity
    for place, name in enumerate(sorted(asking, key=lambda name: asking[name])):
        given[name] = min(asking[name], left / (len(asking) - place))
        left -= given[name]
    return given
