"""The mapping problem as a mixed-integer program, exact but for offsets: fast memory is bytes, not places.

Per access: served fast or slow; per use: held since the access before, or copied in. Per copy and
instruction: how much of it has moved, and whether it has begun, for from then on it takes its tensor's bytes;
a copy that a use did not wait for may go on to the next. A tensor made in fast memory takes its bytes until
it is saved to slow memory or not wanted any more. An instruction lasts at least its compute, its traffic, and
its slow traffic with the copies that move in it; what they leave of a copy is waited for.

Bytes may lie anywhere, even in parts, so the optimum is at least as fast as any mapping, and so is that of
the linear program in which an access may be served in part. Of an alias class, the largest member that is
there counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from ortools.math_opt.python import mathopt
from ortools.math_opt.solvers import highs_pb2

from .board import NONE, Board, Desk
from .problem import Machine, Problem
from .rules import RECTANGLES

SCALE = 1000.0
"""Units of time in the latency with everything in slow memory."""
SLACK = 1e-6
"""Of a bound, relative: the tolerance with which it was found."""
HALF = 0.5
LEFT = 1e-6
"""Of a copy: what a solution's tolerance leaves."""
MOST_CELLS = 80_000
"""Instructions × tensors of a problem that is stated so: beyond, the linear program alone takes a minute."""
LINEAR = 600.0
"""Seconds after which the linear program is given up: it takes some, or a minute on a busy machine."""

Variable = mathopt.Variable
Terms = Iterable[tuple[Variable, float]]


@dataclass(frozen=True)
class Effort:
    """When to stop: nodes of the tree, which are the same everywhere, and seconds, in case they take long.

    ``gap`` is how near to its bound a plan is taken for the best, relative.
    """

    nodes: int
    seconds: float
    gap: float = SLACK


