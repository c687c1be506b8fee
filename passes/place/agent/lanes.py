"""Many games of one problem side by side: states stacked, one row a game, so that a network sees a batch.

A *decision* is an access with a choice. Where one move is legal it is made at once, and so is *keep* where
the tensor's rectangle already covers the access: its bytes are held either way, serving from them costs
nothing that dropping saves, and the instruction's idle slow time does not shrink.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .. import rules
from ..game import STORED, Game, fresh
from ..rules import State
from . import moves as compiled
from .observation import observe


def stack(game: Game, count: int) -> State:
    """So many copies of a game's state, a row each."""
    one = fresh(game.tables)
    rows = [np.repeat(getattr(one, name)[None], count, axis=0) for name in STORED]
    for mine, name in zip(rows, STORED, strict=True):
        mine[...] = getattr(game.state, name)
    begun = np.array([array.ctypes.data for array in rows], np.uintp)
    steps = np.array([array.strides[0] for array in rows], np.uintp)
    return State(*rows, at=begun + np.arange(count, dtype=np.uintp)[:, None] * steps)


@njit(cache=True)
def row(S, b):
    """The state of one game: views."""
    return State(
        S.head[b],
        S.slow_s[b],
        S.fast_s[b],
        S.charged_s[b],
        S.r_offset[b],
        S.r_top[b],
        S.r_first[b],
        S.r_last[b],
        S.r_tensor[b],
        S.score_s[b],
        S.moves[b],
        S.stall_s[b],
        S.slow_ready[b],
        S.cur_offset[b],
        S.cur_first[b],
        S.cur_last[b],
        S.group_memory[b],
        S.group_offset[b],
        S.group_first[b],
        S.forced[b],
        S.log[b],
        S.legal[b],
        S.o_offset[b],
        S.o_first[b],
        S.o_last[b],
        S.o_ready[b],
        S.o_stall_s[b],
        S.o_gain_s[b],
        S.at[b],
    )


@njit(cache=True)
def copy_state(to, source):
    """Overwrite a state with another; of lists, what is in use."""
    a, r = source.head[rules.POINTER], source.head[rules.RECTANGLES]
    to.head[:] = source.head
    to.score_s[:] = source.score_s
    to.moves[:a] = source.moves[:a]
    to.slow_s[:] = source.slow_s
    to.fast_s[:] = source.fast_s
    to.charged_s[:] = source.charged_s
    to.stall_s[:] = source.stall_s
    to.slow_ready[:] = source.slow_ready
    to.cur_offset[:] = source.cur_offset
    to.cur_first[:] = source.cur_first
    to.cur_last[:] = source.cur_last
    to.group_memory[:] = source.group_memory
    to.group_offset[:] = source.group_offset
    to.group_first[:] = source.group_first
    to.forced[:] = source.forced
    to.r_offset[:r] = source.r_offset[:r]
    to.r_top[:r] = source.r_top[:r]
    to.r_first[:r] = source.r_first[:r]
    to.r_last[:r] = source.r_last[:r]
    to.r_tensor[:r] = source.r_tensor[:r]
    backups = source.head[rules.BACKUPS]
    to.log[:backups] = source.log[:backups]
    to.legal[:] = source.legal
    to.o_offset[:] = source.o_offset
    to.o_first[:] = source.o_first
    to.o_last[:] = source.o_last
    to.o_ready[:] = source.o_ready
    to.o_stall_s[:] = source.o_stall_s
    to.o_gain_s[:] = source.o_gain_s


@njit(cache=True)
def obvious(T, S):
    """The move to make without asking; -1 where there is a choice."""
    a = S.head[rules.POINTER]
    x = T.tensor[a]
    covered = S.cur_first[x] >= 0 and S.cur_last[x] >= T.instruction[a]
    if covered and not T.output[a] and S.legal[rules.KEEP]:
        return rules.KEEP
    only = -1
    for move in range(3):
        if S.legal[move]:
            if only >= 0:
                return -1
            only = move
    return only


@njit(cache=True)
def coast(T, S):
    """Make the obvious moves up to the next decision or the end."""
    while S.head[rules.POINTER] < T.tensor.size:
        move = obvious(T, S)
        if move < 0:
            break
        compiled.step(T, S, move)


@njit(cache=True)
def decide(T, S, move):
    """Make a legal move and the obvious ones after it; the sum of their rewards, seconds."""
    before = S.score_s[0]
    compiled.step(T, S, move)
    coast(T, S)
    return S.score_s[0] - before


@njit(cache=True)
def start(T, S):
    """Begin again, nothing forced, at the first decision."""
    S.forced[:] = 0
    S.head[rules.BACKUPS] = 0
    compiled.begin(T, S)
    compiled.settle(T, S)
    coast(T, S)


@njit(cache=True)
def start_all(T, rows):
    """Begin every game."""
    for b in range(rows.head.shape[0]):
        start(T, row(rows, b))


@njit(cache=True)
def observe_all(T, rows, F, seen, access, legal):
    """Observations, accesses and legal moves of all games; an ended game sees zeros and may do nothing."""
    for b in range(rows.head.shape[0]):
        S = row(rows, b)
        observe(T, S, F, seen[b])
        access[b] = min(S.head[rules.POINTER], T.tensor.size - 1)
        over = S.head[rules.POINTER] >= T.tensor.size
        for move in range(3):
            legal[b, move] = S.legal[move] != 0 and not over


@njit(cache=True)
def decide_all(T, rows, moves):
    """Make a move in every game that has one; -1 makes none."""
    for b in range(rows.head.shape[0]):
        if moves[b] >= 0:
            decide(T, row(rows, b), moves[b])


@njit(cache=True)
def replay(T, S, F, decisions, seen, access, legal, score):
    """Play decisions from the start, noting what is seen before each; their number that was legal."""
    start(T, S)
    for at in range(decisions.size):
        over = S.head[rules.POINTER] >= T.tensor.size
        if over or not 0 <= decisions[at] < 3 or not S.legal[decisions[at]]:
            return at
        observe(T, S, F, seen[at])
        access[at] = S.head[rules.POINTER]
        for move in range(3):
            legal[at, move] = S.legal[move] != 0
        score[at] = S.score_s[0]
        decide(T, S, decisions[at])
    return decisions.size
