"""What each unit of a section does to a tile: cycles, what it takes and from where, what it makes."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, field

from ....ir.bitmod_format import GROUP_SIZE
from ....ir.fabric import LANES, Buffer, Compute, Gemm, Load, Quantized, Rows, Section, Store, Unit
from ...rtl.sn40l_section.pcus import configuration
from ..bitmod import WORDS_PER_TOKEN_GROUP
from .pcu import LEAVES, activity
from .streams import Stream, held

QUEUE = 32
"""Vectors of an operand queue, and of a PCU's output queue."""
SETS = 2
"""Of accumulators."""


@dataclass(frozen=True)
class Read:
    """A flow out of a stage buffer.

    Attributes:
        buffer: which.
        flow: its name.
        vectors: of a tile.
        window: share of a tile's cycles in which they are taken.
    """

    buffer: str
    flow: str
    vectors: int
    window: float = 1.0

    def read_at(self, tile: int) -> float:
        """Where in its tiles the unit is, when the last vector of a tile leaves the buffer for its queue."""
        taken = self.vectors * (tile + 1) - QUEUE
        if taken <= 0:
            return 0.0
        before = math.ceil(taken / self.vectors) - 1
        return before + (taken / self.vectors - before) * self.window


@dataclass
class Work:
    """A unit, and how far it is.

    Attributes:
        name: of the unit.
        period: cycles of a tile at full speed, from its first operand to the next tile's.
        tail: from then until its last result has left.
        vectors: of its results, a tile.
        slack: tiles whose results it makes without room for them.
        reads: buffers it reads.
        loads: streams it takes, or makes for a store.
        writes: the buffer it fills, or none.
        out: the flow it feeds, or none.
        together: units that one flow feeds; its own name where it goes alone.
        at: where it is, in tiles.
        limit, soon: how far it may go as things are, and when that may change.
        there, rooms: tiles whose operands are there, with room for their results.
        taken, made: times when each tile's last operand was taken, when its last result had left.
        read: of each flow, times when a tile's last vector had left the buffer.
    """

    name: str
    period: float
    tail: float
    vectors: int
    slack: float
    reads: tuple[Read, ...]
    loads: tuple[str, ...]
    writes: str | None
    out: str | None
    together: str
    at: float = 0.0
    limit: float = 0.0
    soon: float = math.inf
    there: int = 0
    rooms: int = 0
    taken: list[float] = field(default_factory=list)
    made: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.read: tuple[list[float], ...] = tuple([] for _ in self.reads)

    def stop(self, nearly: float) -> float:
        """Where it is next at a tile's end, at its limit, or has what a buffer held."""
        stops = [self.limit, math.floor(self.at + nearly) + 1.0]
        for each, times in zip(self.reads, self.read, strict=True):
            place = each.read_at(len(times))
            if place > self.at + nearly:
                stops.append(place)
        return min(stops)


def works(section: Section, far: Set[str]) -> tuple[dict[str, Work], dict[str, Stream]]:
    """Units by name, and the streams between them and memory."""
    found: dict[str, Work] = {}
    streams: dict[str, Stream] = {}
    filled = {unit.write: unit.name for unit in section.units if isinstance(unit, Buffer)}
    for unit in section.units:
        if isinstance(unit, Load) and unit.flow in filled:
            size = unit.unit_vectors
            found[unit.name] = Work(
                unit.name, size, 0, size, 0, (), (unit.name,), filled[unit.flow], unit.flow, unit.name
            )
            streams[unit.name] = _loaded(section, unit, 1.0, 0, far)
        elif isinstance(unit, Compute):
            found[unit.name] = work = _compute(section, unit, filled)
            for name in work.loads:
                its = section.by_name[name]
                if isinstance(its, Load):
                    rate = 0.0 if its.once else its.unit_vectors / work.period
                    streams[name] = _loaded(section, its, rate, QUEUE, far)
                elif isinstance(its, Store):
                    streams[name] = Stream(_tier(its.region, far), work.vectors / work.period)
        elif isinstance(unit, Store) and section.flows[unit.flow].source.unit in filled.values():
            size, source = unit.unit_vectors, section.flows[unit.flow].source.unit
            read = (Read(source, unit.flow, size),)
            found[unit.name] = Work(unit.name, size, 0, size, 0, read, (unit.name,), None, None, unit.name)
            streams[unit.name] = Stream(_tier(unit.region, far), 1.0)
    for name in dict.fromkeys(work.together for work in found.values()):
        members = [work for work in found.values() if work.together == name]
        slowest = max(work.period for work in members)
        for work in members:
            work.period = slowest
    return found, streams


def _compute(section: Section, unit: Compute, filled: dict[str, str]) -> Work:
    """A PCU."""
    one, two = (float(activity(configuration(unit, tiles)).total) for tiles in (1, 2))
    period = two - one
    before = sum(each.count for each in unit.once) if isinstance(unit, Rows) else 0
    reads, loads, together = [], [], unit.name
    for flow in unit.inputs:
        source = section.by_name[section.flows[flow].source.unit]
        if isinstance(source, Buffer):
            vectors = next(each.walk.vectors for each in source.readers if each.flow == flow)
            reads.append(Read(source.name, flow, vectors, _window(unit, flow, period)))
        elif isinstance(source, Load):
            loads.append(source.name)
        if len(section.flows[flow].destinations) > 1:
            together = flow
    ends = (section.by_name[end.unit] for end in section.flows[unit.out].destinations)
    loads += [end.name for end in ends if isinstance(end, Store)]
    sums = SETS * unit.row_tiles * LANES if isinstance(unit, Gemm) else 0
    slack = (QUEUE + sums) / unit.packets
    tail = one - period - before - LEAVES
    return Work(
        unit.name,
        period,
        tail,
        unit.packets,
        slack,
        tuple(reads),
        tuple(loads),
        filled.get(unit.out),
        unit.out,
        together,
    )


def _window(unit: Unit, flow: str, period: float) -> float:
    """Share of a tile in which a flow is taken: a BitMoD array takes all activations before its first step.

    They are padded to whole groups and come in a word a cycle.
    """
    if isinstance(unit, Quantized) and flow == unit.a:
        words = unit.rows * math.ceil(unit.depth / GROUP_SIZE) * WORDS_PER_TOKEN_GROUP
        return min(1.0, words / period)
    return 1.0


def _loaded(section: Section, unit: Load, taken: float, behind: int, far: Set[str]) -> Stream:
    """A load's stream."""
    units = 1 if unit.once else section.tiles
    places = held(unit.unit_vectors, behind)
    return Stream(_tier(unit.region, far), taken, float(unit.unit_vectors * units), places)


def _tier(region: str, far: Set[str]) -> str:
    return "ddr" if region in far else "hbm"
