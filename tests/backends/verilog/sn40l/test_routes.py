"""Units on the mesh and flows between them: packets arrive, nobody waits in a circle, links share fairly."""

from __future__ import annotations

import graphlib
import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.backends.verilog.sn40l import route as routes
from penstock.backends.verilog.sn40l.mesh import LOCAL, OPPOSITE, SMALL
from penstock.backends.verilog.sn40l.place import kind_of, place
from penstock.backends.verilog.sn40l.route import FLOWS, Route, link_loads, route
from penstock.backends.verilog.sn40l.traffic import traffic
from penstock.ir.errors import PlanError
from penstock.ir.fabric import Instruction, Load, Operand, Region, Rows, Section, Store

COPY = (Instruction("copy", Operand("queue", 0), None, 1, output=True),)


def random_section(seed: int, loads: int, rows: int) -> Section:
    """Loads, and programs over what they or other programs feed; what nobody reads is stored."""
    chance = random.Random(seed)
    units: list[Load | Rows | Store] = [
        Load(f"load{n}", f"l{n}", f"r{n}", chance.randint(1, 500), 1) for n in range(loads)
    ]
    readers = {f"l{n}": 0 for n in range(loads)}
    for n in range(rows):
        free = [flow for flow, count in readers.items() if count < 3]
        queues = tuple(chance.sample(free, min(len(free), chance.randint(1, 3))))
        if not queues:
            break
        for flow in queues:
            readers[flow] += 1
        units.append(Rows(f"rows{n}", "", queues, f"o{n}", (), COPY, chance.randint(1, 500), ()))
        readers[f"o{n}"] = 0
    stored = [flow for flow, count in readers.items() if not count]
    units += [Store(f"store{n}", flow, f"s{n}", 1, 1) for n, flow in enumerate(stored)]
    regions = {unit.region: Region(1, "source", "x") for unit in units if isinstance(unit, Load | Store)}
    planes = {flow: chance.randint(0, 1) for flow in readers}
    return Section("random", 1, tuple(units), planes, regions)


def fits(section: Section) -> bool:
    kinds = [kind_of(unit) for unit in section.units]
    return all(kinds.count(kind) <= 16 for kind in set(kinds))


def tables(found: dict[str, Route]) -> dict[tuple[int, int, int, int], tuple[int, int]]:
    """(switch, plane, input port, flow) → outputs and new name, as the switches hold them."""
    table: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    for each in found.values():
        for unit, address, data in each.words():
            key = unit - 64, address >> 9, address >> 6 & 7, address & 63
            assert key not in table, "two flows are one on a link"
            table[key] = data >> 6, data & 63
    return table


def waits(table: dict[tuple[int, int, int, int], tuple[int, int]]) -> dict[tuple, set[tuple]]:
    """Link → links that a packet on it waits for; a link is (plane, node, port it leaves by)."""
    found: dict[tuple, set[tuple]] = defaultdict(set)
    for (node, plane, enters, _), (mask, _) in table.items():
        if enters == LOCAL:
            continue
        before = dict(SMALL.neighbours(node))[enters]
        for port in range(1, 5):
            if mask >> port & 1:
                found[plane, before, OPPOSITE[enters]].add((plane, node, port))
    return found


def has_circle(found: dict[str, Route]) -> bool:
    try:
        graphlib.TopologicalSorter(waits(tables(found))).prepare()
    except graphlib.CycleError:
        return True
    return False


@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 14))
@settings(max_examples=40, deadline=None)
def test_packets_arrive_once_at_each_end_and_never_wait_in_a_circle(seed: int, loads: int, rows: int) -> None:
    section = random_section(seed, loads, rows)
    if not fits(section):
        return
    spots = {kind: SMALL.of_kind(kind) for kind in set(SMALL.kinds)}
    chance = random.Random(seed)
    for free in spots.values():
        chance.shuffle(free)
    nodes = {unit.name: spots[kind_of(unit)].pop() for unit in section.units}
    found = route(section, SMALL, nodes)
    table = tables(found)
    for name, flow in section.flows.items():
        arrived = []
        far = found[name].links(SMALL, nodes[flow.source.unit])
        waiting = [(nodes[flow.source.unit], LOCAL, found[name].number, 0)]
        while waiting:
            node, enters, number, links = waiting.pop()
            mask, number = table[node, flow.plane, enters, number]
            for port in range(5):
                if port == LOCAL and mask & 1:
                    arrived.append(node)
                    assert number == found[name].number
                    assert far[node] == links
                elif mask >> port & 1:
                    waiting.append((dict(SMALL.neighbours(node))[port], OPPOSITE[port], number, links + 1))
        assert sorted(arrived) == sorted(nodes[end.unit] for end in flow.destinations), name
    assert not has_circle(found)


def test_without_the_rules_there_are_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above looks for does happen."""
    monkeypatch.setattr(routes, "RULES", ((True, frozenset()),))
    circles = 0
    for seed in range(40):
        section = random_section(seed, 6, 14)
        if fits(section):
            spots = {kind: SMALL.of_kind(kind) for kind in set(SMALL.kinds)}
            chance = random.Random(seed)
            for free in spots.values():
                chance.shuffle(free)
            nodes = {unit.name: spots[kind_of(unit)].pop() for unit in section.units}
            circles += has_circle(route(section, SMALL, nodes))
    assert circles > 0


def test_links_loads_are_the_flows_that_pass() -> None:
    section = random_section(3, 6, 10)
    nodes = place(section, SMALL)
    found = route(section, SMALL, nodes)
    loads = traffic(section)
    want: dict[tuple[int, int, int], int] = defaultdict(int)
    for name, each in found.items():
        for node, (_, leaves) in each.ports.items():
            for port in leaves:
                want[each.plane, node, port] += loads[name]
    assert link_loads(found, section) == want


def test_placing_keeps_kinds_apart_and_heavy_flows_short() -> None:
    section = random_section(5, 6, 10)
    nodes = place(section, SMALL, seed=1)
    assert len(set(nodes.values())) == len(section.units)
    assert all(SMALL.kinds[nodes[unit.name]] == kind_of(unit) for unit in section.units)
    assert nodes == place(section, SMALL, seed=1)

    def hops(nodes: dict[str, int]) -> int:
        return sum(link_loads(route(section, SMALL, nodes), section).values())

    spots = {kind: iter(SMALL.of_kind(kind)) for kind in set(SMALL.kinds)}
    assert hops(nodes) < hops({unit.name: next(spots[kind_of(unit)]) for unit in section.units})


def test_more_flows_than_names_are_refused() -> None:
    units = tuple(Load(f"load{n}", f"l{n}", "r", 1, 1) for n in range(FLOWS + 1))
    stores = tuple(Store(f"store{n}", f"l{n}", "r", 1, 1) for n in range(FLOWS + 1))
    section = Section("big", 1, (*units, *stores), {}, {"r": Region(1, "source", "x")})
    with pytest.raises(PlanError, match=f"{FLOWS + 1} flows"):
        route(section, SMALL, {unit.name: 0 for unit in section.units})
