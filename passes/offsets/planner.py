"""The planner the compiler uses: the best of several greedies, then the exact legs, in turn.

Efforts are counted in nodes and in CP-SAT's deterministic time, so a plan is a function of the arguments.
`race` is its hurried sibling, for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...ir.errors import PlanError
from .bracket import Bracket
from .check import check
from .conflict import Infeasible, crowd, minimal_conflict
from .crowded import crowded
from .greedy import MATRIX, ONE_BY_ONE, greedies
from .native import available
from .problem import Buffer, Plan, lower_bound_bytes, make_plan
from .search import Answer, Search, takes

NODE_BUFFERS_PER_SECOND = 30_000_000
"""Nodes × buffers the exact search visits in about a second of one core."""

CLOSE = 0.01
"""Gap at which a greedy will do for very many buffers."""


def plan(
    buffers: Sequence[Buffer], *, capacity: int | None = None, time_limit_s: float = 2.0, seed: int = 0
) -> Plan:
    """Offsets for the buffers in one arena as small as can be found.

    Deterministic for a seed. The result passed the independent checker.

    Args:
        buffers: with unique names.
        capacity: bytes the arena may have; None for as many as needed.
        time_limit_s: effort for the exact legs, which only run when no greedy meets the lower bound, and for
            some thousand buffers at most; 0 skips them.
        seed: seed of CP-SAT's search.

    Raises:
        PlanError: two given places collide.
        Infeasible: no plan within the capacity exists, or none was found.
    """
    sized = [buffer for buffer in buffers if buffer.size_bytes]
    bracket = Bracket(sized, first_plan(sized, capacity))
    if not bracket.closed and time_limit_s > 0 and len(sized) <= ONE_BY_ONE:
        _exact(sized, bracket, time_limit_s, seed)
    best = bracket.result()
    if capacity is not None and best.peak_bytes > capacity:
        raise does_not_fit(sized, capacity, best, max(time_limit_s, 1.0))
    return finished(buffers, best, capacity)


def finished(buffers: Sequence[Buffer], best: Plan, capacity: int | None) -> Plan:
    """The plan with the buffers of no bytes, checked."""
    empty = {buffer.name: buffer.offset or 0 for buffer in buffers if not buffer.size_bytes}
    offsets: Mapping[str, int] = MappingProxyType({**best.offsets, **empty})
    check(buffers, offsets, capacity if any(b.size_bytes for b in buffers) else None)
    return Plan(offsets, best.peak_bytes, best.lower_bound_bytes, best.solver)


def first_plan(buffers: Sequence[Buffer], capacity: int | None = None) -> Plan:
    """The best of the greedies; the first will do where the capacity is hopeless.

    Raises:
        PlanError: two given places collide.
    """
    check_given(buffers)
    bound = lower_bound_bytes(buffers)
    best: Plan | None = None
    few = len(buffers) <= (ONE_BY_ONE if available() else MATRIX)
    enough = bound if few else bound * (1 + CLOSE)
    for solver, offsets in greedies(buffers) if few else crowded(buffers, jobs=1):
        candidate = make_plan(buffers, offsets, bound, solver)
        if best is None or candidate.peak_bytes < best.peak_bytes:
            best = candidate
        if best.peak_bytes <= enough or (capacity is not None and bound > capacity):
            break
    assert best is not None, "there is at least one greedy"
    return best


def check_given(buffers: Sequence[Buffer]) -> None:
    """Refuse given places that collide.

    Raises:
        PlanError: naming two buffers.
    """
    given = [buffer for buffer in buffers if buffer.offset is not None]
    try:
        check(given, {buffer.name: buffer.offset or 0 for buffer in given})
    except PlanError as error:
        raise PlanError(
            f"the given offsets collide: {error.message}", where=error.where, accepted="given places apart"
        ) from error


def _exact(buffers: Sequence[Buffer], bracket: Bracket, time_limit_s: float, seed: int) -> None:
    """The search for half of the effort, CP-SAT for the other."""
    if takes(buffers) and available():
        with Search(buffers) as search:
            total = NODE_BUFFERS_PER_SECOND * time_limit_s / 2 / len(buffers)
            bracket.narrow(
                lambda capacity, effort: search.decide(capacity, int(effort) + 1), total / 64, total, "search"
            )
    if not bracket.closed:
        from .cpsat import CpSat  # OR-tools takes a while to import, and most plans do not need it

        bracket.narrow(CpSat(buffers, seed).decide, time_limit_s / 8, time_limit_s / 2, "cp-sat")


def does_not_fit(buffers: Sequence[Buffer], capacity: int, best: Plan, time_limit_s: float) -> Infeasible:
    """The error for a capacity no plan was found for: why, and who is in the way."""
    bound = best.lower_bound_bytes
    if bound <= capacity:
        found = f"the smallest arena found is {best.peak_bytes} bytes, the lower bound {bound}"
        said = f"the buffers do not fit in {capacity} bytes; no plan was found: {found}"
        return Infeasible(said, best, None, f"more time, or a capacity of {best.peak_bytes} bytes or more")
    conflict = minimal_conflict(crowd(buffers, capacity) or buffers, oracle(capacity), time_limit_s)
    proof = f"no plan exists: the lower bound is {bound}; {conflict.text()}"
    said = f"the buffers do not fit in {capacity} bytes; {proof}"
    return Infeasible(said, best, conflict, f"a capacity of {bound} bytes or more")


def oracle(capacity: int):
    """Decides sets of buffers at one capacity: by the bound, by greedies, by the search or by CP-SAT."""

    def decide(buffers: Sequence[Buffer], seconds: float) -> Answer:
        if lower_bound_bytes(buffers) > capacity:
            return Answer(proved=True)
        for _, offsets in greedies(buffers):
            if all(offsets[b.name] + b.size_bytes <= capacity for b in buffers):
                return Answer(offsets)
        if takes(buffers) and available():
            with Search(buffers) as search:
                limit = int(NODE_BUFFERS_PER_SECOND * seconds / len(buffers)) + 1
                answer = search.decide(capacity, limit)
            if answer.proved or answer.offsets is not None:
                return answer
        from .cpsat import CpSat

        return CpSat(buffers, deterministic=False).decide(capacity, seconds)

    return decide
