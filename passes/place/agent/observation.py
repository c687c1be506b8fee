"""What the agent sees at a decision: the access, coarse occupancy of the fast memory, what comes next.

One flat float32 vector, compiled to be cheap: a search makes tens of thousands a second. Its parts, in order:

- ``CURRENT`` facts of the access that the program fixes, `LOOK` facts of where the game stands on it;
- idle slow time before and after the instruction, over spans that double, against what a copy needs;
- occupancy: time bins that widen away from now (two behind, the rest ahead) by `OFFSETS` offset bins;
- the next `WINDOW` accesses: facts of each, and whether its tensor is in fast memory, in slow memory;
- progress and score so far.

Seconds are in units of the program's mean instruction, squashed by ``sign(x) log(1 + |x|)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .. import rules
from ..game import Game

CURRENT, LOOK, SPANS, OFFSETS, WINDOW, AHEAD, GLOBALS = 12, 12, 5, 8, 12, 8, 3
EDGES = np.array([-16, -4, 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 1 << 40], np.int64)
"""Of the time bins, in instructions from now."""
BINS = EDGES.size - 1
WIDTH = CURRENT + LOOK + 2 * SPANS + BINS * OFFSETS + WINDOW * AHEAD + GLOBALS
"""Length of an observation."""


class Facts(NamedTuple):
    """What the program fixes, read only. A: accesses."""

    current: np.ndarray  # [A, CURRENT] float32; the first AHEAD − 2 columns serve the window too
    unit_s: float
    all_slow_s: float


def facts(game: Game) -> Facts:
    """The parts of every observation that no move changes."""
    T = game.tables
    count, length = T.tensor.size, T.compute_s.size
    capacity = max(1, int(T.machine[0]))
    all_slow = game.all_slow_s or 1.0  # a program that takes no time
    unit = all_slow / max(1, length)
    saved = T.slow_s - T.fast_s
    bound = np.maximum(T.compute_s, T.traffic_s) - T.compute_s
    useful = np.minimum(saved, bound[T.instruction])
    left = np.zeros(count)
    gain = np.zeros(count)
    gap = np.zeros(count)
    live = np.zeros(count)
    seen: dict[int, tuple[int, float, int, int]] = {}
    for at in range(count - 1, -1, -1):
        x, i = int(T.tensor[at]), int(T.instruction[at])
        uses, worth, following, end = seen.get(x, (0, 0.0, i, i))
        left[at], gain[at], gap[at], live[at] = uses, worth, following - i, end - i
        seen[x] = (uses + 1, worth + useful[at], i, end)
    x = T.tensor
    columns = (
        T.height[x] / capacity,
        _squash(useful / unit),
        _squash(gain / unit),
        _squash(T.demand_s[x] / unit),
        T.output,
        live / length,
        T.param[x],
        T.result[x],
        left / 8,
        gap / length,
        T.movable[x],
        T.shared[x],
    )
    table = np.stack([np.asarray(column, np.float32) for column in columns], axis=1)
    return Facts(np.ascontiguousarray(table), float(unit), float(all_slow))


def _squash(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.log1p(np.abs(values))


@njit(cache=True)
def squash(value):
    """``sign(x) log(1 + |x|)``."""
    return np.log1p(value) if value >= 0 else -np.log1p(-value)


@njit(cache=True)
def occupancy(T, S, i, out):
    """Fraction of each (time, offset) bin that rectangles fill."""
    capacity, length = T.machine[0], T.compute_s.size
    strip = max(1.0, capacity / OFFSETS)
    for r in range(S.head[rules.RECTANGLES]):
        first, end = S.r_first[r], S.r_last[r] + 1
        if end <= i + EDGES[0]:
            continue
        low, high = int(S.r_offset[r] / strip), min(OFFSETS, int(np.ceil(S.r_top[r] / strip)))
        for t in range(BINS):
            begin = max(0, i + EDGES[t])
            stop = min(length, i + EDGES[t + 1])
            overlap = min(end, stop) - max(first, begin)
            if overlap <= 0:
                continue
            for o in range(low, high):
                part = min(S.r_top[r], (o + 1) * strip) - max(S.r_offset[r], o * strip)
                out[t * OFFSETS + o] += part / strip * overlap / (stop - begin)


@njit(cache=True)
def idle_s(T, S, k):
    """Idle slow time of instruction k that no copy uses yet."""
    return max(T.compute_s[k], S.slow_s[k] + S.fast_s[k]) - S.slow_s[k] - S.charged_s[k]


@njit(cache=True)
def supply(T, S, i, unit, out):
    """Idle slow time over 1, 2, 4 … instructions before now, and after."""
    length = T.compute_s.size
    for side in range(2):
        total, reached = 0.0, 0
        for span in range(SPANS):
            while reached < (1 << span):
                k = i - 1 - reached if side == 0 else i + 1 + reached
                if 0 <= k < length:
                    total += max(0.0, idle_s(T, S, k))
                reached += 1
            out[side * SPANS + span] = squash(total / unit)


@njit(cache=True)
def observe(T, S, F, out):
    """Write the observation of the access to decide; zeros once the game is over."""
    out[:] = 0.0
    a = S.head[rules.POINTER]
    count = T.tensor.size
    if a >= count:
        return
    i, x = T.instruction[a], T.tensor[a]
    out[:CURRENT] = F.current[a]
    at = CURRENT
    out[at] = 1.0 if S.slow_ready[x] < i else 0.0
    out[at + 1] = 1.0 if S.cur_first[x] >= 0 else 0.0
    out[at + 2] = 1.0 if S.group_memory[T.group[x]] == rules.FAST else 0.0
    for move in range(3):
        if S.legal[move]:
            out[at + 3 + move] = 1.0
            out[at + 6 + move] = squash(S.o_gain_s[move] / F.unit_s)
            out[at + 9 + move] = squash(S.o_stall_s[move] / F.unit_s)
    at += LOOK
    supply(T, S, i, F.unit_s, out[at : at + 2 * SPANS])
    at += 2 * SPANS
    occupancy(T, S, i, out[at : at + BINS * OFFSETS])
    at += BINS * OFFSETS
    for w in range(WINDOW):
        b = a + 1 + w
        if b >= count:
            break
        y, k = T.tensor[b], T.instruction[b]
        place = at + w * AHEAD
        for column in range(AHEAD - 2):
            out[place + column] = F.current[b, column]
        out[place + AHEAD - 2] = 1.0 if S.cur_first[y] >= 0 and S.cur_last[y] >= k else 0.0
        out[place + AHEAD - 1] = 1.0 if S.slow_ready[y] < k else 0.0
    at += WINDOW * AHEAD
    out[at] = a / count
    out[at + 1] = S.score_s[0] / F.all_slow_s
    out[at + 2] = squash(T.need[x] / max(1, T.machine[0]))
