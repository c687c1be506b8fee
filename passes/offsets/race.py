"""The portfolio: greedies, the exact search and CP-SAT side by side on the machine's cores.

All narrow one bracket; the first to close it wins and the others are stopped. What is proved is the same in
every run; which of several layouts is returned may differ, unless there is one job: then it is `plan`.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .bracket import Bracket
from .crowded import crowded
from .greedy import MATRIX, ONE_BY_ONE, greedies
from .native import available, library
from .planner import NODE_BUFFERS_PER_SECOND, check_given, does_not_fit, finished, plan
from .pools import parts
from .problem import Buffer, Plan, lower_bound_bytes, make_plan
from .search import Search, Stop, takes

if TYPE_CHECKING:
    from .cpsat import CpSat

Watch = Callable[[float, int, int], None]
"""``watch(seconds, peak, bound)``: where the race stands."""

_FIRST_S = 0.1  # what the search gets before others start
_LOOK_S = 0.05
_CPSAT_PROBE_S = 2.0
_PROBE_S = 0.02


@dataclass(frozen=True)
class Race:
    """How a race ended.

    Attributes:
        plan: the best plan; its solver found it.
        bound_by: who proved the lower bound: ``bound``, the bytes live at once, or a leg.
        seconds: wall time.
    """

    plan: Plan
    bound_by: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object, with who proved the bound, and the time."""
        return {**self.plan.to_json(), "bound_by": self.bound_by, "seconds": self.seconds}

    def text(self, capacity: int | None, pools: Mapping[str, int], buffers: Sequence[Buffer]) -> str:
        """The result in a line for people, and a line for every pool."""
        plan, took = self.plan, f"in {self.seconds:.2f} s"
        bound = f"lower bound {plan.lower_bound_bytes}"
        if pools:
            lines = [
                f"pool {pool}: {peak} of {size} bytes"
                for pool, (peak, size) in parts(buffers, plan, pools).items()
            ]
            return "\n".join([*lines, f"by {plan.solver} {took}; together {plan.peak_bytes}, {bound}"])
        verdict = "optimal" if plan.gap == 0 else f"{plan.gap:.2%} above it"
        if capacity is not None and plan.gap:
            verdict = f"within {capacity}; {verdict}"
        by = f" by {self.bound_by}" if self.bound_by not in ("", "bound") else ""
        return f"arena {plan.peak_bytes} bytes by {plan.solver} {took}; {bound}{by}: {verdict}"


def race(
    buffers: Sequence[Buffer],
    *,
    capacity: int | None = None,
    time_limit_s: float = 10.0,
    seed: int = 0,
    jobs: int | None = None,
    watch: Watch | None = None,
) -> Race:
    """Offsets in one arena: within the capacity, or, without one, as small as can be found in the time.

    Args:
        buffers: with unique names.
        capacity: bytes the arena may have.
        time_limit_s: wall seconds; with one job, effort as for `plan`.
        seed: seed of CP-SAT.
        jobs: how many legs run side by side; the cores where not given.
        watch: called some times a second.

    Raises:
        PlanError: two given places collide.
        ToolMissing: tens of thousands of buffers, and no C compiler.
        Infeasible: no plan within the capacity exists, or none was found.
    """
    begin = time.monotonic()
    jobs = jobs or len(os.sched_getaffinity(0))
    if jobs == 1:
        found = plan(buffers, capacity=capacity, time_limit_s=time_limit_s, seed=seed)
        return Race(found, "", time.monotonic() - begin)
    check_given(buffers)
    sized = [buffer for buffer in buffers if buffer.size_bytes]
    bracket = Bracket(sized, stacked(sized), capacity)
    _Course(sized, bracket, begin + time_limit_s, seed, jobs, watch).run()
    best = bracket.result()
    if capacity is not None and best.peak_bytes > capacity:
        raise does_not_fit(sized, capacity, best, time_limit_s)
    return Race(finished(buffers, best, capacity), bracket.proved_by, time.monotonic() - begin)


