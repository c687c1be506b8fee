"""The whole binding of a one-pass cascade: partition, assignment, epoch (FuseMax Mapping 1 and figure 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...ir.schedule import Schedule
from ...ir.targets import Target
from ...ir.view import Cascade
from . import gantt
from .assign import Assignment, arrays_of, assign
from .bounds import Bound, lower_bound
from .graph import tile_graph
from .modulo import Progress, schedule_tile
from .partition import Partition, partition
from .tile import Tile, tile_of


@dataclass(frozen=True)
class Binding:
    """A cascade bound to a target.

    Attributes:
        tile: what one tile is.
        partition: how the columns are taken apart.
        assignment: which unit runs each Einsum.
        schedule: the epoch.
        bound: lower bound on the period, and what sets it.
        target: the target's name.
    """

    tile: Tile
    partition: Partition
    assignment: Assignment
    schedule: Schedule
    bound: Bound
    target: str

    @property
    def post_cycles(self) -> dict[str, float]:
        """Unit → cycles per tile of the Einsums after the loop, spread over the generations."""
        found: dict[str, float] = {}
        for einsum in self.tile.after:
            tensor = einsum.output.tensor
            unit, steps = self.assignment.units[tensor], self.assignment.steps[tensor]
            found[unit] = found.get(unit, 0.0) + steps / self.tile.extents[self.tile.generational]
        return found

    @property
    def pace(self) -> str:
        """How long the period is, in words."""
        return f"{self.schedule.period} cycles a tile"

    def to_json(self) -> dict[str, Any]:
        """The binding as a JSON object."""
        return {
            "target": self.target,
            "cascade": str(self.tile.cascade),
            "ranks": {
                "generational": self.tile.generational,
                "rows": self.tile.rows,
                "columns": self.tile.columns,
                "outer": list(self.tile.outer),
            },
            "partition": self.partition.to_json(),
            "loops": self.loops().splitlines(),
            "units": dict(self.assignment.units),
            "costs": {
                tensor: {unit: {"steps": cost.steps, "reason": cost.reason} for unit, cost in offers.items()}
                for tensor, offers in self.assignment.costs.items()
            },
            "transfers": [list(each) for each in self.assignment.transfers],
            "post_cycles": self.post_cycles,
            "schedule": self.schedule.to_json(),
            "bound": {"cycles": self.bound.cycles, "reason": self.bound.reason},
            "gantt": gantt.data(self.schedule),
        }

    def loops(self) -> str:
        """The mapping as a loop nest."""
        tile, parts = self.tile, self.partition
        column, rank = tile.columns, tile.generational
        nest = [f"for {each} in {tile.extents[each]}" for each in tile.outer]
        if column is not None:
            nest.append(f"for {column}2 in {parts.p2}")
        nest.append(f"for {rank} in {tile.extents[rank]}")
        spatial = [f"parallel {column}0 in {parts.p0}"] if column is not None else []
        inner = [f"for {column}1 in {parts.p1}"] if column is not None else []
        rows = [f"parallel {tile.rows} in {tile.extents[tile.rows]}"] if tile.rows is not None else []
        lines = ["  " * depth + loop for depth, loop in enumerate([*nest, *inner])]
        body = "  " * len(lines) + ", ".join(spatial + rows)
        lines.append(
            f"{body}: {', '.join(einsum.output.tensor for einsum in tile.loop)}".replace("  :", "  ")
        )
        if tile.after:
            depth = len(nest) - 1
            lines += ["  " * (depth + level) + loop for level, loop in enumerate(inner)]
            after = ", ".join(einsum.output.tensor for einsum in tile.after)
            lines.append("  " * (depth + len(inner)) + f"{', '.join(spatial)}: {after}".removeprefix(": "))
        return "\n".join(lines)

    def text(self, width: int = gantt.WIDTH) -> str:
        """The binding for people: partition, loops, assignment with reasons, epoch."""
        parts, schedule = self.partition, self.schedule
        proof = "proven optimal" if schedule.optimal else "not proven optimal"
        lines = [
            f"tiles of {parts.p0} columns, {parts.p1} of them (P1) to a generation, {parts.p2} times (P2): "
            f"{parts.buffer} holds {parts.bound} tiles at {parts.column_bytes} bytes a column "
            f"beside {parts.stationary_bytes}",
            "",
            self.loops(),
            "",
            *self.assigned(),
            "",
            f"period {schedule.period} cycles a tile, {proof}: {self.bound.reason}; a tile is in flight "
            f"for {schedule.makespan} cycles",
        ]
        for unit, cycles in self.post_cycles.items():
            lines.append(f"after the loop: {cycles:.4g} cycles a tile on {unit}, outside the period")
        return "\n".join([*lines, "", gantt.text(schedule, width)])

    def assigned(self) -> list[str]:
        """The assignment: a line per Einsum, with what it costs on each unit."""
        found = self.assignment
        wide = max(len(tensor) for tensor in found.costs)
        lines = []
        for tensor, offers in found.costs.items():
            said = []
            for unit, cost in offers.items():
                price = f"{cost.steps} = {cost.reason}" if cost.steps is not None else f"no: {cost.reason}"
                said.append(f"{unit} {price}")
            lines.append(f"{tensor:{wide}}  on {found.units[tensor]}  ({'; '.join(said)})")
        moved = ", ".join(f"{tensor} {source} → {sink}" for tensor, source, sink in found.transfers)
        return [*lines, f"between units: {moved or 'nothing'}"]


def bind(
    cascade: Cascade,
    target: Target,
    *,
    rows: int | None = None,
    cols: int | None = None,
    pinned: Mapping[str, str] | None = None,
    copies: int | None = None,
    seed: int = 0,
    time_limit_s: float = 20.0,
    progress: Progress | None = None,
) -> Binding:
    """Partition, assign and schedule a one-pass cascade.

    Args:
        cascade: with a generational rank and extents.
        target: an accelerator with transfers between its units.
        rows: rows of its two-dimensional array, where other than the target's.
        cols: columns and lanes, likewise.
        pinned: tensor → unit, for Einsums whose place is given.
        copies: tiles after which a register is used again, None for as many as there are registers.
        seed: the solver's.
        time_limit_s: effort of the scheduler, about wall seconds of one core.
        progress: told which period is tried.

    Raises:
        PlanError: see `tile_of`, `assign`, `partition` and `schedule_tile`.
    """
    tile = tile_of(cascade)
    arrays = arrays_of(target, rows=rows, columns=cols)
    parts = partition(tile, target, arrays)
    found = assign(tile, target, rows=rows, columns=cols, tiles=parts.p1, pinned=pinned)
    tasks, edges = tile_graph(cascade, target, rows=rows, cols=cols, p1=parts.p1, assignment=found)
    units = tuple(array.name for array in arrays)
    registers = {array.name: array.entries for array in arrays if array.entries is not None}
    schedule = schedule_tile(
        tasks,
        edges,
        units=units,
        copies=copies,
        registers=registers,
        seed=seed,
        time_limit_s=time_limit_s,
        progress=progress,
    )
    bound = lower_bound(tasks, edges, units, copies)
    return Binding(tile, parts, found, schedule, bound, target.name)
