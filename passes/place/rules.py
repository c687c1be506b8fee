"""The rules of MMG-1 on flat arrays, compiled: which moves an access has, what each does, drop-backup.

MMG-1 is a single-player game after mallocGame (Wang et al., arXiv 2305.07440), whose published text leaves
rules open. Accesses are decided in execution order: *drop* (served from slow memory), *keep* (no copy: it
stays in fast memory, or is made there) or *copy* (brought in for this use, or made in fast memory and
written back). The rules pick offset and time.

Where a rule could be read two ways, here it is so:

- A copy in walks back from the instruction before its use and stops after the last instruction at whose
  end its slow bytes became valid; its rectangle starts at the earliest instruction it took time from, or
  at the use itself. Where no rectangle fits that span the move is illegal: the walk is not shortened.
- A tensor whose rectangle covers the use has nothing to copy in: that copy is illegal.
- A write-back takes idle time after its instruction, earliest first; what is left at the end of the program
  stalls after the last instruction. Its rectangle lasts as long as it does.
- *extend* holds a rectangle to its use, *reserve* to the tensor's last one. Decisions follow the program, so
  no rectangle begins after the instruction being decided: a gap that fits to a use fits to every later one,
  and "the furthest use that fits", which matters when tensors are placed in another order, is the last.
- A class of two or more members is decided once: its first decision fixes slow memory, or fast memory and
  the offset, for every access of every member. A lone tensor may lie here now and there later.
- The gap for a class is sought for its largest member. Members overlap freely, at their one offset.
- After a dead end the state before the class's first decision is restored by playing the moves again.

Idle slow time grows as accesses move to fast memory, so time once charged stays within it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

DROP, KEEP, COPY = 0, 1, 2
EXTEND, RESERVE = 0, 1
UNDECIDED, SLOW, FAST = 0, 1, 2
POINTER, RECTANGLES, BACKUPS = 0, 1, 2
NEVER = 1 << 60
TINY_S = 1e-15
"""Idle time that rounding leaves behind is not worth touching, seconds."""


class Tables(NamedTuple):
    """A problem on a machine, read only. A: accesses, N: instructions, X: tensors."""

    instruction: np.ndarray  # [A]
    tensor: np.ndarray  # [A]
    output: np.ndarray  # [A]
    slow_s: np.ndarray  # [A] time of the access in slow memory
    fast_s: np.ndarray  # [A] … in fast memory
    compute_s: np.ndarray  # [N]
    traffic_s: np.ndarray  # [N] all accesses in slow memory
    height: np.ndarray  # [X] size, rounded up to the alignment
    need: np.ndarray  # [X] largest height in its class
    demand_s: np.ndarray  # [X] time to copy the tensor
    movable: np.ndarray  # [X] its class may lie in fast memory
    param: np.ndarray  # [X]
    result: np.ndarray  # [X]
    group: np.ndarray  # [X] alias class
    shared: np.ndarray  # [X] that class has other members
    final: np.ndarray  # [X] instruction of its last access
    machine: np.ndarray  # [2] capacity rounded down to the alignment, variant


class State(NamedTuple):
    """Where a game stands: flat arrays, so that saving and restoring it is copying them."""

    head: np.ndarray  # [3] access to decide, rectangles, backups
    score_s: np.ndarray  # [1] latency saved so far
    moves: np.ndarray  # [A] decided
    slow_s: np.ndarray  # [N] time of what slow memory serves
    fast_s: np.ndarray  # [N]
    charged_s: np.ndarray  # [N] idle slow time used by copies
    stall_s: np.ndarray  # [N]
    slow_ready: np.ndarray  # [X] instruction at whose end slow memory holds the tensor; NEVER
    cur_offset: np.ndarray  # [X] its current rectangle
    cur_first: np.ndarray  # [X] -1: none
    cur_last: np.ndarray  # [X]
    group_memory: np.ndarray  # [X] by class
    group_offset: np.ndarray  # [X]
    group_first: np.ndarray  # [X] access that decided the class first; -1
    forced: np.ndarray  # [X] classes that drop-backup keeps in slow memory
    r_offset: np.ndarray  # [A] rectangles, by offset
    r_top: np.ndarray  # [A]
    r_first: np.ndarray  # [A]
    r_last: np.ndarray  # [A]
    r_tensor: np.ndarray  # [A]
    log: np.ndarray  # [X, 2] backups: access of the dead end, class
    legal: np.ndarray  # [3] moves of the access to decide, and what each would do:
    o_offset: np.ndarray  # [3]
    o_first: np.ndarray  # [3]
    o_last: np.ndarray  # [3]
    o_ready: np.ndarray  # [3]
    o_stall_s: np.ndarray  # [3]
    o_gain_s: np.ndarray  # [3] latency it saves, stall deducted


@njit(cache=True)
def idle_s(T, S, k):
    """Idle slow time of instruction k that no copy uses yet."""
    latency = max(T.compute_s[k], S.slow_s[k] + S.fast_s[k])
    return latency - S.slow_s[k] - S.charged_s[k]


@njit(cache=True)
def reach_back(T, S, start, stop, demand):
    """(earliest instruction touched, time left over) of a copy walking from start back to stop."""
    first = start + 1
    left = demand
    for k in range(start, stop - 1, -1):
        if left <= TINY_S:
            break
        free = idle_s(T, S, k)
        if free > TINY_S:
            left -= min(free, left)
            first = k
    return first, (left if left > TINY_S else 0.0)


@njit(cache=True)
def reach_ahead(T, S, start, demand):
    """(latest instruction touched, time left over) of a copy walking from start to the end."""
    last = start - 1
    left = demand
    for k in range(start, T.compute_s.size):
        if left <= TINY_S:
            break
        free = idle_s(T, S, k)
        if free > TINY_S:
            left -= min(free, left)
            last = k
    return last, (left if left > TINY_S else 0.0)


@njit(cache=True)
def charge(T, S, start, stop, step, demand):
    """Use idle time of the instructions from start to before stop."""
    left = demand
    for k in range(start, stop, step):
        if left <= TINY_S:
            break
        free = idle_s(T, S, k)
        if free > TINY_S:
            taken = min(free, left)
            S.charged_s[k] += taken
            left -= taken


@njit(cache=True)
def best_gap(T, S, x, first, last):
    """Offset of the smallest gap over a span that takes the tensor's class, ties low; -1 if none."""
    need = T.need[x]
    cursor = 0
    best = -1
    smallest = NEVER
    for r in range(S.head[RECTANGLES]):
        if S.r_first[r] > last or S.r_last[r] < first:
            continue
        gap = S.r_offset[r] - cursor
        if need <= gap < smallest:
            best, smallest = cursor, gap
        cursor = max(cursor, S.r_top[r])
    gap = T.machine[0] - cursor
    if need <= gap < smallest:
        best = cursor
    return best


