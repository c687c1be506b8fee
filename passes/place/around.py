"""The mixed-integer program on the tensors around one instruction; the others stay, their copies may move.

The whole program is often too large to be solved in the time there is, while that of some tensors is
solved; one such neighbourhood after another improves a plan (large-neighbourhood search).
"""

from __future__ import annotations

from random import Random

import numpy as np

from .board import NONE, Board, Desk, clear_class, copy_to, out_from
from .neighbourhood import near
from .packing import pack, unpacked
from .program import Effort, Program
from .rules import RECTANGLES

WINDOW = 40
"""Instructions in which the copies of the tensors around may move."""
EFFORT = Effort(nodes=100, seconds=240.0, gap=1e-5)
"""Of one neighbourhood: a second or so, most are solved before; the clock is for what hangs."""
MOST = 60
"""Accesses in a neighbourhood."""
EVERYWHERE = 0.5
"""Share of neighbourhoods that do not go where time is lost."""


class Around(Program):
    """The program of some tensors beside what a board has of the others.

    Args:
        desk: the problem.
        rest: the other tensors' plan.
        free: lone tensors that `rest` has nothing of.
    """

    def __init__(self, desk: Desk, rest: Board, free: set[int]) -> None:
        self.rest, self.free = rest, free
        self.rows: dict[int, list[int]] = {}
        for r in range(int(rest.head[RECTANGLES])):
            self.rows.setdefault(int(rest.r_tensor[r]), []).append(r)
        super().__init__(desk, whole=True, window=WINDOW)

    def _tensor(self, x: int, accesses: list[int]) -> None:
        if x in self.free:
            super()._tensor(x, accesses)
            return
        there = self.model.add_variable(lb=1.0, ub=1.0)
        for a in accesses:
            if self.rest.fast[a]:
                self.fast[a] = there
        for r in self.rows.get(x, ()):
            first, last, begin, need, done = (
                int(column[r])
                for column in (
                    self.rest.r_first,
                    self.rest.r_last,
                    self.rest.r_from,
                    self.rest.r_need,
                    self.rest.r_done,
                )
            )
            for k in range(first, last + 1):
                self._takes(k, x, [(there, 1.0)])
            if begin != NONE:
                self._copied(x, begin, need)
            if done != NONE:
                self._copied(x, int(out_from(self.rest, r)), done + 1)

    def _copied(self, x: int, first: int, stop: int) -> None:
        """A copy that moves from an instruction on, to before another, and is waited for else."""
        parts = [(self._variable(cost=self._demand(x)), 1.0)]
        for k in range(first, stop):
            part = self._variable()
            parts.append((part, 1.0))
            self.link[k].append((part, self._demand(x)))
        self._row(parts, low=1.0)


class Mender:
    """Improves a plan, neighbourhood by neighbourhood.

    Args:
        desk: the problem.
        rng: chooses.
    """

    def __init__(self, desk: Desk, rng: Random) -> None:
        self.desk, self.rng = desk, rng

    def mend(self, board: Board) -> float:
        """Improve a board in place by one neighbourhood; its latency, which does not rise."""
        desk, now = self.desk, self.desk.price(board)
        free = near(desk, self._middle(board), MOST, self.rng)
        if not free:
            return now
        rest = desk.empty()
        copy_to(desk.tables, rest, board)
        for x in free:
            clear_class(desk.tables, desk.lists, rest, int(desk.tables.group[x]))
        answer = Around(desk, rest, free).solve(EFFORT, board)
        if answer.pieces is None:
            return now
        made = pack(desk, answer.pieces, rest)
        if desk.price(made) >= now:  # not for want of bytes: the others move too
            made = min(made, pack(desk, [*unpacked(desk, rest), *answer.pieces]), key=desk.price)
        latency = desk.price(made)
        if latency <= now:
            copy_to(desk.tables, board, made)
        return min(latency, now)

    def _middle(self, board: Board) -> int:
        """An instruction, often one that slow traffic makes longer than it need be."""
        T = self.desk.tables
        lost = np.maximum(board.slow_s + board.fast_s - T.compute_s, 0.0) - self._least()
        weights = np.maximum(lost, 0.0)
        if self.rng.random() < EVERYWHERE or not weights.any():
            return self.rng.randrange(T.compute_s.size)
        return self.rng.choices(range(T.compute_s.size), weights=weights.tolist())[0]

    def _least(self) -> np.ndarray:
        """What no plan can save: traffic beyond compute with all that may lie in fast memory there."""
        T = self.desk.tables
        traffic = np.zeros(T.compute_s.size)
        np.add.at(traffic, T.instruction, np.where(T.movable[T.tensor], T.fast_s, T.slow_s))
        return np.maximum(traffic - T.compute_s, 0.0)
