"""What is known of the smallest arena, a plan above and a proof below, and how the legs narrow it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from .check import check
from .problem import Buffer, Plan, grain_bytes, make_plan, peak_bytes
from .search import Answer

Probe = Callable[[int, float], Answer]
"""``probe(capacity, effort)``: whether an arena of that many bytes takes the buffers, within an effort."""

_FIRST_STEP = 8  # of the gap, the first step down
_BOUND_SHARE = 4  # of the effort of a step, what the bound itself is worth: there the search ends


class Bracket:
    """The best plan and the best bound so far; legs on several threads improve both.

    Args:
        buffers: of one arena.
        plan: a first plan, with a bound.
        goal: the arena that is wanted, in bytes; None for the smallest.
    """

    def __init__(self, buffers: Sequence[Buffer], plan: Plan, goal: int | None = None) -> None:
        self._buffers = buffers
        self._grain = grain_bytes(buffers)
        self._residues = {buffer.size_bytes % self._grain for buffer in buffers if buffer.size_bytes}
        self._lock = threading.Lock()
        self.goal = goal
        self.plan = plan
        self.low = self.attainable(plan.lower_bound_bytes)
        self.proved_by = "bound"
        self.settled = threading.Event()
        self._settle()

    @property
    def high(self) -> int:
        """Peak of the best plan, bytes."""
        return self.plan.peak_bytes

    @property
    def closed(self) -> bool:
        """Whether the goal is met or impossible, or the plan as small as its bound."""
        if self.goal is not None and (self.high <= self.goal or self.low > self.goal):
            return True
        return self.low >= self.high

    def attainable(self, bound: int) -> int:
        """The least peak at or above a bound: a multiple of the grain and a buffer's size on it."""
        if not self._residues:
            return bound
        return min(bound + (residue - bound) % self._grain for residue in self._residues)

    def found(self, offsets: Mapping[str, int], solver: str) -> None:
        """Take a layout, if it is smaller and the checker accepts it."""
        if peak_bytes(self._buffers, offsets) < self.high:
            check(self._buffers, offsets)
            with self._lock:
                if peak_bytes(self._buffers, offsets) < self.high:
                    self.plan = make_plan(self._buffers, offsets, self.low, solver)
            self._settle()

    def too_small(self, capacity: int, solver: str) -> None:
        """Take a proof that no arena of that many bytes will do."""
        with self._lock:
            if self.attainable(capacity + 1) > self.low:
                self.low = self.attainable(capacity + 1)
                self.proved_by = solver
        self._settle()

    def _settle(self) -> None:
        if self.closed:
            self.settled.set()

    def result(self) -> Plan:
        """The best plan with the best bound."""
        return make_plan(self._buffers, self.plan.offsets, self.low, self.plan.solver)

    def narrow(
        self,
        probe: Probe,
        effort: float,
        total: float,
        solver: str,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Probe arenas until the bracket closes or the effort is spent.

        In each round first the bound itself, then from the best plan downwards, in steps that double where
        one succeeds and are halved where not; from round to round with twice the effort. A capacity well
        above the smallest is decided fast, the one next to it may never be.

        Args:
            probe: decides one capacity; neither offsets nor a proof means that the effort was spent.
            effort: of a probe in the first round.
            total: of all of them.
            solver: name of the leg.
            over: whether to give up.
        """
        if self.goal is not None:
            self._learn(self.goal, probe(self.goal, total), solver)
            return

        def ask(capacity: int, share: float = 1) -> bool:
            nonlocal total
            spent = min(share * effort, total)
            answer = probe(capacity, spent)
            total -= spent
            self._learn(capacity, answer, solver)
            return answer.offsets is not None

        def going() -> bool:
            return total > 0 and not self.closed and not over()

        while going():
            if not ask(self.low, _BOUND_SHARE):
                step = max((self.high - self.low) // _FIRST_STEP, 1)
                while going():
                    target = max(self.high - step, self.low)
                    if ask(target):
                        step *= 2
                    elif self.attainable(target + 1) >= self.high:
                        break
                    else:
                        step = max(step // 2, 1)
            effort *= 2

    def _learn(self, target: int, answer: Answer, solver: str) -> None:
        if answer.offsets is not None:
            self.found(answer.offsets, solver)
        elif answer.proved:
            self.too_small(target, solver)
