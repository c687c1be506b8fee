"""A static schedule of one tile's Einsums on the units of a spatial accelerator, repeated every period.

Modulo scheduling: every tile is scheduled alike, and tile n starts n periods after tile 0, so that several
tiles are in flight at once (FuseMax §V, figure 4: the steady-state epoch). A task is one Einsum on one tile,
a run of steps of one cycle each on one unit; an edge says how much later a step may start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import PlanError


@dataclass(frozen=True)
class Task:
    """One Einsum on one tile.

    Attributes:
        name: the tensor it writes, ``SLNV``.
        unit: the unit it runs on, by its name in the target.
        steps: cycles the unit is busy with it; a matmul over E takes E, an exponential after a subtraction 7.
        einsum: its notation, for people.
    """

    name: str
    unit: str
    steps: int
    einsum: str = ""


@dataclass(frozen=True)
class Edge:
    """A dependence: the consumer's step waits for the producer's.

    Attributes:
        producer: task that writes.
        consumer: task that reads.
        latency: cycles from the producer's step to the first cycle in which the consumer may use its result
            (1: the next cycle on the same unit; fill and drain of an array lie in it).
        distance: tiles between them: the consumer of tile n reads what tile n − distance wrote.
        streamed: step i waits for step i (both have as many steps); else the first waits for the last.
        depth: where streamed, results that may wait between the two; None is no limit. Step i + depth of the
            producer may not finish before step i of the consumer has read; element i waits in register
            i mod depth.
        until: not streamed: the consumer's last step that reads the result; None is its last of all (an
            exponential of a difference reads in its first step only).
        held: unit in whose registers the result waits for its readers; empty where a memory keeps it.
        words: not streamed: registers that one tile's result takes there.
    """

    producer: str
    consumer: str
    latency: int = 1
    distance: int = 0
    streamed: bool = False
    depth: int | None = None
    until: int | None = None
    held: str = ""
    words: int = 1


@dataclass(frozen=True)
class Placed:
    """When a task runs: step i of tile n in cycle ``n·period + first + i·stride``.

    Steps from `switch` on follow each other at another stride, `then`: the part of a long reduction that
    shares the unit with a shorter stream takes turns with it, and the rest does not.
    """

    task: Task
    first: int
    stride: int = 1
    switch: int | None = None
    then: int = 1

    def at(self, step: int) -> int:
        """Cycle of a step of tile 0."""
        before = step if self.switch is None else min(step, self.switch)
        return self.first + before * self.stride + (step - before) * self.then

    @property
    def last(self) -> int:
        """Cycle of the last step of tile 0."""
        return self.at(self.task.steps - 1)


@dataclass(frozen=True)
class Slot:
    """What a unit does in one cycle of the period: a step of a task, for the tile `stage` epochs back."""

    task: str
    step: int
    stage: int


@dataclass(frozen=True)
class Schedule:
    """A modulo schedule.

    Attributes:
        period: cycles per tile, the epoch.
        placed: every task; `first` is at least 0.
        edges: the dependences it was made for.
        units: the units, in the order to show them.
        optimal: no shorter period exists for these tasks and edges (proven).
        lower_bound: cycles; the busiest unit's, or the tightest recurrence's.
    """

    period: int
    placed: tuple[Placed, ...]
    edges: tuple[Edge, ...]
    units: tuple[str, ...]
    optimal: bool
    lower_bound: int

    @property
    def makespan(self) -> int:
        """Cycles from a tile's first step to the end of its last."""
        return max(place.last for place in self.placed) + 1

    @property
    def stages(self) -> int:
        """Tiles in flight at once."""
        return -(-self.makespan // self.period)

    def busy(self, unit: str) -> int:
        """Cycles of the period in which a unit works."""
        return sum(place.task.steps for place in self.placed if place.task.unit == unit)

    def cycles(self, tiles: int) -> int:
        """Cycles from the first step of the first tile to the end of the last step of the last."""
        return (tiles - 1) * self.period + self.makespan if tiles else 0

    def find(self, task: str) -> Placed:
        """A task's place.

        Raises:
            PlanError: no such task.
        """
        for place in self.placed:
            if place.task.name == task:
                return place
        raise PlanError(f"no task '{task}'", accepted=", ".join(place.task.name for place in self.placed))

    def slots(self, unit: str) -> tuple[Slot | None, ...]:
        """What a unit does in each cycle of the period, None where it idles."""
        table: list[Slot | None] = [None] * self.period
        for place in self.placed:
            if place.task.unit == unit:
                for step in range(place.task.steps):
                    stage, cycle = divmod(place.at(step), self.period)
                    table[cycle] = Slot(place.task.name, step, stage)
        return tuple(table)

    def copies(self, unit: str) -> dict[str, int]:
        """Tiles whose results must lie in a unit's registers at once, by producer.

        A result occupies its register from the producer's first step, which begins to accumulate it, until
        its last reader has read; that of `copies` tiles later may then take its place. What goes through a
        queue is not in the answer.
        """
        found: dict[str, int] = {}
        for edge in self.edges:
            if edge.held == unit and not edge.streamed:
                producer, consumer = self.find(edge.producer), self.find(edge.consumer)
                read = consumer.last if edge.until is None else consumer.at(edge.until)
                lives = read + edge.distance * self.period - producer.first - edge.latency
                found[edge.producer] = max(found.get(edge.producer, 1), lives // self.period + 1)
        return found

    def registers(self, unit: str) -> int:
        """Registers that results and queues take in one instance of a unit."""
        copies = self.copies(unit)
        words: dict[tuple[str, str], int] = {}
        for edge in self.edges:
            if edge.held == unit:
                steps = self.find(edge.producer).task.steps
                taken = (edge.depth or steps) if edge.streamed else edge.words * copies[edge.producer]
                key = (edge.producer, edge.consumer if edge.streamed else "")
                words[key] = max(words.get(key, 0), taken)
        return sum(words.values())

    def check(self) -> None:
        """Check every claim of the schedule, independently of whoever made it.

        Raises:
            PlanError: two steps share a unit's cycle, or a step starts before what it reads is there, or a
                result is overtaken by the next one in a queue that has no room.
        """
        taken: dict[tuple[str, int], str] = {}
        for place in self.placed:
            if place.first < 0 or min(place.stride, place.then) < 1:
                raise PlanError("starts before its tile, or has no stride", where=place.task.name)
            for step in range(place.task.steps):
                key = (place.task.unit, place.at(step) % self.period)
                if key in taken:
                    raise PlanError(f"{taken[key]} and {place.task.name} share cycle {key[1]} of {key[0]}")
                taken[key] = place.task.name
        for edge in self.edges:
            self._check_edge(edge)

    def _check_edge(self, edge: Edge) -> None:
        producer, consumer = self.find(edge.producer), self.find(edge.consumer)
        later = edge.distance * self.period
        where = f"{edge.producer} → {edge.consumer}"
        if not edge.streamed:
            if consumer.first + later < producer.last + edge.latency:
                raise PlanError("is read before it is there", where=where)
            return
        for step in range(consumer.task.steps):
            if consumer.at(step) + later < producer.at(step) + edge.latency:
                raise PlanError(f"step {step} is read before it is there", where=where)
            behind = step + edge.depth if edge.depth is not None else producer.task.steps
            if (
                behind < producer.task.steps
                and producer.at(behind) + edge.latency <= consumer.at(step) + later
            ):
                raise PlanError(f"step {step} is overtaken in a queue of {edge.depth}", where=where)
        steps = consumer.task.steps
        for first in range(min(edge.depth or 0, steps)):
            last = steps - 1 - (steps - 1 - first) % (edge.depth or 1)
            if producer.at(first) + edge.latency + self.period <= consumer.at(last) + later:
                raise PlanError(f"step {last} is overtaken by the next tile's step {first}", where=where)

    def to_json(self) -> dict[str, Any]:
        """The schedule as a JSON object."""
        return {
            "period": self.period,
            "stages": self.stages,
            "makespan": self.makespan,
            "optimal": self.optimal,
            "lower_bound": self.lower_bound,
            "units": list(self.units),
            "placed": [asdict(place) for place in self.placed],
            "edges": [asdict(edge) for edge in self.edges],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Schedule:
        """The schedule that `to_json` wrote."""
        return Schedule(
            period=data["period"],
            placed=tuple(Placed(**{**place, "task": Task(**place["task"])}) for place in data["placed"]),
            edges=tuple(Edge(**edge) for edge in data["edges"]),
            units=tuple(data["units"]),
            optimal=data["optimal"],
            lower_bound=data["lower_bound"],
        )
