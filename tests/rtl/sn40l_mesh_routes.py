"""Static flows through a mesh: trees of switches and what a flow is called on every link."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

LOCAL, NORTH, EAST, SOUTH, WEST = range(5)
OPPOSITE = {NORTH: SOUTH, SOUTH: NORTH, EAST: WEST, WEST: EAST}


@dataclass
class Flow:
    """A tree.

    Attributes:
        source: node.
        ends: nodes.
        ports: node → the port it comes in by, those it leaves by.
        names: node → what the flow is called behind its switch; -1: from the source's unit.
    """

    source: int
    ends: tuple[int, ...]
    ports: dict[int, tuple[int, set[int]]] = field(default_factory=dict)
    names: dict[int, int] = field(default_factory=dict)


@dataclass
class Mesh:
    """Nodes in rows; all flows go along x first, then along y, so that they cannot wait in a circle."""

    rows: int
    cols: int
    chance: random.Random
    used: dict[tuple[int, int], set[int]] = field(default_factory=dict)

    def flow(self, source: int, ends: tuple[int, ...]) -> Flow:
        """A new flow, with a random name on every link that no other there has."""
        flow = Flow(source, ends, {source: (LOCAL, set())})
        for end in ends:
            at = source
            while at != end:
                port, step = self._step(at, end)
                flow.ports[at][1].add(port)
                at += step
                flow.ports.setdefault(at, (OPPOSITE[port], set()))
            flow.ports[end][1].add(LOCAL)
        flow.names[-1] = self._name([(source, -1)])
        for node, (_, leaves) in flow.ports.items():
            flow.names[node] = self._name([(node, port) for port in leaves])
        return flow

    def words(self, flow: Flow) -> Iterator[tuple[int, int, int]]:
        """Switch, address and contents of the tables' entries."""
        for node, (enters, leaves) in flow.ports.items():
            before = -1 if enters == LOCAL else self._neighbour(node, enters)
            mask = sum(1 << port for port in leaves)
            yield node, enters << 6 | flow.names[before], mask << 6 | flow.names[node]

    def _step(self, at: int, end: int) -> tuple[int, int]:
        across, down = end % self.cols - at % self.cols, end // self.cols - at // self.cols
        if across:
            return (EAST, 1) if across > 0 else (WEST, -1)
        return (SOUTH, self.cols) if down > 0 else (NORTH, -self.cols)

    def _neighbour(self, node: int, port: int) -> int:
        return node + {NORTH: -self.cols, EAST: 1, SOUTH: self.cols, WEST: -1}[port]

    def _name(self, links: list[tuple[int, int]]) -> int:
        taken = set().union(*(self.used.get(link, set()) for link in links))
        name = self.chance.choice([name for name in range(64) if name not in taken])
        for link in links:
            self.used.setdefault(link, set()).add(name)
        return name
