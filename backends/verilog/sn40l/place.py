"""Units of a section onto nodes of the mesh, so that heavy flows are short (simulated annealing, seeded)."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping

from ....ir.errors import PlanError
from ....ir.fabric import Buffer, Compute, Quantized, Rows, Section, Unit
from .mesh import AGCU, BITMOD, PCU, PMU, Mesh
from .traffic import traffic

STEPS = 20_000
HOT, COLD = 2.0, 0.01
"""Temperatures, in hops of the heaviest flow."""


def place(section: Section, mesh: Mesh, seed: int = 0) -> dict[str, int]:
    """Unit → node.

    Raises:
        PlanError: fewer nodes of a kind than units.
    """
    chance = random.Random(seed)
    spots: dict[str, list[str | None]] = {}
    nodes = {kind: mesh.of_kind(kind) for kind in (PCU, PMU, AGCU, BITMOD)}
    wanted = _wanted(section, len(nodes[PCU]))
    for kind, there in nodes.items():
        names: list[str | None] = [name for name, its in wanted.items() if its == kind]
        if len(names) > len(there):
            raise PlanError(f"{len(names)} {kind}s", where=section.name, accepted=f"{len(there)}")
        spots[kind] = names + [None] * (len(there) - len(names))
    loads = traffic(section)
    most = max(loads.values())
    # Dicts as ordered sets: sums of floats depend on their order, a set's order on the process's hash seed.
    ends = {
        name: (
            dict.fromkeys((flow.source.unit, *(end.unit for end in flow.destinations))),
            loads[name] / most + 0.02,
        )
        for name, flow in section.flows.items()
    }
    of_unit: dict[str | None, list[str]] = {None: []}
    for name, (units, _) in ends.items():
        for unit in units:
            of_unit.setdefault(unit, []).append(name)
    places = {
        unit: mesh.place(node)
        for kind, there in nodes.items()
        for unit, node in zip(spots[kind], there, strict=True)
        if unit is not None
    }

    def cost(names: Iterable[str]) -> float:
        return sum(_length(ends[name][0], places) * ends[name][1] for name in names)

    kinds = [kind for kind in nodes if len(nodes[kind]) > 1]
    for step in range(STEPS):
        heat = HOT * (COLD / HOT) ** (step / STEPS)
        kind = chance.choice(kinds)
        one, other = chance.sample(range(len(nodes[kind])), 2)
        pair = spots[kind][one], spots[kind][other]
        if pair == (None, None):
            continue
        touched = dict.fromkeys((*of_unit[pair[0]], *of_unit[pair[1]]))
        before = cost(touched)
        _swap(spots[kind], nodes[kind], one, other, places, mesh)
        worse = cost(touched) - before
        if worse > 0 and chance.random() >= math.exp(-worse / heat):
            _swap(spots[kind], nodes[kind], one, other, places, mesh)
    return {
        unit: node
        for kind, there in nodes.items()
        for unit, node in zip(spots[kind], there, strict=True)
        if unit is not None
    }


def _wanted(section: Section, pcus: int) -> dict[str, str]:
    """Unit → kind of its node. What programs the PCUs have no room for run beside BitMoD arrays."""
    kinds = {unit.name: kind_of(unit) for unit in section.units}
    if section.quantized:
        over = max(sum(kind == PCU for kind in kinds.values()) - pcus, 0)
        programs = [unit.name for unit in section.of_kind(Rows)]
        kinds |= dict.fromkeys(programs[len(programs) - min(over, len(programs)) :], BITMOD)
    return kinds


def kind_of(unit: Unit) -> str:
    """The kind of node a unit needs, or has rather: a SIMD pipeline is in PCUs with a BitMoD array too."""
    if isinstance(unit, Quantized):
        return BITMOD
    if isinstance(unit, Compute):
        return PCU
    return PMU if isinstance(unit, Buffer) else AGCU


def _swap(
    spots: list[str | None],
    nodes: list[int],
    one: int,
    other: int,
    places: dict[str, tuple[int, int]],
    mesh: Mesh,
) -> None:
    spots[one], spots[other] = spots[other], spots[one]
    for at in (one, other):
        unit = spots[at]
        if unit is not None:
            places[unit] = mesh.place(nodes[at])


def _length(units: Iterable[str], places: Mapping[str, tuple[int, int]]) -> int:
    """Half the perimeter around a flow's ends, in hops."""
    xs, ys = zip(*(places[unit] for unit in units), strict=True)
    return max(xs) - min(xs) + max(ys) - min(ys)
