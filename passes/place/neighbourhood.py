"""Large-neighbourhood search: the tensors that live near one instant are laid anew by CP-SAT, the rest stays.

What stays keeps its offset and its windows; its copies may move within them.
"""

from __future__ import annotations

from random import Random

from ortools.sat.python import cp_model

from .board import NONE, Board, Desk, copy_to, out_from, put, serve
from .exact import Model
from .rules import RECTANGLES

FREE_ACCESSES = 40
ROUND_S = 4.0


class _Around(Model):
    """The problem with all but some tensors as they are on a board."""

    def __init__(self, desk: Desk, board: Board, free: set[int]) -> None:
        super().__init__(desk)
        self.board, self.free = board, free
        self.kept = [r for r in range(int(board.head[RECTANGLES])) if int(board.r_tensor[r]) not in free]

    def tensor(self, x: int, accesses: list[int]) -> None:
        if x in self.free:
            super().tensor(x, accesses)
            return
        for a in accesses:
            k = int(self.T.instruction[a])
            if self.board.fast[a]:
                self.fast[k].append(self.whole(self.T.fast_s[a]))
            else:
                self.slow[k].append(self.whole(self.T.slow_s[a]))
        for r in self.kept:
            if int(self.board.r_tensor[r]) == x:
                self._piece(r, x)

    def _piece(self, r: int, x: int) -> None:
        board, model = self.board, self.model
        first, last = int(board.r_first[r]), int(board.r_last[r])
        self.times.append(model.new_fixed_size_interval_var(first, last + 1 - first, ""))
        low = int(board.r_offset[r]) // self.align
        self.spaces.append(model.new_fixed_size_interval_var(low, int(self.T.height[x]) // self.align, ""))
        if board.r_from[r] != NONE:
            self._window(int(board.r_from[r]), int(board.r_need[r]), x)
        if board.r_done[r] != NONE:
            self._window(int(out_from(board, r)), int(board.r_done[r]) + 1, x)

    def _window(self, first: int, stop: int, x: int) -> None:
        """A copy that may move from an instruction to before another, and is waited for else."""
        demand, parts = self.whole(self.T.demand_s[x]), []
        for k in range(first, stop):
            parts.append(self.model.new_int_var(0, demand, ""))
            self.moved[k].append(parts[-1])
        self.waits.append(self.model.new_int_var(0, demand, ""))
        self.model.add(sum(parts) + self.waits[-1] == demand)

    def plan(self, solver: cp_model.CpSolver) -> Board:
        made, old = super().plan(solver), self.board
        for r in self.kept:
            row = (old.r_offset, old.r_first, old.r_last, old.r_from, old.r_need, old.r_done)
            put(self.T, made, int(old.r_tensor[r]), *(int(column[r]) for column in row))
        for a in range(self.T.tensor.size):
            if old.fast[a] and int(self.T.tensor[a]) not in self.free:
                serve(self.T, made, a)
        return made


def near(desk: Desk, middle: int, most: int, rng: Random) -> set[int]:
    """Lone tensors that are accessed around an instruction, nearest first, with so many accesses in all."""
    T, L = desk.tables, desk.lists
    order = sorted(range(T.tensor.size), key=lambda a: abs(int(T.instruction[a]) - middle) + rng.random())
    free: set[int] = set()
    count = 0
    for a in order:
        x = int(T.tensor[a])
        uses = int(L.access_at[x + 1] - L.access_at[x])
        fixed = not T.movable[x] or T.shared[x] or x in desk.pinned
        if x in free or fixed or count + uses > most:
            continue
        free.add(x)
        count += uses
    return free


def improve(desk: Desk, board: Board, rounds: int, seed: int, workers: int = 0) -> list[float]:
    """Improve a board's plan in place; its latency after each round.

    Args:
        desk: a problem without alias classes of several members.
        board: the plan.
        rounds: neighbourhoods to solve.
        seed: of the choice of neighbourhoods, and of the solver.
        workers: threads; 0 for the cores present.
    """
    rng, now, curve = Random(seed), desk.price(board), []
    for _ in range(rounds):
        middle = rng.randrange(desk.tables.compute_s.size)
        around = _Around(desk, board, near(desk, middle, FREE_ACCESSES, rng))
        around.build()
        around.hint(desk.memory_map(board))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = ROUND_S
        solver.parameters.num_workers = workers
        solver.parameters.random_seed = seed
        if solver.solve(around.model) in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            made = around.plan(solver)
            latency = desk.price(made)
            if latency <= now:
                now = latency
                copy_to(desk.tables, board, made)
        curve.append(now)
    return curve
