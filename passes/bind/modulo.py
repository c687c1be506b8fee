"""Modulo scheduling with CP-SAT: the shortest period first, then the shortest way of a tile through it.

The period is fixed and probed, from the lower bound up, because with a fixed period all is linear: a task's
first cycle is residue + period · stage, and a run of steps with a stride keeps clear of another exactly when
the difference of their residues lies in a set that can be tabulated. Strides above 1 let two streams share a
unit cycle by cycle (FuseMax figure 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ortools.sat.python import cp_model

from ...ir.errors import PlanError
from ...ir.schedule import Edge, Placed, Schedule, Task
from .bounds import Bound, lower_bound

Progress = Callable[[str, float, float | None], None]

MAX_STRIDE = 4
"""Steps of a task are at most so many cycles apart."""
_DETERMINISTIC_PER_SECOND = 3.0  # CP-SAT's deterministic time in a second of one core on such models
_WALL_FACTOR = 20.0  # far off, so that a busy machine gives the same answer, only later


def schedule_tile(
    tasks: Sequence[Task],
    edges: Sequence[Edge],
    *,
    units: Sequence[str],
    copies: int | None = None,
    registers: Mapping[str, int] | None = None,
    max_stride: int = MAX_STRIDE,
    seed: int = 0,
    time_limit_s: float = 20.0,
    progress: Progress | None = None,
) -> Schedule:
    """The modulo schedule of a tile with the shortest period found, and its shortest makespan found.

    One worker and a limit in CP-SAT's deterministic time make the answer a function of the arguments.

    Args:
        tasks: the Einsums of a tile.
        edges: what waits for what.
        units: the units, in the order to show them.
        copies: tiles whose results a register may be given in turn; a result then lives at most so many
            periods. None for as many as the registers hold.
        registers: registers of one instance by unit, for results and queues; None for any number.
        max_stride: steps of a task are at most so many cycles apart.
        seed: CP-SAT's random seed.
        time_limit_s: effort, about wall seconds of one core.
        progress: told which period is tried.

    Raises:
        PlanError: a task on no unit, an edge between no tasks, results that wait for themselves, or no
            schedule with these queues and registers.
    """
    _check(tasks, edges, units)
    if not tasks:
        raise PlanError("nothing to schedule", accepted="at least one task")
    problem = _Problem(tuple(tasks), tuple(edges), tuple(units), copies, dict(registers or {}), max_stride)
    bound = lower_bound(tasks, edges, units, copies)
    period, optimal, found = _shortest_period(problem, bound, seed, time_limit_s / 2, progress)
    if progress is not None:
        progress(f"period {period}: shortest makespan", period, None)
    placed = _solve(problem, period, seed, time_limit_s / 2, hint=found).placed or found
    schedule = Schedule(period, placed, tuple(edges), tuple(units), optimal, bound.cycles)
    schedule.check()
    return schedule


@dataclass(frozen=True)
class _Problem:
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


@dataclass(frozen=True)
class _Answer:
    placed: tuple[Placed, ...] | None
    refuted: bool = False
    spent_s: float = 0.0


def _check(tasks: Sequence[Task], edges: Sequence[Edge], units: Sequence[str]) -> None:
    names = {task.name: task for task in tasks}
    for task in tasks:
        if task.unit not in units:
            raise PlanError(f"no unit '{task.unit}'", where=task.name, accepted=", ".join(units))
        if task.steps < 1:
            raise PlanError("a task of no steps", where=task.name, accepted="steps from 1 up")
    if len(names) < len(tasks):
        raise PlanError("two tasks have one name", accepted="names that differ")
    for edge in edges:
        where = f"{edge.producer} → {edge.consumer}"
        for name in (edge.producer, edge.consumer):
            if name not in names:
                raise PlanError(f"no task '{name}'", where=where, accepted=", ".join(names))
        if edge.streamed and names[edge.producer].steps != names[edge.consumer].steps:
            raise PlanError("a stream between different numbers of steps", where=where)
        if edge.streamed and edge.depth is not None and edge.depth < 1:
            raise PlanError("a queue of no depth", where=where, accepted="depth from 1 up")


def _shortest_period(
    problem: _Problem, bound: Bound, seed: int, effort_s: float, progress: Progress | None
) -> tuple[int, bool, tuple[Placed, ...]]:
    """The period, whether every shorter one is refuted, and a schedule.

    Periods from the bound up, one by one until the effort is spent, then in growing steps.
    """
    proven, spent_s, period, step = True, 0.0, bound.cycles, 1
    limit = max(problem.longest, bound.cycles)
    while True:
        if progress is not None:
            progress(f"period {period}, lower bound {bound.cycles}", period - bound.cycles, None)
        answer = _solve(problem, period, seed, effort_s / 2, feasible_only=True)
        if answer.placed is not None:
            return period, proven, answer.placed
        if period == limit:
            raise PlanError(
                f"no schedule with these queues and registers in any period tried up to {limit}",
                accepted="deeper queues, more registers, more copies, or a longer time limit",
            )
        spent_s += answer.spent_s
        step = 1 if spent_s < effort_s else 2 * step
        proven = proven and answer.refuted and step == 1
        period = min(limit, period + step)


def _solve(
    problem: _Problem,
    period: int,
    seed: int,
    effort_s: float,
    *,
    feasible_only: bool = False,
    hint: tuple[Placed, ...] = (),
) -> _Answer:
    try:
        model = _Model(problem, period)
    except _Impossible:
        return _Answer(None, refuted=True)
    if not feasible_only:
        model.minimise()
    model.hint(hint)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = _DETERMINISTIC_PER_SECOND * effort_s
    solver.parameters.max_time_in_seconds = _WALL_FACTOR * effort_s
    status = solver.solve(model.model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return _Answer(model.read(solver))
    spent_s = solver.response_proto.deterministic_time / _DETERMINISTIC_PER_SECOND
    return _Answer(None, status == cp_model.INFEASIBLE, spent_s)


class _Impossible(Exception):
    """A task alone does not fit in the period."""


@dataclass
class _Run:
    """The variables of one task: when it starts, and how far apart its steps are."""

    task: Task
    residue: cp_model.IntVar
    stage: cp_model.IntVar
    first: cp_model.LinearExpr
    strides: dict[int, cp_model.IntVar] = field(default_factory=dict)
    starts: dict[int, list[cp_model.IntVar]] = field(default_factory=dict)

    def at(self, step: int) -> cp_model.LinearExpr:
        """Cycle of a step."""
        offsets = [step * stride for stride in self.strides]
        return self.first + cp_model.LinearExpr.weighted_sum(list(self.strides.values()), offsets)

    @property
    def last(self) -> cp_model.LinearExpr:
        """Cycle of the last step."""
        return self.at(self.task.steps - 1)


class _Model:
    """The constraints for one period."""

    def __init__(self, problem: _Problem, period: int) -> None:
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
        self.turn()

    def run(self, task: Task) -> _Run:
        residue = self.model.new_int_var(0, self.period - 1, f"residue of {task.name}")
        stage = self.model.new_int_var(0, self.horizon // self.period, f"stage of {task.name}")
        run = _Run(task, residue, stage, residue + self.period * stage)
        for stride in range(1, self.problem.max_stride + 1 if task.steps > 1 else 2):
            if task.steps <= self.period and (task.steps - 1) * stride < self.period:
                starts = [
                    self.model.new_bool_var(f"{task.name} from {start} every {stride}")
                    for start in range(self.period)
                ]
                run.starts[stride] = starts
        if not run.starts:
            raise _Impossible
        for stride, starts in run.starts.items():
            chosen = self.model.new_bool_var(f"{task.name} every {stride}")
            run.strides[stride] = chosen
            self.model.add(sum(starts) == chosen)
        everything = [(start, x) for starts in run.starts.values() for start, x in enumerate(starts)]
        self.model.add_exactly_one(x for _, x in everything)
        self.model.add(residue == sum(start * x for start, x in everything))
        return run

    def share(self, unit: str) -> None:
        """One step a cycle of the period."""
        users: list[list[cp_model.IntVar]] = [[] for _ in range(self.period)]
        for run in self.runs.values():
            if run.task.unit == unit:
                for stride, starts in run.starts.items():
                    for start, x in enumerate(starts):
                        for step in range(run.task.steps):
                            users[(start + step * stride) % self.period].append(x)
        for cycle in users:
            self.model.add_at_most_one(cycle)

    def wait(self, edge: Edge) -> None:
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

    def turn(self) -> None:
        """Schedules that differ by a rotation only are one: the first task begins the period."""
        self.model.add(next(iter(self.runs.values())).residue == 0)

    def minimise(self) -> None:
        """The shortest way of a tile; then everything as early as can be."""
        begin = self.model.new_int_var(0, self.horizon, "begin")
        end = self.model.new_int_var(0, 2 * self.horizon, "end")
        for run in self.runs.values():
            self.model.add(begin <= run.first)
            self.model.add(end >= run.last)
        weight = (len(self.runs) + 1) * self.horizon
        total = cp_model.LinearExpr.sum([run.first - begin for run in self.runs.values()])
        self.model.minimize(weight * (end - begin) + total)

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
            for stride, chosen in run.strides.items():
                self.model.add_hint(chosen, stride == place.stride)

    def read(self, solver: cp_model.CpSolver) -> tuple[Placed, ...]:
        placed = []
        for run in self.runs.values():
            first = solver.value(run.residue) + self.period * solver.value(run.stage)
            stride = next(s for s, chosen in run.strides.items() if solver.value(chosen))
            placed.append(Placed(run.task, first, stride))
        begin = min(place.first for place in placed)
        return tuple(Placed(place.task, place.first - begin, place.stride) for place in placed)
