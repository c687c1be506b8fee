"""The exact leg: offsets as a two-dimensional packing (steps × bytes) for OR-tools' CP-SAT.

The arena size is not minimised but fixed and probed, because a fixed height propagates far better:
first the lower bound itself, then halving what is left between the bound and the best plan known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from .problem import Buffer

_HALVINGS = 4
_DETERMINISTIC_PER_SECOND = 0.06  # CP-SAT's deterministic time in a second of one core on such packings
_WALL_FACTOR = 20.0  # far off, so that a busy machine gives the same answer, only later


@dataclass(frozen=True)
class Packing:
    """What CP-SAT found: offsets (None when it found nothing better) and a proved bound on the arena."""

    offsets: Mapping[str, int] | None
    bound_bytes: int


def pack(buffers: Sequence[Buffer], peak: int, bound: int, time_limit_s: float, seed: int) -> Packing:
    """Offsets with an arena below ``peak``, the least found within the effort.

    One worker and a limit in CP-SAT's deterministic time make the answer a function of the arguments;
    twenty times the limit in wall seconds ends the search on a machine that slow. Half of the effort goes
    to the lower bound itself, the rest to halving the gap.

    Args:
        buffers: all of positive size.
        peak: arena to improve on, in bytes.
        bound: known lower bound, in bytes; an arena of that size ends the search.
        time_limit_s: effort, about wall seconds of one core.
        seed: CP-SAT's random seed.
    """
    grain = _grain(buffers)
    # Any layout can be pushed down until its offsets are multiples of the grain, so nothing is lost by
    # counting in grains; only the topmost buffer may end inside one.
    low, high = -(-bound // grain), -(-peak // grain)
    floor, best, effort = bound, None, time_limit_s / 2
    arena = low
    for _ in range(1 + _HALVINGS):
        if arena >= high:
            break
        proved, offsets = _probe(buffers, arena, grain, effort, seed)
        if offsets is not None:
            best, high = offsets, arena
        else:
            low = arena + 1
            floor = max(floor, arena * grain + 1) if proved else floor
        arena, effort = (low + high) // 2, time_limit_s / 2 / _HALVINGS
    return Packing(best, floor)


def _grain(buffers: Sequence[Buffer]) -> int:
    """A number of bytes that all sizes, rounded to the common alignment, are multiples of.

    It divides every alignment or is a multiple of it, so rounding a multiple of it up gives another.
    """
    aligns = sorted({buffer.align for buffer in buffers}, reverse=True)
    common = math.gcd(*aligns)
    grain = math.gcd(*(-(-buffer.size_bytes // common) * common for buffer in buffers))
    for align in aligns:
        if grain % align:
            grain = math.gcd(grain, align)
    return grain if all(grain % a == 0 or a % grain == 0 for a in aligns) else common


def _probe(
    buffers: Sequence[Buffer], arena: int, grain: int, effort_s: float, seed: int
) -> tuple[bool, Mapping[str, int] | None]:
    """Offsets within an arena of that many grains, or None and whether none exist."""
    model = cp_model.CpModel()
    events = sorted({buffer.start for buffer in buffers} | {buffer.end for buffer in buffers})
    step = {event: index for index, event in enumerate(events)}
    lives, spans, places, heights = [], [], {}, []
    for buffer in buffers:
        stride, height = max(1, buffer.align // grain), -(-buffer.size_bytes // grain)
        if height > arena:
            return True, None
        place = model.new_int_var(0, (arena - height) // stride, buffer.name)
        start, steps = step[buffer.start], step[buffer.end] - step[buffer.start]
        lives.append(model.new_fixed_size_interval_var(start, steps, f"life of {buffer.name}"))
        spans.append(model.new_fixed_size_interval_var(stride * place, height, f"span of {buffer.name}"))
        places[buffer.name] = place
        heights.append(height)
    model.add_no_overlap_2d(lives, spans)
    model.add_cumulative(lives, heights, arena)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = _DETERMINISTIC_PER_SECOND * effort_s
    solver.parameters.max_time_in_seconds = _WALL_FACTOR * effort_s
    solver.parameters.random_seed = seed
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return status == cp_model.INFEASIBLE, None
    return False, {b.name: max(b.align, grain) * solver.value(places[b.name]) for b in buffers}
