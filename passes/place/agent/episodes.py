"""Episodes: the decisions of a game, what was seen before each, and what a search made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....ir.errors import InputError
from ..game import Game, fresh
from .lanes import replay
from .observation import WIDTH, Facts, facts
from .tree import MOVES


@dataclass(frozen=True)
class Episode:
    """One finished game.

    Attributes:
        moves: decisions [n].
        targets: improved policies of the decisions that were searched, zeros elsewhere [n, 3].
        seen: observations [n, WIDTH].
        access: accesses decided [n].
        legal: legal moves [n, 3].
        remaining: return still to come before each decision, shares of the all-slow latency [n].
        score: the whole return.
    """

    moves: np.ndarray
    targets: np.ndarray
    seen: np.ndarray
    access: np.ndarray
    legal: np.ndarray
    remaining: np.ndarray
    score: float


class Match:
    """One problem as the agent plays it: its game, the facts observations repeat, a state to replay in."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.tables = game.tables
        self.facts: Facts = facts(game)
        self.scratch = fresh(game.tables)

    def episode(self, moves: np.ndarray, targets: np.ndarray | None = None) -> Episode:
        """Replay decisions.

        Raises:
            InputError: they are not a legal, whole game.
        """
        count = len(moves)
        seen = np.zeros((count, WIDTH), np.float32)
        access, score = np.zeros(count, np.int64), np.zeros(count)
        legal = np.zeros((count, MOVES), np.bool_)
        moves = np.ascontiguousarray(moves, np.int64)
        played = replay(self.tables, self.scratch, self.facts, moves, seen, access, legal, score)
        whole = self.scratch.head[0] >= self.tables.tensor.size
        if played < count or not whole:
            raise InputError(
                f"decision {played} of {count} is not legal" if played < count else "the game does not end",
                where=self.game.problem.name,
                accepted="the decisions of a whole game of this problem on this machine",
            )
        final = float(self.scratch.score_s[0])
        remaining = ((final - score) / self.facts.all_slow_s).astype(np.float32)
        if targets is None:
            targets = np.zeros((count, MOVES), np.float32)
        return Episode(moves, targets, seen, access, legal, remaining, final / self.facts.all_slow_s)

    def finish(self, moves: np.ndarray) -> Game:
        """The game after these decisions."""
        self.episode(moves)
        game = self.game.clone()
        game.load(self.scratch)
        return game
