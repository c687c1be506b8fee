"""Laying tensors on a board: where each stays in fast memory, decided by what it saves, with best fit.

Decisions look at the game's cost and at `rules`' arithmetic on idle time and gaps. `lay` may end a stay early
and bring the tensor back later; `place_class` takes the whole life of every member, or nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .board import NONE, out_from, put, saved_s, serve
from .rules import best_gap, charge, is_clear, reach_ahead, reach_back


@njit(cache=True)
def furthest(T, L, B, x, first, at):
    """(offset, last access) of a best-fit piece from a time that holds as many accesses as it can."""
    low, high = at, L.access_at[x + 1]
    offset, end = -1, at - 1
    while low < high:
        middle = (low + high) // 2 if end >= at else at
        found = best_gap(T, B, x, first, T.instruction[L.access[middle]])
        if found >= 0:
            offset, end, low = found, middle, middle + 1
        elif end < at:
            break
        else:
            high = middle
    return offset, end


@njit(cache=True)
def worth(T, L, B, at, end):
    """What a piece's accesses save."""
    total = 0.0
    for j in range(at, end + 1):
        total += saved_s(T, B, L.access[j])
    return total


@njit(cache=True)
def settle_piece(T, L, B, x, offset, first, at, end, begin, need, done):
    """Put a piece and serve its accesses."""
    last = T.instruction[L.access[end]]
    r = put(T, B, x, offset, first, max(last, done), begin, need, done)
    for j in range(at, end + 1):
        serve(T, B, L.access[j])
    if begin != NONE:
        charge(T, B, need - 1, begin - 1, -1, T.demand_s[x])
    if done != NONE:
        charge(T, B, out_from(B, r), done + 1, 1, T.demand_s[x])


@njit(cache=True)
def place_definition(T, L, B, x, wanted):
    """Try to make a tensor in fast memory; (next access to look at, instruction since slow memory has it)."""
    at = L.access_at[x]
    i = T.instruction[L.access[at]]
    offset, end = furthest(T, L, B, x, i, at)
    if offset < 0 or not T.movable[x]:
        return at + 1, i
    if T.result[x] or end + 1 < L.access_at[x + 1]:  # slow memory will want it
        hold = T.instruction[L.access[end]]
        done, left = reach_ahead(T, B, i + 1, T.demand_s[x])
        if end + 1 < L.access_at[x + 1]:
            done = min(done, T.instruction[L.access[end + 1]] - 1)
        if left > 0.0 or not is_clear(T, B, x, offset, i, max(hold, done)):
            done = hold
        done = max(done, i)
        left = T.demand_s[x] - idle_between(T, B, i + 1, done, T.demand_s[x])
        if worth(T, L, B, at, end) - max(left, 0.0) < wanted:
            return at + 1, i
        settle_piece(T, L, B, x, offset, i, at, end, NONE, i, done)
        return end + 1, done
    if worth(T, L, B, at, end) < wanted:
        return at + 1, i
    settle_piece(T, L, B, x, offset, i, at, end, NONE, i, NONE)
    return end + 1, T.compute_s.size


@njit(cache=True)
def idle_between(T, B, first, last, enough):
    """Idle time of a span that no copy uses, up to what is enough."""
    total = 0.0
    for k in range(first, last + 1):
        latency = max(T.compute_s[k], B.slow_s[k] + B.fast_s[k])
        total += max(latency - B.slow_s[k] - B.charged_s[k], 0.0)
        if total >= enough:
            return enough
    return total


@njit(cache=True)
def place_use(T, L, B, x, at, since, wanted):
    """Try to bring a tensor in for an access; the next access to look at."""
    i = T.instruction[L.access[at]]
    if since >= i:
        return at + 1
    begin, _ = reach_back(T, B, i - 1, since + 1, T.demand_s[x])
    for _ in range(4):  # the whole window, then shorter ones that wait
        offset, end = furthest(T, L, B, x, begin, at)
        if offset >= 0:
            left = max(T.demand_s[x] - idle_between(T, B, begin, i - 1, T.demand_s[x]), 0.0)
            if worth(T, L, B, at, end) - left >= wanted:
                settle_piece(T, L, B, x, offset, begin, at, end, begin, i, NONE)
                return end + 1
        if begin == i:
            break
        begin = (begin + i + 1) // 2
    return at + 1


@njit(cache=True)
def place_tensor(T, L, B, x, blink, wanted):
    """Lay a lone tensor that has no pieces, access by access; some are skipped by chance."""
    at, since = L.access_at[x], -1
    if not T.param[x]:
        if np.random.random() < blink:
            since = T.instruction[L.access[at]]
            at += 1
        else:
            at, since = place_definition(T, L, B, x, wanted)
    if not T.movable[x]:
        return
    while at < L.access_at[x + 1]:
        at = at + 1 if np.random.random() < blink else place_use(T, L, B, x, at, since, wanted)


@njit(cache=True)
def place_class(T, L, B, g, wanted):
    """Lay a class of several members: all of them at one offset, or none."""
    n = T.compute_s.size
    first, last, total, largest = n, -1, 0.0, L.member[L.member_at[g]]
    for m in range(L.member_at[g], L.member_at[g + 1]):
        x = L.member[m]
        if L.access_at[x] == L.access_at[x + 1]:
            continue
        begin = T.instruction[L.access[L.access_at[x]]]
        end = T.final[x]
        if T.param[x]:
            begin, left = reach_back(T, B, begin - 1, 0, T.demand_s[x])
            total -= left
        if T.result[x]:
            done, left = reach_ahead(T, B, begin + 1, T.demand_s[x])
            end = n - 1 if left > 0.0 else max(end, done)
            total -= left
        total += worth(T, L, B, L.access_at[x], L.access_at[x + 1] - 1)
        first, last = min(first, begin), max(last, end)
        if T.height[x] > T.height[largest]:
            largest = x
    if last < 0 or not T.movable[largest] or total < wanted:
        return
    offset = best_gap(T, B, largest, first, last)
    if offset < 0:
        return
    for m in range(L.member_at[g], L.member_at[g + 1]):
        x = L.member[m]
        if L.access_at[x] == L.access_at[x + 1]:
            continue
        at, i = L.access_at[x], T.instruction[L.access[L.access_at[x]]]
        done, begin, start = NONE, NONE, i
        if T.param[x]:
            start, _ = reach_back(T, B, i - 1, first, T.demand_s[x])
            begin = start
        if T.result[x]:
            done, left = reach_ahead(T, B, i + 1, T.demand_s[x])
            done = last if left > 0.0 else min(max(done, i), last)
        settle_piece(T, L, B, x, offset, start, at, L.access_at[x + 1] - 1, begin, i, done)


@njit(cache=True)
def lay(T, L, B, g, blink, wanted):
    """Lay a class that has no pieces on the board, where it saves at least what is wanted."""
    x = L.member[L.member_at[g]]
    if T.shared[x]:
        if np.random.random() >= blink:
            place_class(T, L, B, g, wanted)
    else:
        place_tensor(T, L, B, x, blink, wanted)