@njit(cache=True)
def is_clear(T, S, x, offset, first, last):
    """Whether the tensor's bytes at an offset are free over a span, its shared class apart."""
    top = offset + T.height[x]  # within the memory: the offset was found for the class's largest
    for r in range(S.head[RECTANGLES]):
        if S.r_offset[r] >= top:
            break
        if S.r_first[r] > last or S.r_last[r] < first or S.r_top[r] <= offset:
            continue
        if not (T.shared[x] and T.group[S.r_tensor[r]] == T.group[x]):
            return False
    return True


@njit(cache=True)
def spot(T, S, x, first, last):
    """Offset for the tensor over a span: its class's where that is fixed, else the best gap; -1 if none."""
    g = T.group[x]
    if S.group_memory[g] == FAST:
        offset = S.group_offset[g]
        return offset if is_clear(T, S, x, offset, first, last) else -1
    return best_gap(T, S, x, first, last)


@njit(cache=True)
def held_to(T, x, i):
    """Until when a new rectangle is held for a tensor that is needed at an instruction."""
    return T.final[x] if T.machine[1] == RESERVE else i


@njit(cache=True)
def offer(S, move, offset, first, last, ready, stall, saved):
    """Note a legal move and what it would do."""
    S.legal[move] = 1
    S.o_offset[move] = offset
    S.o_first[move] = first
    S.o_last[move] = last
    S.o_ready[move] = ready
    S.o_stall_s[move] = stall
    S.o_gain_s[move] = saved - stall


