"""Players that make the game's own moves: random, greedy, and priority insertion; in C.

Priority insertion admits tensors in order of benefit / √size: an admitted one stays in fast memory where it
can and is copied in where it must be; the others stay in slow memory. It keeps a tensor if the latency of the
whole game does not rise.
"""

from __future__ import annotations

import numpy as np

from .game import Game
from .native import library
from .problem import Machine, Problem
from .rules import State, Tables, sound


def play_random(T: Tables, S: State, seed: int) -> float:
    """Legal moves by chance; the latency."""
    return sound(library().pst_play_random(T.at.ctypes, S.at.ctypes, seed))


def play_greedy(T: Tables, S: State) -> float:
    """The move that saves most at once; at a tie without a copy, then slow memory; the latency."""
    return sound(library().pst_play_greedy(T.at.ctypes, S.at.ctypes))


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
    curve, admitted = np.zeros(order.size), np.zeros(len(problem.tensors), np.int64)
    where = (game.tables.at.ctypes, game.state.at.ctypes)
    tried = (order.ctypes, order.size, admitted.ctypes, curve.ctypes)
    sound(library().pst_insert_by_priority(*where, *tried))
    sound(library().pst_play_admitted(*where, admitted.ctypes))
    return game, curve