@dataclass(frozen=True)
class Piece:
    """A stay of a tensor, as a row of `board.Board`, and the accesses it serves."""

    tensor: int
    first: int
    last: int
    begin: int
    need: int
    done: int
    accesses: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What is known: a bound, seconds, and the pieces of the best plan, not placed; None if there is none."""

    bound_s: float
    pieces: tuple[Piece, ...] | None
    solved: bool


@dataclass
class _Copy:
    """The copy in for one use: whether it is made, how far it is, whether it has begun."""

    made: Variable
    moved: dict[int, Variable]
    begun: dict[int, Variable]


class Program:
    """The variables and rows of a problem.

    Args:
        desk: the problem.
        whole: serve each access wholly from one memory; else the linear program.
        window: instructions before a use in which its copy may move, and after a definition in which it may
            be saved; None for all, which a bound needs.
    """

    def __init__(self, desk: Desk, *, whole: bool, window: int | None = None) -> None:
        self.desk, self.T, self.L = desk, desk.tables, desk.lists
        self.whole, self.n = whole, int(self.T.compute_s.size)
        self.window = self.n if window is None else window
        self.unit = desk.all_slow_s / SCALE or 1.0
        self.model = mathopt.Model()
        self.cost: dict[Variable, float] = {}
        self.link: dict[int, list[tuple[Variable, float]]] = defaultdict(list)
        self.bytes: dict[int, list[tuple[Variable, float]]] = defaultdict(list)
        self.joint: dict[tuple[int, int], Variable] = {}
        self.fast: dict[int, Variable] = {}
        self.held: dict[int, Variable] = {}
        self.copies: dict[int, _Copy] = {}
        self.saved: dict[int, dict[int, Variable]] = {}
        self.saving: dict[int, tuple[Variable, dict[int, Variable]]] = {}
        self.tensors: list[int] = []
        for x in range(self.T.height.size):
            accesses = self._accesses(x)
            if accesses and self.T.movable[x]:
                self._tensor(x, accesses)
        self._instructions()

    def _accesses(self, x: int) -> list[int]:
        return [int(a) for a in self.L.access[self.L.access_at[x] : self.L.access_at[x + 1]]]

    def _variable(self, *, flag: bool = False, cost: float = 0.0) -> Variable:
        made = self.model.add_variable(lb=0.0, ub=1.0, is_integer=flag and self.whole)
        if cost:
            self.cost[made] = cost
        return made

    def _row(self, terms: Terms, low: float = -np.inf, high: float = np.inf) -> None:
        row = self.model.add_linear_constraint(lb=low, ub=high)
        for variable, factor in terms:
            row.set_coefficient(variable, factor + row.get_coefficient(variable))

    def _demand(self, x: int) -> float:
        return float(self.T.demand_s[x]) / self.unit

    def _takes(self, k: int, x: int, terms: list[tuple[Variable, float]]) -> None:
        """Count a tensor's bytes at an instruction, as often as the terms say."""
        share = float(self.T.height[x]) / max(float(self.T.machine[0]), 1.0)
        if not self.T.shared[x]:
            self.bytes[k] += [(variable, factor * share) for variable, factor in terms]
            return
        key = (k, int(self.T.group[x]))
        if key not in self.joint:
            self.joint[key] = self._variable()
            self.bytes[k].append((self.joint[key], 1.0))
        self._row([(self.joint[key], -1.0), *((v, f * share) for v, f in terms)], high=0.0)

    def _tensor(self, x: int, accesses: list[int]) -> None:
        self.tensors.append(x)
        times = [int(self.T.instruction[a]) for a in accesses]
        made = bool(self.T.output[accesses[0]])
        for a in accesses:
            self.fast[a] = self._variable(flag=True)
        if made:
            self._save(x, self.fast[accesses[0]], times)
        carried: tuple[Variable, Variable] | None = None
        for j, a in enumerate(accesses):
            here = [(self.fast[a], 1.0)]
            if not (made and j == 0):
                before = accesses[j - 1] if j else None
                carried = self._use(x, a, before, accesses[0] if made else None, carried, times[-1])
                if carried is not None:
                    here.append((carried[1], 1.0))
            self._takes(times[j], x, here)
        if made and self.T.result[x]:  # held until it is saved
            for k in range(times[-1] + 1, self.n):
                tail = self._variable()
                self._unsaved(x, k, tail, self.fast[accesses[0]])
                self._takes(k, x, [(tail, 1.0)])
        if x in self.desk.pinned:
            for variable in (*(self.fast[a] for a in accesses), *(self.held[a] for a in accesses[1:])):
                variable.lower_bound = 1.0

    def _save(self, x: int, made_fast: Variable, times: list[int]) -> None:
        """The copy out of a tensor made in fast memory; ``saved`` says from when slow memory has it."""
        stop = self.n if self.T.result[x] else times[-1]
        waited = self._variable(cost=self._demand(x))
        flags: dict[int, Variable] = {times[0]: waited}
        self.saving[x] = waited, {}
        moved: Variable | None = None
        for k in range(times[0] + 1, stop):
            if k > times[0] + self.window:
                flags[k] = flags[k - 1]
                continue
            now = self._variable()
            self.link[k].append((now, self._demand(x)))
            if moved is not None:
                self.link[k].append((moved, -self._demand(x)))
                self._row([(now, 1.0), (moved, -1.0)], low=0.0)
            moved = self.saving[x][1][k] = now
            flags[k] = self._variable(flag=True)
            self._row([(flags[k], 1.0), (now, -1.0), (waited, -1.0)], high=0.0)
            self._row([(flags[k], 1.0), (flags[k - 1], -1.0)], low=0.0)
        if self.T.result[x]:
            whole = [(waited, 1.0)] if moved is None else [(waited, 1.0), (moved, 1.0)]
            self._row([*whole, (made_fast, -1.0)], low=0.0)
        self.saved[x] = flags

    def _unsaved(self, x: int, k: int, held: Variable, made_fast: Variable) -> None:
        """What slow memory does not have before an instruction lies in fast memory during it."""
        self._row([(held, 1.0), (made_fast, -1.0), (self.saved[x][k - 1], 1.0)], low=0.0)

    def _use(
        self,
        x: int,
        a: int,
        before: int | None,
        definition: int | None,
        carried: tuple[Variable, Variable] | None,
        final: int,
    ) -> tuple[Variable, Variable] | None:
        """One use: held or copied in; (progress, whether begun) of a copy that goes on to the next use."""
        t, demand = int(self.T.instruction[a]), self._demand(x)
        lowest = int(self.T.instruction[before]) + 1 if before is not None else 0
        copied, held = self._variable(flag=True), None
        parts = [(self.fast[a], 1.0), (copied, -1.0)]
        if before is not None:
            held = self.held[a] = self._variable(flag=True)
            parts.append((held, -1.0))
            self._row([(held, 1.0), (self.fast[before], -1.0)], high=0.0)
            if definition is not None:  # what is not held on is in slow memory by now
                wanted = [(self.fast[definition], 1.0), (held, -1.0), (self.saved[x][t - 1], -1.0)]
                self._row(wanted, high=0.0)
        self._row(parts, 0.0, 0.0)
        goes_on = self._carry(x, a) if t < final and self.window >= self.n else None
        copy = _Copy(copied, {}, {})
        moved, begun = carried if carried is not None else (None, None)
        for k in range(lowest, t):
            bytes_here = [] if held is None else [(held, 1.0)]
            if k >= t - self.window:
                moved, begun = self._move(x, k, demand, moved, begun)
                copy.moved[k], copy.begun[k] = moved, begun
                bytes_here.append((begun, 1.0))
                ends = [(copied, -1.0)] if goes_on is None else [(copied, -1.0), (goes_on[2], -1.0)]
                self._row([(begun, 1.0), *ends], high=0.0)
                if definition is not None:
                    saved = [(self.fast[definition], 1.0), (self.saved[x][k - 1], -1.0)]
                    self._row([(begun, 1.0), *saved], high=1.0)
            if definition is not None:
                there = self._variable()
                self._row([(there, 1.0), *((v, -f) for v, f in bytes_here)], low=0.0)
                self._unsaved(x, k, there, self.fast[definition])
                bytes_here = [(there, 1.0)]
            self._takes(k, x, bytes_here)
        self._waited(x, copied, moved, goes_on)
        self.copies[a] = copy
        return None if goes_on is None else (goes_on[1], goes_on[2])

    def _waited(
        self,
        x: int,
        copied: Variable,
        moved: Variable | None,
        goes_on: tuple[Variable, Variable, Variable] | None,
    ) -> None:
        """What idle time leaves of a copy is waited for; what goes on to the next use does not count here."""
        waited = self._variable(cost=self._demand(x))
        done = [(waited, 1.0), (copied, -1.0)] + ([] if moved is None else [(moved, 1.0)])
        self._row(done + ([] if goes_on is None else [(goes_on[0], -1.0)]), low=0.0)
        if goes_on is not None:
            self._row([(goes_on[0], 1.0)] + ([] if moved is None else [(moved, -1.0)]), high=0.0)

    def _carry(self, x: int, a: int) -> tuple[Variable, Variable, Variable]:
        """A copy that moves on past a use served slow: progress before and after it, and whether begun."""
        before, after, begun = self._variable(), self._variable(), self._variable(flag=True)
        self.link[int(self.T.instruction[a])] += [(after, self._demand(x)), (before, -self._demand(x))]
        self._row([(after, 1.0), (before, -1.0)], low=0.0)
        self._row([(after, 1.0), (begun, -1.0)], high=0.0)
        self._row([(begun, 1.0), (self.fast[a], 1.0)], high=1.0)
        return before, after, begun

    def _move(
        self, x: int, k: int, demand: float, moved: Variable | None, begun: Variable | None
    ) -> tuple[Variable, Variable]:
        """A copy during one more instruction."""
        now, flag = self._variable(), self._variable(flag=True)
        self.link[k].append((now, demand))
        self._row([(flag, 1.0), (now, -1.0)], low=0.0)
        if moved is not None and begun is not None:
            self.link[k].append((moved, -demand))
            self._row([(now, 1.0), (moved, -1.0)], low=0.0)
            self._row([(flag, 1.0), (begun, -1.0)], low=0.0)
        return now, flag

    def _instructions(self) -> None:
        T, unit = self.T, self.unit
        slow: dict[int, list[tuple[Variable, float]]] = defaultdict(list)
        both: dict[int, list[tuple[Variable, float]]] = defaultdict(list)
        for a, fast in self.fast.items():
            k = int(T.instruction[a])
            slow[k].append((fast, float(T.slow_s[a]) / unit))
            both[k].append((fast, float(T.slow_s[a] - T.fast_s[a]) / unit))
        for k in range(self.n):
            length = self.model.add_variable(lb=float(T.compute_s[k]) / unit)
            self.cost[length] = 1.0
            traffic = float(T.traffic_s[k]) / unit
            self._row([(length, 1.0), *both[k]], low=traffic)
            if self.link[k]:
                self._row([(length, 1.0), *slow[k], *((v, -f) for v, f in self.link[k])], low=traffic)
            if self.bytes[k]:
                self._row(self.bytes[k], high=1.0)
        self.model.minimize(mathopt.LinearSum(factor * v for v, factor in self.cost.items()))

    def solve(self, effort: Effort, start: Board | None = None) -> Answer:
        """The best plan found, and a bound.

        Args:
            effort: when to stop.
            start: a plan to begin from.
        """
        hints = [self._hint(start)] if start is not None and self.whole else []
        found = mathopt.solve(
            self.model,
            mathopt.SolverType.HIGHS,
            params=mathopt.SolveParameters(
                time_limit=timedelta(seconds=effort.seconds),
                node_limit=effort.nodes if self.whole else None,
                relative_gap_tolerance=effort.gap if self.whole else None,
                highs=highs_pb2.HighsOptionsProto(int_options={"threads": 1}),
            ),
            model_params=mathopt.ModelSolveParameters(solution_hints=hints),
        )
        solved = found.termination.reason is mathopt.TerminationReason.OPTIMAL
        bound = found.termination.objective_bounds.dual_bound
        pieces = None
        if self.whole and found.has_primal_feasible_solution():
            pieces = tuple(self._pieces(found.variable_values()))
        return Answer(max(bound, 0.0) * self.unit * (1 - SLACK), pieces, solved)

    def _hint(self, board: Board) -> mathopt.SolutionHint:
        values: dict[Variable, float] = {v: float(board.fast[a]) for a, v in self.fast.items()}
        for variable in (*self.held.values(), *(copy.made for copy in self.copies.values())):
            values[variable] = 0.0
        for r in range(int(board.head[RECTANGLES])):
            x, need = int(board.r_tensor[r]), int(board.r_need[r])
            last = int(board.r_last[r])
            for a in self._accesses(x):
                k = int(self.T.instruction[a])
                if not board.fast[a] or not need <= k <= last:
                    continue
                if k > need and a in self.held:
                    values[self.held[a]] = 1.0
                elif k == need and a in self.copies:
                    values[self.copies[a].made] = 1.0
        return mathopt.SolutionHint(variable_values=values)

    def _pieces(self, values: dict[Variable, float]) -> Sequence[Piece]:
        pieces: list[Piece] = []
        for x in self.tensors:
            accesses = self._accesses(x)
            run: list[int] = []
            for a in [*accesses, -1]:
                held = a in self.held and values[self.held[a]] > HALF
                if run and not held:
                    pieces.append(self._piece(x, run, run[-1] == accesses[-1], values))
                    run = []
                if a in self.fast and values[self.fast[a]] > HALF:
                    run.append(a)
        return pieces

    def _piece(self, x: int, run: list[int], final: bool, values: dict[Variable, float]) -> Piece:
        need, last = (int(self.T.instruction[a]) for a in (run[0], run[-1]))
        if run[0] in self.copies:
            begun = self.copies[run[0]].begun
            first = min((k for k, flag in begun.items() if values[flag] > HALF), default=need)
            return Piece(x, first, last, first, need, NONE, tuple(run))
        done = NONE
        if self.T.result[x] or not final:
            waited, moved = self.saving[x]
            left = 1.0 - values[waited] - LEFT
            done = (
                need if left <= 0.0 else min((k for k, v in moved.items() if values[v] >= left), default=last)
            )
        return Piece(x, need, max(last, done), NONE, need, done, tuple(run))


def takes(problem: Problem, most: int = MOST_CELLS) -> bool:
    """Whether a problem is small enough to be stated as a program: instructions × tensors."""
    return len(problem.tensors) * len(problem.instructions) <= min(most, MOST_CELLS)


@lru_cache(maxsize=4)
def relaxed_bound_s(problem: Problem, machine: Machine) -> float:
    """Seconds that no mapping goes below, by the linear program; 0 where the problem is too large for it."""
    if not takes(problem) or not problem.accesses:
        return 0.0
    desk = Desk(problem, machine)
    return Program(desk, whole=False).solve(Effort(0, LINEAR)).bound_s
