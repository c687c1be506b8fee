"""What each unit of a section is told: words of its registers, and which token goes where.

Register numbers and fields are those of ``rtl/sn40l``: ``sn40l_pkg`` (PMU, control network),
``sn40l_pcu_pkg``, ``sn40l_mem_pkg`` (AGCU).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ....ir.fabric import (
    LANES,
    VECTOR_BYTES,
    Buffer,
    Compute,
    Flow,
    Load,
    Section,
    Store,
    Unit,
    Walk,
)
from ....sim.rtl.sn40l_pcu.registers import Credit, Queue
from ....sim.rtl.sn40l_section.pcus import configuration

QUEUE_DEPTH = 32
"""Packets of a PCU's operand queue, and of an AGCU's store queue."""
CONTROL_UNIT = 128
TOKENS = 8
PMU_WRITER = 2
"""The first writing context: 0 and 1 read."""
PMU_CONTEXT = 32
PMU_DIMENSIONS = 5
AGCU_SEGMENT, AGCU_DESCRIPTOR = 64, 256
HBM_SEGMENT = 0

Words = Iterator[tuple[int, int]]
"""Pairs of an address and 32 bits."""


@dataclass(frozen=True)
class Placed:
    """A section with all that is needed to configure it.

    Attributes:
        section: the units.
        nodes: unit → node of the mesh.
        flows: flow → its number on every link.
        addresses: region of memory → byte address.
    """

    section: Section
    nodes: Mapping[str, int]
    flows: Mapping[str, int]
    addresses: Mapping[str, int]

    def words(self) -> Iterator[tuple[int, int, int]]:
        """Triples of a unit, an address and 32 bits: all units', and the control network's."""
        for unit in self.section.units:
            for address, data in self._unit(unit):
                yield self.nodes[unit.name], address, data & 0xFFFFFFFF
        for sink, source in self.tokens():
            yield CONTROL_UNIT, sink, 1 << 15 | source

    def _unit(self, unit: Unit) -> Words:
        if isinstance(unit, Buffer):
            return self._buffer(unit)
        if isinstance(unit, Compute):
            return self._pcu(unit)
        return self._load(unit) if isinstance(unit, Load) else self._store(unit)

    def _named(self, flow: str) -> tuple[int, int]:
        """A flow's number and plane."""
        return self.flows[flow], self.section.flows[flow].plane

    def _buffer(self, unit: Buffer) -> Words:
        for number, reader in enumerate(unit.readers):
            depths = [QUEUE_DEPTH for _ in self.section.flows[reader.flow].destinations]
            room = sum(depth << 8 * at for at, depth in enumerate(depths))
            yield from self._context(number * PMU_CONTEXT, unit, reader.flow, reader.walk, 1, room)
        yield from self._context(PMU_WRITER * PMU_CONTEXT, unit, unit.write, unit.into, 0, 0)

    def _context(self, base: int, unit: Buffer, flow: str, walk: Walk, awaits: int, room: int) -> Words:
        """One context: its walk, then from unit to unit of the buffer, and again from the first."""
        number, plane = self._named(flow)
        loops = [*walk.loops, (unit.depth, unit.words)]
        loops += [(1, 0)] * (PMU_DIMENSIONS - len(loops))
        yield base + 1, 0
        yield base + 2, walk.lane
        yield base + 3, 0
        yield base + 4, unit.words * unit.depth
        yield base + 5, self.section.tiles
        yield base + 6, 0
        yield base + 7, room
        yield base + 8, _skew(unit.pitch)
        for at, (extent, stride) in enumerate(loops):
            yield base + 16 + at, extent
            yield base + 24 + at, stride
        yield base, awaits << 11 | len(walk.loops) << 8 | number << 2 | plane << 1 | 1

    def _pcu(self, unit: Compute) -> Words:
        number, plane = self._named(unit.out)
        queues = (Queue(*self._named(flow)) for flow in unit.inputs)
        yield from replace(
            configuration(unit, self.section.tiles),
            flow=number,
            plane=plane,
            queues=tuple(queues),
            credits=tuple(self._room(self.section.flows[unit.out])),
        ).words()

    def _room(self, flow: Flow) -> list[Credit]:
        """What a flow's source counts: room for packets in queues, for units in stage buffers."""
        found = []
        for end in flow.destinations:
            unit = self.section.by_name[end.unit]
            if isinstance(unit, Buffer):
                found += [Credit(unit.depth, per_unit=True) for _ in unit.readers]
            else:
                found.append(Credit(QUEUE_DEPTH))
        return found

    def _load(self, unit: Load) -> Words:
        number, plane = self._named(unit.flow)
        room = self._room(self.section.flows[unit.flow])
        packets = [each.initial for each in room if not each.per_unit]
        units = [each.initial for each in room if each.per_unit]
        runs = 1 if unit.once else self.section.tiles
        yield 1, 1 << 16 | 1
        yield 2, unit.unit_vectors
        yield 3, sum(depth << 8 * at for at, depth in enumerate(packets))
        yield 4, sum(depth << 16 * at for at, depth in enumerate(units))
        yield from self._segment(unit.region, read=True)
        stride = unit.stride_vectors * VECTOR_BYTES
        yield from _descriptor(0, unit.unit_vectors * VECTOR_BYTES, runs, stride, 0)
        yield 0, number << 2 | plane << 1 | 1

    def _store(self, unit: Store) -> Words:
        number, plane = self._named(unit.flow)
        yield 1, 1 << 16 | 1
        yield from self._segment(unit.region, read=False)
        stride = unit.stride_vectors * VECTOR_BYTES
        yield from _descriptor(1, unit.unit_vectors * VECTOR_BYTES, self.section.tiles, 0, stride)
        yield 0, number << 10 | plane << 9 | 1 << 8

    def _segment(self, region: str, *, read: bool) -> Words:
        base, size = self.addresses[region], self.section.regions[region].vectors * VECTOR_BYTES
        at = AGCU_SEGMENT + 4 * HBM_SEGMENT
        yield at, base
        yield at + 1, (1 << 28 if read else 1 << 29) | 0xFFF << 16 | base >> 32
        yield at + 2, size
        yield at + 3, size >> 32

    def tokens(self) -> Iterator[tuple[int, int]]:
        """Pairs of a sink and a source of the control network: who tells whom that there is room again."""
        for flow in self.section.flows.values():
            source = self.section.by_name[flow.source.unit]
            told = [each for end in flow.destinations for each in self._tellers(end.unit, end.port)]
            for at, (teller, bit, of_unit) in enumerate(told):
                if isinstance(source, Buffer):
                    heard = 3 * flow.source.port + at
                elif isinstance(source, Load) and of_unit:
                    heard = 3 + at
                else:
                    heard = at
                yield self.nodes[source.name] * TOKENS + heard, self.nodes[teller] * TOKENS + bit

    def _tellers(self, name: str, port: int) -> list[tuple[str, int, bool]]:
        """Who tells of room at an end of a flow: unit, bit of its tokens, whether it counts units."""
        unit = self.section.by_name[name]
        if isinstance(unit, Buffer):
            return [(name, reader, True) for reader in range(len(unit.readers))]
        return [(name, 0 if isinstance(unit, Store) else port, False)]


def _descriptor(op: int, length: int, runs: int, source_stride: int, target_stride: int) -> Words:
    """The one descriptor of a list: `runs` rows of `length` bytes of segment 0."""
    at = AGCU_DESCRIPTOR
    yield at, 0xFFF << 16 | 1 << 5 | op
    yield at + 1, HBM_SEGMENT << 8 | HBM_SEGMENT
    yield at + 2, 0
    yield at + 3, 0
    yield at + 4, length
    yield at + 5, 1 << 16 | runs
    yield at + 6, source_stride
    yield at + 7, 0
    yield at + 8, target_stride
    yield at + 9, 0


def _skew(pitch: int) -> int:
    """Rows one bank further each, where the pitch is whole vectors: columns then meet every bank once."""
    row = pitch // LANES
    return 1 << 4 | (row & -row).bit_length() - 1
