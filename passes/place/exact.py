"""The best mapping there is, by CP-SAT: for small programs, proved.

Per access: served fast or slow; per use: held since the access before, or copied in. Stays are optional
rectangles in one no-overlap of time by offset; a copy takes idle time of the instructions it may move in, an
instruction lasts at least its compute and its traffic, and what idle time does not cover is waited for. A
tensor made in fast memory that slow memory will want is saved while it is held, or a while longer.

Times are whole multiples of a unit; the bound is that of the rounded problem, and the plan is priced anew.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from ...ir.errors import InputError
from .board import NONE, Board, Desk, put, serve
from .plan import MemoryMap

UNITS = 1 << 21
"""Units of time in the latency with everything in slow memory."""
MOST_ACCESSES = 260


@dataclass(frozen=True)
class Exact:
    """A plan, and the bound that was proved, seconds."""

    board: Board
    bound_s: float
    optimal: bool


@dataclass
class _Stay:
    """Variables of one access."""

    fast: cp_model.IntVar
    held: cp_model.IntVar | None
    copied: cp_model.IntVar | None
    start: cp_model.IntVar
    offset: cp_model.IntVar


Since = cp_model.IntVar | int
"""The first instruction that may read a tensor in slow memory."""


class Model:
    """The problem as CP-SAT reads it: `build` states it, `plan` reads a solution."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.T, self.L = desk, desk.tables, desk.lists
        self.model = cp_model.CpModel()
        self.n = self.T.compute_s.size
        self.unit = desk.all_slow_s / UNITS or 1.0
        self.align = desk.machine.alignment
        self.capacity = int(self.T.machine[0]) // self.align
        self.slow: dict[int, list] = defaultdict(list)
        self.fast: dict[int, list] = defaultdict(list)
        self.moved: dict[int, list] = defaultdict(list)
        self.waits: list = []
        self.times: list = []
        self.spaces: list = []
        self.stays: dict[int, _Stay] = {}
        self.saves: dict[int, tuple] = {}

    def whole(self, seconds: float) -> int:
        """A time in units."""
        return round(seconds / self.unit)

    def build(self) -> None:
        """State the problem."""
        for x in range(self.T.height.size):
            accesses = self.accesses(x)
            if accesses:
                self.tensor(x, accesses)
        if self.times:
            self.model.add_no_overlap_2d(self.times, self.spaces)
        lengths = []
        for k in range(self.n):
            slow = sum(self.slow[k])
            least = self.whole(self.T.compute_s[k])
            most = UNITS + least
            length = self.model.new_int_var(least, most, f"length{k}")
            self.model.add(length >= slow + sum(self.fast[k]))
            self.model.add(length >= slow + sum(self.moved[k]))
            lengths.append(length)
        self.model.minimize(sum(lengths) + sum(self.waits))

    def accesses(self, x: int) -> list[int]:
        """A tensor's accesses in order."""
        return [int(a) for a in self.L.access[self.L.access_at[x] : self.L.access_at[x + 1]]]

    def tensor(self, x: int, accesses: list[int]) -> None:
        """State where one tensor may lie."""
        if not self.T.movable[x]:
            for a in accesses:
                self.slow[int(self.T.instruction[a])].append(self.whole(self.T.slow_s[a]))
            return
        model, times = self.model, [int(self.T.instruction[a]) for a in accesses]
        made = bool(self.T.output[accesses[0]])
        since, saved = self._saved(x, times) if made else (0, None)
        height = int(self.T.height[x]) // self.align
        stays: list[_Stay] = []
        for j, a in enumerate(accesses):
            t = times[j]
            fast = model.new_bool_var(f"fast{a}")
            offset = model.new_int_var(0, self.capacity - height, f"offset{a}")
            stay = _Stay(fast, None, None, model.new_int_var(0, t, f"start{a}"), offset)
            if made and j == 0:
                model.add(stay.start == t)
            else:
                self._use(x, j, times, stay, stays[-1] if stays else None, since)
            self._rectangle(stay, t, height)
            self.slow[t].append(self.whole(self.T.slow_s[a]) * (1 - fast))
            self.fast[t].append(self.whole(self.T.fast_s[a]) * fast)
            self.stays[a] = stay
            stays.append(stay)
        if made:
            assert saved is not None
            self._save(x, times, stays, since, saved, height)

    def _rectangle(self, stay: _Stay, t: int, height: int) -> None:
        model = self.model
        size = model.new_int_var(1, self.n, "")
        self.times.append(model.new_optional_interval_var(stay.start, size, t + 1, stay.fast, ""))
        self.spaces.append(model.new_optional_fixed_size_interval_var(stay.offset, height, stay.fast, ""))

    def _saved(self, x: int, times: list[int]) -> tuple:
        """(first instruction that may read slow memory, whether a tensor made fast is saved)."""
        since = self.model.new_int_var(times[0] + 1, self.n + 1, f"since{x}")
        return since, self.model.new_bool_var(f"saved{x}")

    def _use(
        self,
        x: int,
        j: int,
        times: list[int],
        stay: _Stay,
        before: _Stay | None,
        since: Since,
    ) -> None:
        model, t = self.model, times[j]
        stay.copied = model.new_bool_var("")
        if before is None:
            model.add(stay.fast == stay.copied)
        else:
            stay.held = model.new_bool_var("")
            model.add(stay.fast == stay.held + stay.copied)
            model.add_implication(stay.held, before.fast)
            model.add(stay.offset == before.offset).only_enforce_if(stay.held)
            model.add(stay.start == times[j - 1] + 1).only_enforce_if(stay.held)
        model.add(since <= t).only_enforce_if(stay.fast.negated())
        model.add(stay.start >= since).only_enforce_if(stay.copied)
        demand = self.whole(self.T.demand_s[x])
        parts, earlier = [], None
        for k in range(t):
            may = model.new_bool_var("")  # it has started by k
            model.add(stay.start <= k).only_enforce_if(may)
            model.add_implication(may, stay.copied)
            if earlier is not None:
                model.add_implication(earlier, may)
            part = model.new_int_var(0, demand, "")
            model.add(part <= demand * may)
            self.moved[k].append(part)
            parts.append(part)
            earlier = may
        wait = model.new_int_var(0, demand, "")
        model.add(sum(parts) + wait == demand * stay.copied)
        self.waits.append(wait)

    def _save(
        self,
        x: int,
        times: list[int],
        stays: list[_Stay],
        since: Since,
        saved: cp_model.IntVar,
        height: int,
    ) -> None:
        """The copy out of a tensor made in fast memory: within its first stay, or a tail held after it."""
        model, made = self.model, stays[0].fast
        model.add_implication(saved, made)
        model.add(since == times[0] + 1).only_enforce_if(made.negated())
        model.add(since == self.n + 1).only_enforce_if(made, saved.negated())
        if self.T.result[x]:
            model.add_implication(made, saved)
        demand = self.whole(self.T.demand_s[x])
        tail_end = model.new_int_var(0, self.n, "")
        parts, chain, end = [], made, model.new_int_var(times[0] + 1, self.n, "")
        tails = []
        for j, stay in enumerate(stays):
            goes_on = model.new_bool_var("")
            if j + 1 < len(stays):
                held = stays[j + 1].held
                assert held is not None
                model.add_bool_and(chain, held).only_enforce_if(goes_on)
                model.add_bool_or(chain.negated(), held.negated(), goes_on)
            else:
                model.add(goes_on == 0)
            tail = model.new_bool_var("")  # the stay's chain ends here, and is held a while longer
            model.add_bool_and(chain, goes_on.negated(), saved).only_enforce_if(tail)
            size = model.new_int_var(1, self.n, "")
            if times[j] + 1 < self.n:
                self.times.append(model.new_optional_interval_var(times[j] + 1, size, tail_end, tail, ""))
                self.spaces.append(model.new_optional_fixed_size_interval_var(stay.offset, height, tail, ""))
            else:
                model.add(tail == 0)
            last = model.new_bool_var("")  # it ends here without a tail
            model.add_bool_and(chain, goes_on.negated(), tail.negated()).only_enforce_if(last)
            model.add_bool_or(chain.negated(), goes_on, tail, last)
            model.add(end == times[j] + 1).only_enforce_if(last)
            model.add(end == tail_end).only_enforce_if(tail)
            tails.append(tail)
            chain = goes_on
        for k in range(times[0] + 1, self.n):
            may = model.new_bool_var("")
            model.add(end >= k + 1).only_enforce_if(may)
            model.add(since >= k + 1).only_enforce_if(may)
            model.add_implication(may, saved)
            part = model.new_int_var(0, demand, "")
            model.add(part <= demand * may)
            self.moved[k].append(part)
            parts.append(part)
        model.add(since <= end).only_enforce_if(saved)
        wait = model.new_int_var(0, demand, "")
        model.add(sum(parts) + wait == demand * saved)
        self.waits.append(wait)
        self.saves[x] = (saved, since, end)

    def hint(self, plan: MemoryMap) -> None:
        """Tell the solver who a known plan serves fast, and where."""
        for a, stay in self.stays.items():
            self.model.add_hint(stay.fast, int(plan.served_fast[a]))
            access = self.desk.problem.accesses[a]
            for held in plan.rectangles:
                covers = held.first <= access.instruction <= held.last
                if plan.served_fast[a] and held.tensor == access.tensor and covers:
                    self.model.add_hint(stay.offset, held.offset // self.align)
                    break

    def plan(self, solver: cp_model.CpSolver) -> Board:
        """The board of a solution."""
        board = self.desk.empty()
        for x in range(self.T.height.size):
            accesses = [int(a) for a in self.L.access[self.L.access_at[x] : self.L.access_at[x + 1]]]
            run: list[int] = []
            for a in accesses:
                stay = self.stays.get(a)
                if stay is None or not solver.boolean_value(stay.fast):
                    self._put(solver, board, x, run)
                    run = []
                    continue
                if stay.held is None or not solver.boolean_value(stay.held):
                    self._put(solver, board, x, run)
                    run = []
                run.append(a)
            self._put(solver, board, x, run)
        return board

    def _put(self, solver: cp_model.CpSolver, board: Board, x: int, run: list[int]) -> None:
        if not run:
            return
        stay = self.stays[run[0]]
        first, need = solver.value(stay.start), int(self.T.instruction[run[0]])
        made, done = bool(self.T.output[run[0]]), NONE
        last = int(self.T.instruction[run[-1]])
        if made and solver.boolean_value(self.saves[x][0]):
            done = solver.value(self.saves[x][1]) - 1
            last = max(last, done)
        offset = solver.value(stay.offset) * self.align
        put(self.T, board, x, offset, first, last, NONE if made else first, need, done)
        for a in run:
            serve(self.T, board, a)


def small(desk: Desk) -> bool:
    """Whether CP-SAT takes a problem."""
    return desk.tables.tensor.size <= MOST_ACCESSES and not np.any(desk.tables.shared)


def solve_exactly(
    desk: Desk, *, start: MemoryMap | None = None, time_limit_s: float = 60.0, workers: int = 0, seed: int = 0
) -> Exact:
    """The best plan found, and a bound.

    Args:
        desk: the problem.
        start: a plan to tell the solver.
        time_limit_s: for the solver.
        workers: threads; 0 for the cores present.
        seed: of the solver.

    Raises:
        InputError: a program too long for it, or with alias classes of several members.
    """
    T = desk.tables
    if not small(desk):
        raise InputError(
            f"{T.tensor.size} accesses{', alias classes' if np.any(T.shared) else ''}",
            where=desk.problem.name,
            accepted=f"for the exact player: up to {MOST_ACCESSES} accesses, no classes of several tensors",
        )
    model = Model(desk)
    model.build()
    if start is not None:
        model.hint(start)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    status = solver.solve(model.model)
    bound = solver.best_objective_bound * model.unit
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Exact(desk.empty(), bound, False)
    return Exact(model.plan(solver), bound, status == cp_model.OPTIMAL)
