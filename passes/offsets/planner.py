"""The planner: the best of several greedies, then CP-SAT where none of them reached the lower bound."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.errors import PlanError
from .check import check
from .greedy import greedies
from .problem import Buffer, Plan, busiest, lower_bound_bytes, make_plan

_LISTED = 8


def plan(
    buffers: Sequence[Buffer], *, capacity: int | None = None, time_limit_s: float = 2.0, seed: int = 0
) -> Plan:
    """Offsets for the buffers in one arena as small as can be found.

    Deterministic for a seed. The result passed the independent checker.

    Args:
        buffers: with unique names.
        capacity: bytes the arena may have; None for as many as needed.
        time_limit_s: effort for CP-SAT, which only runs when no greedy meets the lower bound; 0 skips it.
        seed: seed of CP-SAT's search.

    Raises:
        PlanError: no plan within the capacity exists, or none was found; with the bound and the buffers
            live at the busiest step.
    """
    bound = lower_bound_bytes(buffers)
    if capacity is not None and bound > capacity:
        raise _does_not_fit(buffers, capacity, f"no plan exists: {bound} bytes are live at once")
    best = _best_greedy(buffers, bound)
    if best.peak_bytes > bound and time_limit_s > 0:
        best = _improve(buffers, best, time_limit_s, seed)
    if capacity is not None and best.peak_bytes > capacity:
        proof = "no plan exists" if best.lower_bound_bytes > capacity else "no plan was found"
        raise _does_not_fit(
            buffers,
            capacity,
            f"{proof}: the smallest arena found is {best.peak_bytes} bytes, "
            f"the lower bound {best.lower_bound_bytes}",
        )
    check(buffers, best.offsets, capacity)
    return best


def _best_greedy(buffers: Sequence[Buffer], bound: int) -> Plan:
    best: Plan | None = None
    for solver, offsets in greedies(buffers):
        candidate = make_plan(buffers, offsets, bound, solver)
        if best is None or candidate.peak_bytes < best.peak_bytes:
            best = candidate
        if best.peak_bytes == bound:
            break
    assert best is not None, "there is at least one greedy"
    return best


def _improve(buffers: Sequence[Buffer], best: Plan, time_limit_s: float, seed: int) -> Plan:
    """The best plan, or a smaller one of CP-SAT's; either way with the better of the two bounds."""
    from .cpsat import pack  # OR-tools takes a while to import, and most plans do not need it

    sized = [buffer for buffer in buffers if buffer.size_bytes]
    packing = pack(sized, best.peak_bytes, best.lower_bound_bytes, time_limit_s, seed)
    if packing.offsets is not None:
        empty = {buffer.name: 0 for buffer in buffers if not buffer.size_bytes}
        found = make_plan(buffers, {**packing.offsets, **empty}, packing.bound_bytes, "cp-sat")
        if found.peak_bytes < best.peak_bytes:
            return found
    return make_plan(buffers, best.offsets, packing.bound_bytes, best.solver)


def _does_not_fit(buffers: Sequence[Buffer], capacity: int, reason: str) -> PlanError:
    step, live = busiest(buffers)
    listed = ", ".join(f"{buffer.name} ({buffer.size_bytes})" for buffer in live[:_LISTED])
    more = f" and {len(live) - _LISTED} more" if len(live) > _LISTED else ""
    return PlanError(
        f"the buffers do not fit in {capacity} bytes; {reason}; live at step {step}: {listed}{more}",
        accepted=f"a capacity of {lower_bound_bytes(buffers)} bytes or more",
    )
