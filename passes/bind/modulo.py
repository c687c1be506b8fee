"""Modulo scheduling with CP-SAT: the shortest period first, then the shortest way of a tile through it.

The period is fixed and probed, from the lower bound up, because with a fixed period all is linear. Steps of a
task may be several cycles apart, so that two streams share a unit cycle by cycle (FuseMax figure 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from ...ir.errors import PlanError
from ...ir.schedule import Edge, Placed, Schedule, Task
from .bounds import Bound, lower_bound
from .model import Impossible, Model, Problem

Progress = Callable[[str, float, float | None], None]

MAX_STRIDE = 4
"""Steps of a task are at most so many cycles apart."""
MOST_CHOICES = 3_000_000
"""Cycles × steps × strides of all tasks that the solver is given: some half a minute of one core."""
_CHOICES_PER_SECOND = 400_000.0  # of one core that writes a model down, before any solving
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
        PlanError: a task on no unit, an edge between no tasks, results that wait for themselves, a tile
            too long for the solver, or no schedule with these queues and registers.
    """
    _check(tasks, edges, units)
    if not tasks:
        raise PlanError("nothing to schedule", accepted="at least one task")
    problem = Problem(tuple(tasks), tuple(edges), tuple(units), copies, dict(registers or {}), max_stride)
    bound = lower_bound(tasks, edges, units, copies)
    choices = bound.cycles * max_stride * sum(task.steps for task in tasks if task.steps > 1)
    if choices > MOST_CHOICES:
        raise PlanError(
            f"a tile of {bound.cycles} cycles is too long to be scheduled cycle by cycle",
            where=bound.reason,
            accepted="smaller extents of the ranks that are done step by step",
        )
    period, optimal, found = _shortest_period(problem, bound, seed, time_limit_s / 2, progress)
    if progress is not None:
        progress(f"period {period}: shortest makespan", period, None)
    placed = _solve(problem, period, seed, time_limit_s / 2, hint=found).placed or found
    schedule = Schedule(period, placed, tuple(edges), tuple(units), optimal, bound.cycles)
    schedule.check()
    return schedule


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
    problem: Problem, bound: Bound, seed: int, effort_s: float, progress: Progress | None
) -> tuple[int, bool, tuple[Placed, ...]]:
    """The period, whether every shorter one is refuted, and a schedule.

    Periods from the bound up, one by one until the effort is spent, then in growing steps.
    """
    proven, spent_s, period, step = True, 0.0, bound.cycles, 1
    steps = sum(task.steps for task in problem.tasks if task.steps > 1)
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
        spent_s += answer.spent_s + period * steps * problem.max_stride / _CHOICES_PER_SECOND
        step = 1 if spent_s < effort_s else 2 * step
        proven = proven and answer.refuted and step == 1
        period = min(limit, period + step)


def _solve(
    problem: Problem,
    period: int,
    seed: int,
    effort_s: float,
    *,
    feasible_only: bool = False,
    hint: tuple[Placed, ...] = (),
) -> _Answer:
    try:
        model = Model(problem, period)
    except Impossible:
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
