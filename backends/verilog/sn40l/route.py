"""Flows of a section onto the links of the mesh: a tree each, static, so that no link carries too much."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ....ir.errors import PlanError
from ....ir.fabric import Section
from .mesh import LOCAL, OPPOSITE, Mesh
from .traffic import traffic

SWITCH_UNIT = 64
FLOWS = 64
"""Numbers of flows on a link."""
FULL = 20.0
"""Hops that a flow goes round rather than share a link that is full."""


@dataclass(frozen=True)
class Route:
    """A flow's tree.

    Attributes:
        flow: its name.
        number: on every link of it.
        plane: of the network.
        ports: node → the port it comes in by, and those it leaves by.
    """

    flow: str
    number: int
    plane: int
    ports: Mapping[int, tuple[int, frozenset[int]]]

    def words(self) -> Iterator[tuple[int, int, int]]:
        """Triples of a switch's unit, an address and 32 bits."""
        for node, (enters, leaves) in self.ports.items():
            mask = sum(1 << port for port in leaves)
            yield SWITCH_UNIT + node, self.plane << 9 | enters << 6 | self.number, mask << 6 | self.number


def route(section: Section, mesh: Mesh, nodes: Mapping[str, int]) -> dict[str, Route]:
    """Trees for all flows, the heaviest first; every flow has a number of its own.

    Raises:
        PlanError: more flows than numbers.
    """
    if len(section.flows) > FLOWS:
        raise PlanError(f"{len(section.flows)} flows", where=section.name, accepted=f"{FLOWS}")
    loads = traffic(section)
    numbers = {name: number for number, name in enumerate(section.flows)}
    router = _Router(mesh, max(loads.values()))
    found = {}
    for name in sorted(section.flows, key=lambda name: -loads[name]):
        flow = section.flows[name]
        ends = [nodes[end.unit] for end in flow.destinations]
        ports = router.tree(nodes[flow.source.unit], ends, flow.plane, loads[name])
        found[name] = Route(name, numbers[name], flow.plane, ports)
    return {name: found[name] for name in section.flows}


def link_loads(routes: Mapping[str, Route], section: Section, mesh: Mesh) -> dict[tuple[int, int, int], int]:
    """(plane, node, port) → vectors a tile, of the links between switches and to and from units."""
    loads = traffic(section)
    found: dict[tuple[int, int, int], int] = {}
    for name, each in routes.items():
        for node, (_, leaves) in each.ports.items():
            for port in leaves:
                key = (each.plane, node, port)
                found[key] = found.get(key, 0) + loads[name]
    return found


@dataclass
class _Router:
    mesh: Mesh
    most: int
    used: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def tree(
        self, source: int, ends: list[int], plane: int, load: int
    ) -> dict[int, tuple[int, frozenset[int]]]:
        """Ports of the nodes of a tree from a source to some ends, grown end by end."""
        enters: dict[int, int] = {source: LOCAL}
        leaves: dict[int, set[int]] = {source: set()}
        for end in ends:
            path = self._path(set(enters), end, plane, load)
            for node, port, neighbour in path:
                leaves[node].add(port)
                enters[neighbour] = OPPOSITE[port]
                leaves.setdefault(neighbour, set())
                self.used[plane, node, port] = self.used.get((plane, node, port), 0) + load
            leaves[end].add(LOCAL)
        return {node: (enters[node], frozenset(leaves[node])) for node in enters}

    def _path(self, tree: set[int], end: int, plane: int, load: int) -> list[tuple[int, int, int]]:
        """Links (node, port, neighbour) from the tree to an end, the cheapest way (Dijkstra)."""
        queue = [(0.0, node, node) for node in sorted(tree)]
        came: dict[int, tuple[int, int]] = {}
        cost = dict.fromkeys(tree, 0.0)
        while queue:
            far, _, node = heapq.heappop(queue)
            if node == end:
                break
            if far > cost[node]:
                continue
            for port, neighbour in self.mesh.neighbours(node):
                if neighbour in tree:
                    continue
                step = far + self._price(plane, node, port, load)
                if step < cost.get(neighbour, float("inf")):
                    cost[neighbour], came[neighbour] = step, (node, port)
                    heapq.heappush(queue, (step, neighbour, neighbour))
        path = []
        while end not in tree:
            node, port = came[end]
            path.append((node, port, end))
            end = node
        return path[::-1]

    def _price(self, plane: int, node: int, port: int, load: int) -> float:
        share = (self.used.get((plane, node, port), 0) + load) / self.most
        return 1.0 + share + (FULL if share > 1.0 else 0.0)
