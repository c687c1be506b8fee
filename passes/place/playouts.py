"""Players that make the game's own moves: random, greedy, and priority insertion; compiled.

Priority insertion admits tensors in order of benefit / √size: an admitted one stays in fast memory where it
can and is copied in where it must be; the others stay in slow memory. It keeps a tensor if the latency of the
whole game does not rise.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .game import Game
from .problem import Machine, Problem
from .rules import COPY, DROP, KEEP, POINTER, begin, latency_s, settle, step


@njit(cache=True)
def play_random(T, S, seed):
    """Legal moves by chance; the latency."""
    np.random.seed(seed)
    _restart(T, S)
    while S.head[POINTER] < T.tensor.size:
        chosen, seen = DROP, 0
        for move in range(3):
            if S.legal[move]:
                seen += 1
                if np.random.randint(seen) == 0:
                    chosen = move
        step(T, S, chosen)
    return latency_s(T, S)


@njit(cache=True)
def play_greedy(T, S):
    """The move that saves most at once; at a tie without a copy, then slow memory; the latency."""
    _restart(T, S)
    while S.head[POINTER] < T.tensor.size:
        chosen = -1
        for move in (KEEP, DROP, COPY):
            if S.legal[move] and (chosen < 0 or S.o_gain_s[move] > S.o_gain_s[chosen]):
                chosen = move
        step(T, S, chosen)
    return latency_s(T, S)


@njit(cache=True)
def play_admitted(T, S, admitted):
    """Tensors of admitted classes in fast memory wherever legal; the latency."""
    _restart(T, S)
    while S.head[POINTER] < T.tensor.size:
        step(T, S, wish(T, S, admitted))
    return latency_s(T, S)


@njit(cache=True)
def wish(T, S, admitted):
    """The move at the access to decide: keep, else copy, for what is admitted; else drop."""
    if admitted[T.group[T.tensor[S.head[POINTER]]]]:
        if S.legal[KEEP]:
            return KEEP
        if S.legal[COPY]:
            return COPY
    if S.legal[DROP]:
        return DROP
    return KEEP if S.legal[KEEP] else COPY


@njit(cache=True)
def insert_by_priority(T, S, order, curve):
    """Admit classes in an order, each kept if the latency does not rise; what is admitted.

    ``curve`` [order] takes the latency after each.
    """
    admitted = np.zeros(T.height.size, np.int64)
    latency = play_admitted(T, S, admitted)
    for at in range(order.size):
        admitted[order[at]] = 1
        found = play_admitted(T, S, admitted)
        if found <= latency:
            latency = found
        else:
            admitted[order[at]] = 0
        curve[at] = latency
    return admitted


@njit(cache=True)
def _restart(T, S):
    S.forced[:] = 0
    S.head[:] = 0
    begin(T, S)
    settle(T, S)


def by_priority(game: Game) -> np.ndarray:
    """Classes by what they could save over √size, best first."""
    T = game.tables
    saving = np.zeros(T.height.size)
    np.add.at(saving, T.group[T.tensor], _alone_s(game))
    size = np.zeros(T.height.size)
    np.add.at(size, T.group, T.height)
    classes = int(T.group.max(initial=-1)) + 1
    return np.argsort(-saving[:classes] / np.sqrt(size[:classes]), kind="stable")


def _alone_s(game: Game) -> np.ndarray:
    """What each access would save as the only one in fast memory."""
    T = game.tables
    compute, traffic = T.compute_s[T.instruction], T.traffic_s[T.instruction]
    return np.maximum(compute, traffic) - np.maximum(compute, traffic - T.slow_s + T.fast_s)


def insertion(problem: Problem, machine: Machine, variant: str = "reserve") -> tuple[Game, np.ndarray]:
    """A finished game of priority insertion, and the latency after each class tried.

    Its ``moves()`` are what a learner may imitate.
    """
    game = Game(problem, machine, variant)
    order = by_priority(game)
    curve = np.zeros(order.size)
    admitted = insert_by_priority(game.tables, game.state, order, curve)
    play_admitted(game.tables, game.state, admitted)
    return game, curve
