"""The constraints of a modulo schedule with a given period, for CP-SAT.

With the period fixed all is linear: a task's first cycle is residue + period · stage, one truth value says
which residue and which rhythm of steps it has, and in every cycle of the period a unit serves at most one of
those that would use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ortools.sat.python import cp_model

from ...ir.schedule import Edge, Placed, Task


@dataclass(frozen=True)
class Problem:
    """What to schedule, and within what limits: see `schedule_tile`."""

    tasks: tuple[Task, ...]
    edges: tuple[Edge, ...]
    units: tuple[str, ...]
    copies: int | None
    registers: Mapping[str, int]
    max_stride: int

    @property
    def longest(self) -> int:
        """A period that holds a tile from its first step to its end, one task after the other."""
        return sum(task.steps for task in self.tasks) + sum(edge.latency for edge in self.edges) + 1


class Impossible(Exception):
    """A task alone does not fit in the period."""


@dataclass
class _Run:
    """The variables of one task: when it starts, and how far apart its steps are."""

    task: Task
    residue: cp_model.IntVar
    stage: cp_model.IntVar
    first: cp_model.LinearExpr
    rhythms: dict[Placed, cp_model.IntVar] = field(default_factory=dict)
    starts: dict[Placed, list[cp_model.IntVar]] = field(default_factory=dict)

    def at(self, step: int) -> cp_model.LinearExpr:
        """Cycle of a step."""
        offsets = [rhythm.at(step) for rhythm in self.rhythms]
        return self.first + cp_model.LinearExpr.weighted_sum(list(self.rhythms.values()), offsets)

    @property
    def last(self) -> cp_model.LinearExpr:
        """Cycle of the last step."""
        return self.at(self.task.steps - 1)


class Model:
    """The constraints for one period."""

    def __init__(self, problem: Problem, period: int) -> None:
        self.problem, self.period = problem, period
        self.model = cp_model.CpModel()
        work = sum(t.steps * problem.max_stride for t in problem.tasks)
        self.horizon = work + sum(e.latency for e in problem.edges) + period * (len(problem.tasks) + 1)
        self.runs = {task.name: self.run(task) for task in problem.tasks}
        for unit in problem.units:
            self.share(unit)
        for edge in problem.edges:
            if edge.streamed:
                self.stream(edge)
            else:
                self.wait(edge)
        self.keep()
        self.rotate()

    def run(self, task: Task) -> _Run:
        """The variables of a task."""
        residue = self.model.new_int_var(0, self.period - 1, f"residue of {task.name}")
        stage = self.model.new_int_var(0, self.horizon // self.period, f"stage of {task.name}")
        run = _Run(task, residue, stage, residue + self.period * stage)
        for rhythm in self.rhythms(task):
            if task.steps <= self.period and rhythm.last < self.period:
                run.starts[rhythm] = [
                    self.model.new_bool_var(f"{rhythm} from {start}") for start in range(self.period)
                ]
                run.rhythms[rhythm] = self.model.new_bool_var(str(rhythm))
                self.model.add(sum(run.starts[rhythm]) == run.rhythms[rhythm])
        if not run.starts:
            raise Impossible
        everything = [(start, x) for starts in run.starts.values() for start, x in enumerate(starts)]
        self.model.add_exactly_one(x for _, x in everything)
        self.model.add(residue == sum(start * x for start, x in everything))
        return run

    def rhythms(self, task: Task) -> list[Placed]:
        """The ways its steps may follow each other, from cycle 0."""
        strides = range(1, self.problem.max_stride + 1 if task.steps > 1 else 2)
        found = [Placed(task, 0, stride) for stride in strides]
        streamed = {name for e in self.problem.edges if e.streamed for name in (e.producer, e.consumer)}
        if task.name not in streamed:
            beside = [each for each in self.problem.tasks if each.unit == task.unit and each.name in streamed]
            for part in sorted({each.steps for each in beside if 1 < each.steps < task.steps}):
                found += [Placed(task, 0, stride, part, 1) for stride in strides[1:]]
                found += [Placed(task, 0, 1, task.steps - part, stride) for stride in strides[1:]]
        return found

    def share(self, unit: str) -> None:
        """One step a cycle of the period."""
        users: list[list[cp_model.IntVar]] = [[] for _ in range(self.period)]
        for run in self.runs.values():
            if run.task.unit == unit:
                for rhythm, starts in run.starts.items():
                    offsets = [rhythm.at(step) for step in range(run.task.steps)]
                    for start, x in enumerate(starts):
                        for offset in offsets:
                            users[(start + offset) % self.period].append(x)
        for cycle in users:
            self.model.add_at_most_one(cycle)

    def wait(self, edge: Edge) -> None:
        """The consumer begins when all is there."""
        producer, consumer = self.runs[edge.producer], self.runs[edge.consumer]
        later = edge.distance * self.period
        self.model.add(consumer.first + later >= producer.last + edge.latency)

    def stream(self, edge: Edge) -> None:
        """Step after step, and no more in the queue than it holds; a line keeps clear where its ends do."""
        producer, consumer = self.runs[edge.producer], self.runs[edge.consumer]
        later, steps = edge.distance * self.period, producer.task.steps
        for step in {0, steps - 1}:
            self.model.add(consumer.at(step) + later >= producer.at(step) + edge.latency)
        if edge.depth is None:
            return
        for step in {0, steps - 1 - edge.depth} if edge.depth < steps else ():
            self.model.add(producer.at(step + edge.depth) + edge.latency > consumer.at(step) + later)
        for first in range(min(edge.depth, steps)):
            last = steps - 1 - (steps - 1 - first) % edge.depth
            arrival = producer.at(first) + edge.latency + self.period
            self.model.add(arrival > consumer.at(last) + later)

    def keep(self) -> None:
        """Results stay in registers until they are read, and the registers are enough."""
        problem, most = self.problem, self.problem.copies
        kept: dict[tuple[str, str], list[Edge]] = {}
        queues: dict[str, dict[tuple[str, str], int]] = {}
        for edge in problem.edges:
            if edge.held and not edge.streamed:
                kept.setdefault((edge.producer, edge.held), []).append(edge)
            elif edge.held:
                depth = edge.depth or self.runs[edge.producer].task.steps
                queues.setdefault(edge.held, {})[edge.producer, edge.consumer] = depth
        taken: dict[str, list[cp_model.LinearExprT]] = {
            unit: [sum(queue.values())] for unit, queue in queues.items()
        }
        ceiling = most if most is not None else self.horizon // self.period + 1
        for (name, unit), edges in kept.items():
            copies = self.model.new_int_var(1, ceiling, f"copies of {name} in {unit}")
            for edge in edges:
                producer, consumer = self.runs[name], self.runs[edge.consumer]
                read = consumer.last if edge.until is None else consumer.at(edge.until)
                lives = read + edge.distance * self.period - producer.first - edge.latency
                self.model.add(lives < self.period * copies)
            taken.setdefault(unit, []).append(max(edge.words for edge in edges) * copies)
        for unit, amounts in taken.items():
            if unit in problem.registers:
                self.model.add(sum(amounts) <= problem.registers[unit])

    def rotate(self) -> None:
        """Schedules that differ by a rotation only are one: the first task begins the period."""
        self.model.add(next(iter(self.runs.values())).residue == 0)

    def minimise(self) -> None:
        """The shortest way of a tile; then everything as early as can be, and steps without gaps."""
        begin = self.model.new_int_var(0, self.horizon, "begin")
        end = self.model.new_int_var(0, 2 * self.horizon, "end")
        for run in self.runs.values():
            self.model.add(begin <= run.first)
            self.model.add(end >= run.last)
        weight = (len(self.runs) + 2) * self.horizon
        total = cp_model.LinearExpr.sum([run.first - begin for run in self.runs.values()])
        gaps = cp_model.LinearExpr.sum(
            [
                chosen
                for run in self.runs.values()
                for rhythm, chosen in run.rhythms.items()
                if rhythm.switch is not None or rhythm.stride > 1
            ]
        )
        self.model.minimize(weight * (end - begin) + total + gaps)

    def hint(self, placed: tuple[Placed, ...]) -> None:
        """Start from a schedule."""
        if not placed:
            return
        head = next(iter(self.runs))
        turned = -next(place.first for place in placed if place.task.name == head) % self.period
        for place in placed:
            run = self.runs[place.task.name]
            stage, residue = divmod(place.first + turned, self.period)
            self.model.add_hint(run.residue, residue)
            self.model.add_hint(run.stage, stage)
            for rhythm, chosen in run.rhythms.items():
                self.model.add_hint(chosen, rhythm == replace(place, first=0))

    def read(self, solver: cp_model.CpSolver) -> tuple[Placed, ...]:
        """The schedule found, its first step in cycle 0."""
        placed = []
        for run in self.runs.values():
            first = solver.value(run.residue) + self.period * solver.value(run.stage)
            rhythm = next(rhythm for rhythm, chosen in run.rhythms.items() if solver.value(chosen))
            placed.append(replace(rhythm, first=first))
        begin = min(place.first for place in placed)
        return tuple(replace(place, first=place.first - begin) for place in placed)
