"""Lower bounds on the period of a modulo schedule: the busiest unit, and the tightest recurrence.

A recurrence is a cycle of dependences: what tile n reads, tile n − d wrote, so d periods must hold the
latencies along it. A register that is reused after c tiles closes such a cycle too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.errors import PlanError
from ...ir.schedule import Edge, Task


@dataclass(frozen=True)
class Bound:
    """A lower bound, in cycles, and what sets it.

    Attributes:
        resource: steps of the busiest unit.
        recurrence: the least period at which no cycle of dependences is too long; 1 where there is none.
        unit: the busiest unit.
    """

    resource: int
    recurrence: int
    unit: str

    @property
    def cycles(self) -> int:
        """No period is shorter."""
        return max(self.resource, self.recurrence)

    @property
    def reason(self) -> str:
        """What sets it, in words."""
        if self.resource >= self.recurrence:
            return f"{self.unit} is busy for {self.resource} cycles a tile"
        return f"a recurrence takes {self.recurrence} cycles a tile"


def lower_bound(
    tasks: Sequence[Task], edges: Sequence[Edge], units: Sequence[str], copies: int | None = None
) -> Bound:
    """The bound on the period.

    Args:
        tasks: the Einsums of a tile.
        edges: what waits for what.
        units: the units.
        copies: tiles after which a register is reused, None for never.

    Raises:
        PlanError: a tile's results wait for themselves, so that no period is long enough.
    """
    busy = {unit: sum(task.steps for task in tasks if task.unit == unit) for unit in units}
    unit = max(units, key=lambda name: busy[name])
    arcs = [arc for edge in edges for arc in _arcs(edge, {task.name: task for task in tasks}, copies)]
    names = [task.name for task in tasks]
    low, high = 1, 1 + sum(max(0, arc.cycles) for arc in arcs)
    if _late(names, arcs, high):
        raise PlanError(
            "results wait for themselves: no period is long enough",
            accepted="cycles of dependences that go through an earlier tile, and copies for as many tiles",
        )
    while low < high:
        middle = (low + high) // 2
        if _late(names, arcs, middle):
            low = middle + 1
        else:
            high = middle
    return Bound(max(1, busy[unit]), low, unit)


@dataclass(frozen=True)
class _Arc:
    """`later` starts at least `cycles` − tiles·period after `earlier`."""

    earlier: str
    later: str
    cycles: int
    tiles: int


def _arcs(edge: Edge, tasks: dict[str, Task], copies: int | None) -> list[_Arc]:
    producer, consumer = tasks[edge.producer], tasks[edge.consumer]
    wait = edge.latency + (0 if edge.streamed else producer.steps - 1)
    arcs = [_Arc(edge.producer, edge.consumer, wait, edge.distance)]
    if edge.held and not edge.streamed and copies is not None:
        read = consumer.steps - 1 if edge.until is None else edge.until
        arcs.append(_Arc(edge.consumer, edge.producer, read + 1 - edge.latency, copies - edge.distance))
    return arcs


def _late(names: Sequence[str], arcs: Sequence[_Arc], period: int) -> bool:
    """Whether some cycle of arcs is longer than the periods it spans (Bellman and Ford's longest paths)."""
    start = dict.fromkeys(names, 0)
    for _ in range(len(names) + 1):
        moved = False
        for arc in arcs:
            earliest = start[arc.earlier] + arc.cycles - arc.tiles * period
            if earliest > start[arc.later]:
                start[arc.later] = earliest
                moved = True
        if not moved:
            return False
    return True
