"""Several pools, each of a given size: which one takes a buffer, and where in it.

First-fit over the pools in their order, in several orders of the buffers; where that leaves some over,
CP-SAT, with a rectangle per buffer and pool of which one is chosen.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...ir.errors import PlanError
from .check import check
from .conflict import Infeasible, minimal_conflict
from .greedy import ORDERS, Layout
from .problem import Buffer, Plan, lower_bound_bytes, peak_bytes
from .search import Answer


def plan_pools(
    buffers: Sequence[Buffer],
    capacities: Mapping[str, int],
    *,
    time_limit_s: float = 10.0,
    seed: int = 0,
    jobs: int | None = None,
) -> Plan:
    """Pools and offsets for the buffers.

    Args:
        buffers: with unique names.
        capacities: bytes of every pool, in the order in which they are filled.
        time_limit_s: for CP-SAT, where it is needed: wall seconds, with one job effort as for `plan`; as much
            again for who is in the way where nothing fits.
        seed: its seed.
        jobs: its threads; the cores where not given. One makes the plan the same every time.

    Returns:
        A plan whose peak is the sum of the pools' peaks.

    Raises:
        PlanError: a buffer names a pool there is none of.
        Infeasible: no plan exists, or none was found.
    """
    for buffer in buffers:
        for pool in buffer.pools:
            if pool not in capacities:
                raise PlanError(f"unknown pool {pool}", where=buffer.name, accepted=", ".join(capacities))
    workers = jobs or len(os.sched_getaffinity(0))
    answer, pool_of, solver = _decide(buffers, capacities, time_limit_s, seed, workers)
    if answer.offsets is None:
        raise _does_not_fit(buffers, capacities, answer, time_limit_s, seed, workers)
    check(buffers, answer.offsets, pool_of=pool_of, capacities=capacities)
    peak = sum(
        peak_bytes([b for b in buffers if pool_of[b.name] == pool], answer.offsets) for pool in capacities
    )
    bound = min(lower_bound_bytes(_free(buffers)), peak)
    return Plan(MappingProxyType(answer.offsets), peak, bound, solver, MappingProxyType(pool_of))


def _free(buffers: Sequence[Buffer]) -> list[Buffer]:
    """The buffers without their given places, which are of no one arena."""
    return [Buffer(b.name, b.start, b.end, b.size_bytes, b.align, b.gaps) for b in buffers]


def _decide(
    buffers: Sequence[Buffer], capacities: Mapping[str, int], time_limit_s: float, seed: int, workers: int
) -> tuple[Answer, dict[str, str], str]:
    for order in ORDERS:
        offsets, pool_of = _first_fit(buffers, capacities, order)
        if len(offsets) == len(buffers):
            return Answer(offsets), pool_of, f"{order}-first-fit"
    from .cpsat import CpSat  # OR-tools takes a while to import

    sized = [buffer for buffer in buffers if buffer.size_bytes]
    solver = CpSat(sized, seed, deterministic=workers == 1, workers=workers)
    answer, pool_of = solver.decide_pools(capacities, time_limit_s)
    if answer.offsets is not None:
        empty = [buffer for buffer in buffers if not buffer.size_bytes]
        answer.offsets.update({b.name: b.offset or 0 for b in empty})
        pool_of.update({b.name: next(iter(b.pools or capacities)) for b in empty})
    return answer, pool_of, "cp-sat"


def _first_fit(
    buffers: Sequence[Buffer], capacities: Mapping[str, int], order: str
) -> tuple[dict[str, int], dict[str, str]]:
    """Offsets and pools of the buffers that the pools took, one pool after the other."""
    offsets: dict[str, int] = {}
    pool_of: dict[str, str] = {}
    for pool, capacity in capacities.items():
        wanted = [b for b in buffers if b.name not in pool_of and (not b.pools or pool in b.pools)]
        if not wanted:
            continue
        layout = Layout(wanted)
        places = layout.place(ORDERS[order](layout), "first", capacity)
        for buffer, place in zip(wanted, places, strict=True):
            if place >= 0:
                offsets[buffer.name], pool_of[buffer.name] = int(place), pool
    return offsets, pool_of


def _does_not_fit(
    buffers: Sequence[Buffer],
    capacities: Mapping[str, int],
    answer: Answer,
    effort_s: float,
    seed: int,
    workers: int,
) -> Infeasible:
    pools = ", ".join(f"{pool} ({capacity})" for pool, capacity in capacities.items())
    if not answer.proved:
        said = f"the buffers do not fit in the pools {pools}; no plan was found in the time given"
        return Infeasible(said, None, None, "more time, or larger pools")

    def decide(some: Sequence[Buffer], limit: float) -> Answer:
        return _decide(some, capacities, limit, seed, workers)[0]

    conflict = minimal_conflict(buffers, decide, effort_s)
    said = f"the buffers do not fit in the pools {pools}; no plan exists: {conflict.text()}"
    return Infeasible(said, None, conflict, "larger pools, or buffers that may lie in others")


def parts(buffers: Sequence[Buffer], plan: Plan, capacities: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Of every pool: its peak and the bytes it has."""
    return {
        pool: (peak_bytes([b for b in buffers if plan.pool_of[b.name] == pool], plan.offsets), capacity)
        for pool, capacity in capacities.items()
    }