@njit(cache=True)
def offer_input(T, S, a, saved):
    """Keep and copy of a use."""
    i, x = T.instruction[a], T.tensor[a]
    covered = S.cur_first[x] >= 0 and S.cur_last[x] >= i
    if covered:
        offer(S, KEEP, S.cur_offset[x], S.cur_first[x], S.cur_last[x], i, 0.0, saved)
        return
    if S.cur_first[x] >= 0 and is_clear(T, S, x, S.cur_offset[x], S.cur_last[x] + 1, i):
        offer(S, KEEP, S.cur_offset[x], S.cur_first[x], i, i, 0.0, saved)
    if S.slow_ready[x] < i:
        first, left = reach_back(T, S, i - 1, S.slow_ready[x] + 1, T.demand_s[x])
        offset = spot(T, S, x, first, i)
        if offset >= 0:
            offer(S, COPY, offset, first, held_to(T, x, i), i, left, saved)


@njit(cache=True)
def offer_output(T, S, a, saved):
    """Keep and copy of a definition."""
    i, x = T.instruction[a], T.tensor[a]
    offset = spot(T, S, x, i, i)
    if offset < 0:
        return
    if not T.result[x]:
        offer(S, KEEP, offset, i, held_to(T, x, i), i, 0.0, saved)
    done, left = reach_ahead(T, S, i + 1, T.demand_s[x])
    if left > 0.0:
        done = T.compute_s.size - 1
    offer(S, COPY, offset, i, max(held_to(T, x, i), done), done, left, saved)


@njit(cache=True)
def find_moves(T, S):
    """Fill in what the access to decide may do."""
    S.legal[:] = 0
    a = S.head[POINTER]
    if a >= T.tensor.size:
        return
    i, x = T.instruction[a], T.tensor[a]
    g = T.group[x]
    memory = S.group_memory[g]
    if memory != FAST and (T.output[a] or S.slow_ready[x] < i):
        offer(S, DROP, -1, -1, -1, i, 0.0, 0.0)
    if not T.movable[x] or S.forced[g] or memory == SLOW:
        return
    now = max(T.compute_s[i], S.slow_s[i] + S.fast_s[i])
    then = max(T.compute_s[i], S.slow_s[i] - T.slow_s[a] + S.fast_s[i] + T.fast_s[a])
    if T.output[a]:
        offer_output(T, S, a, now - then)
    else:
        offer_input(T, S, a, now - then)


@njit(cache=True)
def insert(T, S, x, offset, first, last):
    """A new rectangle, the list kept in order of offsets."""
    r = S.head[RECTANGLES]
    while r > 0 and S.r_offset[r - 1] > offset:
        S.r_offset[r] = S.r_offset[r - 1]
        S.r_top[r] = S.r_top[r - 1]
        S.r_first[r] = S.r_first[r - 1]
        S.r_last[r] = S.r_last[r - 1]
        S.r_tensor[r] = S.r_tensor[r - 1]
        r -= 1
    S.r_offset[r] = offset
    S.r_top[r] = offset + T.height[x]
    S.r_first[r] = first
    S.r_last[r] = last
    S.r_tensor[r] = x
    S.head[RECTANGLES] += 1
    S.cur_offset[x] = offset
    S.cur_first[x] = first
    S.cur_last[x] = last