def stacked(buffers: Sequence[Buffer]) -> Plan:
    """The plan that shares nothing: a start."""
    offsets = {b.name: b.offset for b in buffers if b.offset is not None}
    top = max((offsets[b.name] + b.size_bytes for b in buffers if b.name in offsets), default=0)
    for buffer in buffers:
        if buffer.offset is None:
            offsets[buffer.name] = -(-top // buffer.align) * buffer.align
            top = offsets[buffer.name] + buffer.size_bytes
    solver = "stacked" if any(b.offset is None for b in buffers) else "given"
    return make_plan(buffers, offsets, lower_bound_bytes(buffers), solver)


class _Course:
    """One race: its legs, what stops them, and the clock."""

    def __init__(
        self,
        buffers: Sequence[Buffer],
        bracket: Bracket,
        deadline: float,
        seed: int,
        jobs: int,
        watch: Watch | None,
    ) -> None:
        self._buffers, self._bracket, self._deadline = buffers, bracket, deadline
        self._seed, self._jobs, self._watch = seed, jobs, watch
        self._begin = time.monotonic()
        self._stop = Stop()
        self._over = False
        self._cpsat_leg: CpSat | None = None

    def run(self) -> None:
        """Until the bracket is closed, the time is up, or nobody is left."""
        if self._bracket.closed:
            return
        if len(self._buffers) > (ONE_BY_ONE if available() else MATRIX):
            library()  # without it there is nobody to do this
            self._wait([self._start(self._crowd)])
            return
        searching = takes(self._buffers) and available()
        if self._bracket.goal is None:
            self._greedies()
        legs = [self._start(self._search)] if searching and not self._bracket.closed else []
        self._bracket.settled.wait(_FIRST_S if searching else 0)
        if self._bracket.goal is not None and not self._bracket.closed:
            self._greedies()
        if not self._bracket.closed and len(self._buffers) <= ONE_BY_ONE:
            legs.append(self._start(self._cpsat))
        self._wait(legs)

    def _start(self, leg: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            with contextlib.suppress(MemoryError):  # the others go on
                leg()

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _wait(self, legs: Sequence[threading.Thread]) -> None:
        while any(leg.is_alive() for leg in legs) and time.monotonic() < self._deadline:
            if self._bracket.settled.wait(_LOOK_S):
                break
            if self._watch is not None:
                self._watch(time.monotonic() - self._begin, self._bracket.high, self._bracket.low)
        self._over = True
        self._stop.set()
        for leg in legs:
            while leg.is_alive():  # CP-SAT is told again: it may just have started another probe
                if self._cpsat_leg is not None:
                    self._cpsat_leg.stop()
                leg.join(_LOOK_S)

    def _greedies(self) -> None:
        for solver, offsets in greedies(self._buffers):
            self._bracket.found(offsets, solver)
            if self._bracket.closed or time.monotonic() > self._deadline:
                return

    def _crowd(self) -> None:
        for solver, offsets in crowded(self._buffers, self._stop, self._jobs):
            self._bracket.found(offsets, solver)
            if self._bracket.closed:
                return

    def _search(self) -> None:
        with Search(self._buffers) as search:
            rate = NODE_BUFFERS_PER_SECOND / len(self._buffers)

            def probe(capacity: int, effort: float):
                return search.decide(capacity, None if math.isinf(effort) else int(effort) + 1, self._stop)

            self._bracket.narrow(probe, rate * _PROBE_S, math.inf, "search", lambda: self._over)

    def _cpsat(self) -> None:
        from .cpsat import CpSat  # OR-tools takes a while to import

        leg = CpSat(self._buffers, self._seed, deterministic=False, workers=max(1, self._jobs - 1))
        self._cpsat_leg = leg
        left = self._deadline - time.monotonic()
        self._bracket.narrow(leg.decide, _CPSAT_PROBE_S, left, "cp-sat", lambda: self._over)
