"""The interleave of a one-pass cascade on a GPU: FuseMax's epoch on tensor cores and CUDA cores.

A multiprocessor's tensor cores are the two-dimensional array, its CUDA cores the row beside it (FuseMax,
§IV). Streams are groups of warps that each keep a block of rows in registers and go over tiles of the
streamed rank in turn; tile n is of stream n mod `streams`. A contraction runs on the tensor cores,
everything else on the CUDA cores, and the modulo scheduler (`modulo`) finds in which order they take
tiles. Registers of a stream are one tile's scores and one tile's weights: scores are made anew when the
weights before have been taken from them, and weights when the contraction that read the old ones has
ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

from ...ir.einsum import Einsum
from ...ir.errors import PlanError
from ...ir.operators import MAPS
from ...ir.schedule import Edge, Schedule, Task
from ...ir.targets import Target
from ...ir.view import Cascade
from ..precision import is_matrix_product
from . import gantt
from .bounds import Bound, lower_bound
from .modulo import Progress, schedule_tile
from .tile import Tile, tile_of

STREAMS, ROWS, KEYS = 2, 64, 128
TENSOR, VECTOR = "tensor", "vector"
_STEPS = 64
"""Steps that the busiest unit's work on a tile is counted in, those of small tasks rounded up."""
_REDUCES = {"sum": "add", "max": "max", "min": "max", "prod": "mul"}


@dataclass(frozen=True)
class Interleave:
    """A cascade's epoch on a multiprocessor.

    Attributes:
        tile: what one tile is.
        cycles: of a multiprocessor, by task.
        quantum: cycles of a step of the schedule.
        schedule: the epoch, in steps.
        bound: lower bound on the period, and what sets it.
        streams, rows: how many groups of warps take turns, and rows of each.
        target: the target's name.
    """

    tile: Tile
    cycles: Mapping[str, float]
    quantum: float
    schedule: Schedule
    bound: Bound
    streams: int
    rows: int
    target: str

    @property
    def pace(self) -> str:
        """How long the period is, in words."""
        return f"{self.schedule.period} steps of {self.quantum:.4g} cycles a tile"

    def to_json(self) -> dict[str, Any]:
        """The interleave as a JSON object."""
        return {
            "target": self.target,
            "cascade": str(self.tile.cascade),
            "streams": self.streams,
            "rows": self.rows,
            "cycles": dict(self.cycles),
            "quantum_cycles": self.quantum,
            "schedule": self.schedule.to_json(),
            "bound": {"steps": self.bound.cycles, "reason": self.bound.reason},
            "gantt": gantt.data(self.schedule),
        }

    def text(self, width: int = gantt.WIDTH) -> str:
        """The interleave for people: costs, then the epoch."""
        schedule = self.schedule
        units = {place.task.name: place.task.unit for place in schedule.placed}
        lines = [
            f"{self.streams} streams of {self.rows} rows on one multiprocessor; "
            f"in the chart a cycle is a step of {self.quantum:.4g} cycles",
            "",
            *(
                f"{name:7} on {units[name]}, {cycles:.4g} cycles a tile"
                for name, cycles in self.cycles.items()
            ),
            "",
            f"period {self.pace}: {self.bound.reason}",
            "",
            gantt.text(schedule, width),
        ]
        return "\n".join(lines)


def interleave(
    cascade: Cascade,
    target: Target,
    *,
    streams: int = STREAMS,
    rows: int = ROWS,
    seed: int = 0,
    time_limit_s: float = 20.0,
    progress: Progress | None = None,
) -> Interleave:
    """The order in which tensor cores and CUDA cores take the Einsums of a tile.

    Args:
        cascade: a one-pass cascade with a generational rank and extents.
        target: a GPU, with units ``tensor`` and ``vector``.
        streams: groups of warps on a multiprocessor.
        rows: of each.
        seed, time_limit_s, progress: see `schedule_tile`.

    Raises:
        PlanError: no such cascade, or an operator the target has no rate for.
    """
    tile = tile_of(cascade)
    extents = {**tile.extents, **({tile.columns: rows} if tile.columns else {})}
    apart = {tile.generational, *tile.outer}
    units = {einsum.output.tensor: TENSOR if is_matrix_product(einsum) else VECTOR for einsum in tile.loop}
    cycles = {
        einsum.output.tensor: _cycles(
            einsum,
            target,
            units[einsum.output.tensor],
            prod(extents[r] for r in einsum.ranks if r not in apart),
        )
        for einsum in tile.loop
    }
    busiest = max(sum(c for name, c in cycles.items() if units[name] == unit) for unit in (TENSOR, VECTOR))
    quantum = busiest / _STEPS
    tasks = tuple(
        Task(name, units[name], max(1, ceil(cycles[name] / quantum - 1e-9)), str(einsum))
        for einsum in tile.loop
        for name in (einsum.output.tensor,)
    )
    edges = _edges(tile, units, streams)
    order = (TENSOR, VECTOR)
    schedule = schedule_tile(
        tasks, edges, units=order, max_stride=1, seed=seed, time_limit_s=time_limit_s, progress=progress
    )
    bound = lower_bound(tasks, edges, order, None)
    return Interleave(tile, cycles, quantum, schedule, bound, streams, rows, target.name)


def _cycles(einsum: Einsum, target: Target, unit: str, points: int) -> float:
    """Cycles of one multiprocessor for an Einsum on one tile."""
    rates = target.find_unit(unit).ops_per_cycle
    if unit == TENSOR:
        return 2 * points / rates["mac"]["bf16"]
    classes = dict(MAPS[einsum.map].flops)
    if einsum.reduce is not None:
        folded = _REDUCES.get(einsum.reduce, "cmp")
        classes[folded] = classes.get(folded, 0) + 1
    missing = [name for name in classes if name not in rates and name != "move"]
    if missing:
        raise PlanError(
            f"no rate for {missing[0]}", where=f"{target.name}, {unit}", accepted=", ".join(rates)
        )
    return sum(count * points / rates[name]["f32"] for name, count in classes.items() if name != "move")


def _edges(tile: Tile, units: Mapping[str, str], streams: int) -> tuple[Edge, ...]:
    """What waits for what: results, and registers of the stream's tile before."""
    writers = {einsum.output.tensor: einsum for einsum in tile.loop}
    found: list[Edge] = []
    for einsum in tile.loop:
        name = einsum.output.tensor
        for access in einsum.accesses:
            source = access.tensor
            if source not in writers:
                continue
            apart = _generation(writers[source], tile) - _read_generation(access.index, tile)
            found.append(Edge(source, name, distance=apart * streams))
            if units[source] != units[name] and not apart:
                # A stream's next tile takes the registers when this reader has ended.
                found.append(Edge(name, source, distance=streams))
    return tuple(dict.fromkeys(found))


def _generation(einsum: Einsum, tile: Tile) -> int:
    return _read_generation(einsum.output.index, tile)


def _read_generation(indices: tuple[Any, ...], tile: Tile) -> int:
    """How many generations ahead an access is: ``m1+1`` is one; 0 without the rank."""
    return next((index.const for index in indices if index.terms == ((tile.generational, 1),)), 0)