@njit(cache=True)
def lengthen(S, x, last):
    """Hold a tensor's current rectangle longer."""
    for r in range(S.head[RECTANGLES]):
        if S.r_tensor[r] == x and S.r_first[r] == S.cur_first[x] and S.r_last[r] == S.cur_last[x]:
            S.r_last[r] = last
            break
    S.cur_last[x] = last


@njit(cache=True)
def transfer(T, S, a):
    """Charge the copy of an access that is being decided."""
    i, x = T.instruction[a], T.tensor[a]
    if T.output[a]:
        charge(T, S, i + 1, T.compute_s.size, 1, T.demand_s[x])
        S.stall_s[T.compute_s.size - 1] += S.o_stall_s[COPY]
        S.slow_ready[x] = S.o_ready[COPY]
    else:
        charge(T, S, i - 1, S.slow_ready[x], -1, T.demand_s[x])
        S.stall_s[i] += S.o_stall_s[COPY]


@njit(cache=True)
def make_move(T, S, move):
    """Do a legal move; the moves of the next access are not known yet."""
    a = S.head[POINTER]
    i, x = T.instruction[a], T.tensor[a]
    g = T.group[x]
    if S.group_first[g] < 0:
        S.group_first[g] = a
    S.moves[a] = move
    S.head[POINTER] = a + 1
    if T.shared[x] and S.group_memory[g] == UNDECIDED:
        S.group_memory[g] = SLOW if move == DROP else FAST
        S.group_offset[g] = S.o_offset[move]
    if move == DROP:
        if T.output[a]:
            S.slow_ready[x] = i
        return
    if move == COPY:
        transfer(T, S, a)
    if move == KEEP and not T.output[a]:
        if S.o_last[KEEP] > S.cur_last[x]:
            lengthen(S, x, S.o_last[KEEP])
    else:
        insert(T, S, x, S.o_offset[move], S.o_first[move], S.o_last[move])
    S.slow_s[i] -= T.slow_s[a]
    S.fast_s[i] += T.fast_s[a]
    S.score_s[0] += S.o_gain_s[move]


@njit(cache=True)
def begin(T, S):
    """The start of the program; forced classes and the log of backups stay."""
    S.head[POINTER] = 0
    S.head[RECTANGLES] = 0
    S.score_s[0] = 0.0
    S.slow_s[:] = T.traffic_s
    S.fast_s[:] = 0.0
    S.charged_s[:] = 0.0
    S.stall_s[:] = 0.0
    S.cur_first[:] = -1
    S.cur_last[:] = -1
    S.group_memory[:] = UNDECIDED
    S.group_first[:] = -1
    for x in range(T.param.size):
        S.slow_ready[x] = -1 if T.param[x] else NEVER


@njit(cache=True)
def back_up(T, S):
    """Force the class of a dead end to slow memory and go back to before its first decision."""
    a = S.head[POINTER]
    g = T.group[T.tensor[a]]
    to = S.group_first[g]
    S.log[S.head[BACKUPS], 0] = a
    S.log[S.head[BACKUPS], 1] = g
    S.head[BACKUPS] += 1
    S.forced[g] = 1
    begin(T, S)
    for at in range(to):
        find_moves(T, S)
        make_move(T, S, S.moves[at])
    find_moves(T, S)


@njit(cache=True)
def settle(T, S):
    """Find the moves of the access to decide; back up while it has none."""
    find_moves(T, S)
    while S.head[POINTER] < T.tensor.size and S.legal.sum() == 0:
        back_up(T, S)


@njit(cache=True)
def step(T, S, move):
    """Do a legal move; the reward is the change of the score, backups included."""
    before = S.score_s[0]
    make_move(T, S, move)
    settle(T, S)
    return S.score_s[0] - before


@njit(cache=True)
def latency_s(T, S):
    """Time of the whole program as decided so far, the rest served from slow memory."""
    total = 0.0
    for k in range(T.compute_s.size):
        total += max(T.compute_s[k], S.slow_s[k] + S.fast_s[k]) + S.stall_s[k]
    return total
