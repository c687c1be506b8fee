"""Which unit runs each Einsum of a tile: cycles on each unit from its iteration space, chosen by CP-SAT.

The busiest unit is made least busy; among equals, as little as possible moves between units. A
two-dimensional array gives away only what it reduces over its rows, at the bottom of its columns (FuseMax
figure 5); all else is read where it was computed. Running values of many tiles need a memory that the unit
both reads and writes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ortools.sat.python import cp_model

from ...ir.einsum import Einsum
from ...ir.errors import PlanError
from ...ir.operators import MAPS
from ...ir.targets import DTYPES, Target, Unit
from .tile import Tile

_FOLD = {"sum": "add", "prod": "mul", "max": "max", "min": "max", "any": "cmp", "all": "cmp"}
DTYPE = "f16"
"""Number type whose rates are taken, or the nearest that the target has."""


@dataclass(frozen=True)
class Array:
    """A unit of the target at the size used.

    Attributes:
        unit: as described.
        rows: rows of a two-dimensional array, None for a row of lanes.
        columns: columns, or lanes.
        entries: words of one instance's register file, None where the target names none.
        memory: tiers that it both reads and writes.
    """

    unit: Unit
    rows: int | None
    columns: int
    entries: int | None
    memory: tuple[str, ...]

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.unit.name


@dataclass(frozen=True)
class Cost:
    """What an Einsum costs on a unit.

    Attributes:
        steps: cycles of work a tile; None where the unit cannot.
        reason: how it comes about, or why the unit cannot.
        leaves: whether another unit may read the result.
    """

    steps: int | None
    reason: str
    leaves: bool = True


@dataclass(frozen=True)
class Assignment:
    """Who runs what.

    Attributes:
        arrays: the units, in the target's order.
        costs: tensor → unit → cost of the Einsum that writes it; of the loop and after it.
        units: tensor → unit that runs the Einsum.
        steps: tensor → cycles its unit is busy with it.
        transfers: tensors that go from one unit to another, as (tensor, from, to).
    """

    arrays: tuple[Array, ...]
    costs: Mapping[str, Mapping[str, Cost]]
    units: Mapping[str, str]
    steps: Mapping[str, int]
    transfers: tuple[tuple[str, str, str], ...]

    def busy(self, unit: str, tensors: tuple[str, ...]) -> int:
        """Cycles a unit is busy with these Einsums."""
        return sum(self.steps[tensor] for tensor in tensors if self.units[tensor] == unit)


def arrays_of(target: Target, *, rows: int | None = None, columns: int | None = None) -> tuple[Array, ...]:
    """The target's units, at another size where one is given.

    Raises:
        PlanError: the target has no two-dimensional array, or says nothing of what moves between units.
    """
    if not target.transfer:
        raise PlanError(
            "the target does not say how results move between its units",
            where=target.name,
            accepted="a target with [[transfer]] sections, such as fusemax-cloud",
        )
    found = []
    width = DTYPES[target.nearest_dtype("mac", DTYPE)].bits // 8
    for unit in target.unit:
        registers = target.register_file(unit.name)
        memory = tuple(
            tier.name
            for tier in target.tier
            if target.find_transfer(unit.name, tier.name) and target.find_transfer(tier.name, unit.name)
        )
        flat = len(unit.shape) == 1
        found.append(
            Array(
                unit=unit,
                rows=None if flat else rows or unit.shape[0],
                columns=columns or unit.shape[-1],
                entries=registers.capacity_bytes // width if registers else None,
                memory=memory,
            )
        )
    if all(array.rows is None for array in found):
        raise PlanError(
            "no unit is a two-dimensional array", where=target.name, accepted="a target such as fusemax-cloud"
        )
    return tuple(found)


def assign(
    tile: Tile,
    target: Target,
    *,
    rows: int | None = None,
    columns: int | None = None,
    tiles: int = 1,
    pinned: Mapping[str, str] | None = None,
) -> Assignment:
    """The assignment that keeps the busiest unit least busy.

    Args:
        tile: the Einsums.
        target: whose units to use.
        rows: rows of the two-dimensional array, where other than the target's.
        columns: its columns, and the lanes of the row, where other than the target's.
        tiles: tiles between the generations of a running value, each with its own (FuseMax's P1).
        pinned: tensor → unit, for Einsums whose place is given.

    Raises:
        PlanError: an Einsum that no unit can run, or pins that leave no assignment.
    """
    arrays = arrays_of(target, rows=rows, columns=columns)
    costs = {e.output.tensor: {a.name: cost(tile, e, a, target, tiles) for a in arrays} for e in tile.loop}
    late = {e.output.tensor: {a.name: cost(tile, e, a, target, 1) for a in arrays} for e in tile.after}
    for tensor, offers in {**costs, **late}.items():
        if all(offer.steps is None for offer in offers.values()):
            raise PlanError(
                f"no unit of {target.name} can run it",
                where=tensor,
                accepted="; ".join(f"{name}: {offer.reason}" for name, offer in offers.items()),
            )
    units, steps, transfers = _choose(tile, target, arrays, costs, dict(pinned or {}))
    for tensor, offers in late.items():
        able = {name: offer.steps for name, offer in offers.items() if offer.steps is not None}
        units[tensor] = min(able, key=lambda name: able[name])
        steps[tensor] = able[units[tensor]]
    return Assignment(arrays, {**costs, **late}, units, steps, transfers)


def cost(tile: Tile, einsum: Einsum, array: Array, target: Target, tiles: int = 1) -> Cost:
    """Cycles of an Einsum on a unit, per tile."""
    dtype = target.nearest_dtype("mac", DTYPE)
    cycles = 0.0
    said = []
    for operator, count in operations(einsum).items():
        rate = array.unit.ops_per_cycle.get(operator, {}).get(dtype)
        if rate is None:
            return Cost(None, f"performs no {operator}")
        cycles += count / rate
        said.append(f"{operator} {count / rate:.4g}")
    tensor, leaves = einsum.output.tensor, array.rows is None or tile.rows in einsum.reduced
    words = tiles * math.prod(_extent(tile, rank, array) for rank in tile.serial(einsum.output.ranks))
    if tensor in tile.cascade.carried and not array.memory and words > (array.entries or 0):
        return Cost(None, f"has no memory for {words} running values")
    read_after = {access.tensor for each in tile.after for access in each.accesses}
    if not leaves and (tensor in tile.cascade.results or tensor in read_after):
        return Cost(None, "gives away only what it reduces over its rows")
    points = {rank: _extent(tile, rank, array) for rank in tile.serial(einsum.ranks)}
    if tile.columns in einsum.reduced:  # after the loop: from lane to lane
        points[tile.columns] = min(tile.extents[tile.columns], array.columns)
    steps = max(1, math.ceil(round(math.prod(points.values()) * (cycles or 1.0), 6)))
    over = "·".join(rank.upper() for rank, extent in points.items() if extent > 1)
    return Cost(steps, f"{over or 'one point'} × ({' + '.join(said) or 'move 1'})", leaves)


def operations(einsum: Einsum) -> dict[str, int]:
    """Operations at one point by class; a product that is summed is a multiply-accumulate (two).

    The comparisons of the left-present operators decide which points exist, which is merging, not arithmetic.
    """
    if einsum.map == "mul" and einsum.reduce == "sum":
        return {"mac": 2}
    flops = MAPS[einsum.map].flops
    found = {
        kind: count
        for kind, count in flops.items()
        if kind != "move" and not (kind == "cmp" and einsum.map.endswith("_left"))
    }
    if einsum.reduce is not None:
        kind = _FOLD[einsum.reduce]
        found[kind] = found.get(kind, 0) + 1
    return found


def _extent(tile: Tile, rank: str, array: Array) -> int:
    """Steps along a rank: on the rows of an array, as often as it takes to have all of them."""
    extent = tile.extents[rank]
    return -(-extent // array.rows) if rank == tile.rows and array.rows is not None else extent


def _choose(
    tile: Tile,
    target: Target,
    arrays: tuple[Array, ...],
    costs: Mapping[str, Mapping[str, Cost]],
    pinned: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, int], tuple[tuple[str, str, str], ...]]:
    model = cp_model.CpModel()
    names = [array.name for array in arrays]
    runs: dict[tuple[str, str], cp_model.IntVar] = {}
    for tensor, offers in costs.items():
        for name in names:
            runs[tensor, name] = model.new_bool_var(f"{tensor} on {name}")
            if offers[name].steps is None or pinned.get(tensor, name) != name:
                model.add(runs[tensor, name] == 0)
        model.add_exactly_one(runs[tensor, name] for name in names)
    moves: dict[tuple[str, str, str], cp_model.IntVar] = {}
    for tensor, (source, destination) in itertools.product(costs, itertools.permutations(names, 2)):
        move = model.new_bool_var(f"{tensor} from {source} to {destination}")
        moves[tensor, source, destination] = move
        for reader in (e.output.tensor for e in tile.loop if any(a.tensor == tensor for a in e.accesses)):
            model.add(move >= runs[tensor, source] + runs[reader, destination] - 1)
        if target.find_transfer(source, destination) is None or not costs[tensor][source].leaves:
            model.add(move == 0)
    busy = [sum((costs[tensor][name].steps or 0) * runs[tensor, name] for tensor in costs) for name in names]
    total = sum(offer.steps or 0 for offers in costs.values() for offer in offers.values()) + 1
    busiest = model.new_int_var(0, total, "busiest")
    for amount in busy:
        model.add(busiest >= amount)
    model.minimize(total * ((len(moves) + 1) * busiest + sum(moves.values())) + sum(busy))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    if solver.solve(model) != cp_model.OPTIMAL:
        raise PlanError(
            "no assignment of the Einsums to units",
            where=target.name,
            accepted="pins on units that can run their Einsums, and transfers between the units",
        )
    units = {t: next(name for name in names if solver.value(runs[t, name])) for t in costs}
    steps = {tensor: costs[tensor][unit].steps or 0 for tensor, unit in units.items()}
    moved = tuple(key for key, move in moves.items() if solver.value(move))
    return units, steps, moved
