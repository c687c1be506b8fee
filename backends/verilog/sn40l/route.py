"""Flows of a section onto the links of the mesh: a tree each, static, so that no link carries too much.

Packets that wait for each other in a circle of links would wait for ever. A circle has all four turns of one
sense, so it is enough that all flows do without one turn of each sense (Glass and Ni, ISCA 1992): copies of a
packet leave a switch one by one and units take what arrives, so that a link waits for nothing but links.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ....ir.errors import PlanError
from ....ir.fabric import Section
from .mesh import EAST, LOCAL, NORTH, OPPOSITE, SOUTH, STEPS, WEST, Mesh
from .traffic import traffic

SWITCH_UNIT = 64
FLOWS = 64
"""Numbers of flows on a link."""
FULL = 20.0
"""Hops that a flow goes round rather than share a link that is full."""


def _into(way: int) -> frozenset[tuple[int, int]]:
    """Turns into a direction."""
    return frozenset((other, way) for other in STEPS if other not in (way, OPPOSITE[way]))


def _out_of(way: int) -> frozenset[tuple[int, int]]:
    """Turns out of a direction."""
    return frozenset((way, other) for other, _ in _into(way))


RULES: tuple[tuple[bool, frozenset[tuple[int, int]]], ...] = (
    *((True, turns) for turns in (_into(WEST), _into(EAST), _out_of(NORTH), _out_of(SOUTH))),
    *((False, turns) for turns in (_into(NORTH), _into(SOUTH), _out_of(WEST), _out_of(EAST))),
)
"""Turns that flows do without, one of each sense; and whether going along x first, then along y, has none of
them (else along y first, then along x)."""


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

    def links(self, mesh: Mesh, source: int) -> dict[int, int]:
        """Node → links from the source there."""
        far, heads = {source: 0}, [source]
        for node in heads:
            _, leaves = self.ports[node]
            for port, neighbour in mesh.neighbours(node):
                if port in leaves:
                    far[neighbour] = far[node] + 1
                    heads.append(neighbour)
        return far


def route(section: Section, mesh: Mesh, nodes: Mapping[str, int]) -> dict[str, Route]:
    """Trees for all flows, the heaviest first; every flow has a number of its own.

    Raises:
        PlanError: more flows than numbers.
    """
    if len(section.flows) > FLOWS:
        raise PlanError(f"{len(section.flows)} flows", where=section.name, accepted=f"{FLOWS}")
    loads = traffic(section)
    order = sorted(section.flows, key=lambda name: -loads[name])
    routers = [_Router(mesh, max(loads.values()), *rule) for rule in RULES]
    found: list[dict[str, Route]] = []
    for router in routers:
        trees = {}
        for name in order:
            flow = section.flows[name]
            ends = [nodes[end.unit] for end in flow.destinations]
            trees[name] = router.tree(nodes[flow.source.unit], ends, flow.plane, loads[name])
        found.append(
            {
                name: Route(name, number, flow.plane, trees[name])
                for number, (name, flow) in enumerate(section.flows.items())
            }
        )
    best = min(range(len(RULES)), key=lambda index: routers[index].burden)
    return found[best]


def link_loads(routes: Mapping[str, Route], section: Section) -> dict[tuple[int, int, int], int]:
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
    """Trees of one rule.

    Attributes:
        mesh: the nodes.
        most: vectors of the heaviest flow.
        across_first: whether going along x first keeps the rule.
        shunned: turns that the rule forbids.
        used: (plane, node, port) → vectors on that link.
    """

    mesh: Mesh
    most: int
    across_first: bool
    shunned: frozenset[tuple[int, int]]
    used: dict[tuple[int, int, int], int] = field(default_factory=dict)

    @property
    def burden(self) -> tuple[int, int]:
        """The largest load of a link, and that of all."""
        return max(self.used.values(), default=0), sum(self.used.values())

    def tree(
        self, source: int, ends: list[int], plane: int, load: int
    ) -> dict[int, tuple[int, frozenset[int]]]:
        """Ports of the nodes of a tree from a source to some ends, grown end by end."""
        enters: dict[int, int] = {source: LOCAL}
        links: list[tuple[int, int, int]] = []
        for end in ends:
            path = self._path(enters, end, plane, load)
            if path is None:
                enters, links = {source: LOCAL}, []
                path = [link for each in ends for link in self._straight(source, each)]
            for link in path:
                enters[link[2]] = OPPOSITE[link[1]]
            links += path
        leaves: dict[int, set[int]] = {node: set() for node in enters}
        for node, port, _ in links:
            leaves[node].add(port)
        for node, ports in leaves.items():
            for port in ports:
                self.used[plane, node, port] = self.used.get((plane, node, port), 0) + load
        for end in ends:
            leaves[end].add(LOCAL)
        return {node: (enters[node], frozenset(leaves[node])) for node in enters}

    def _path(
        self, enters: Mapping[int, int], end: int, plane: int, load: int
    ) -> list[tuple[int, int, int]] | None:
        """Links (node, port, neighbour) from a tree to an end, the cheapest way (Dijkstra); None: not so."""
        queue = [(0.0, node, port) for node, port in sorted(enters.items())]
        came: dict[tuple[int, int], tuple[int, int, int]] = {}
        cost = dict.fromkeys(enters.items(), 0.0)
        while queue:
            far, node, entered = heapq.heappop(queue)
            if node == end:
                return _walk(came, node, entered)
            if far > cost[node, entered]:
                continue
            for port, neighbour in self.mesh.neighbours(node):
                shunned = port == entered or (OPPOSITE.get(entered), port) in self.shunned
                if neighbour in enters or shunned:
                    continue
                step = far + self._price(plane, node, port, load)
                state = neighbour, OPPOSITE[port]
                if step < cost.get(state, float("inf")):
                    cost[state], came[state] = step, (node, entered, port)
                    heapq.heappush(queue, (step, *state))
        return None

    def _straight(self, source: int, end: int) -> list[tuple[int, int, int]]:
        """Links along one axis, then along the other: such paths from one source are a tree."""
        (x, y), (to_x, to_y) = self.mesh.place(source), self.mesh.place(end)
        across = [EAST if to_x > x else WEST] * abs(to_x - x)
        down = [SOUTH if to_y > y else NORTH] * abs(to_y - y)
        links, node = [], source
        for port in across + down if self.across_first else down + across:
            neighbour = dict(self.mesh.neighbours(node))[port]
            links.append((node, port, neighbour))
            node = neighbour
        return links

    def _price(self, plane: int, node: int, port: int, load: int) -> float:
        share = (self.used.get((plane, node, port), 0) + load) / self.most
        return 1.0 + share + (FULL if share > 1.0 else 0.0)


def _walk(
    came: Mapping[tuple[int, int], tuple[int, int, int]], node: int, entered: int
) -> list[tuple[int, int, int]] | None:
    """The links that led somewhere; None where they cross a node twice."""
    path: list[tuple[int, int, int]] = []
    while (node, entered) in came:
        before, its, port = came[node, entered]
        path.append((before, port, node))
        node, entered = before, its
    nodes = [link[2] for link in path]
    return path[::-1] if len(set(nodes)) == len(nodes) else None
