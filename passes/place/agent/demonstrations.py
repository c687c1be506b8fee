"""The demonstration for the warm start: priority insertion's game, as the agent would have decided it."""

from __future__ import annotations

import numpy as np
from numba import njit

from .. import rules
from ..playouts import insertion
from .episodes import Episode, Match
from .lanes import decide, start


@njit(cache=True)
def _decided(T, S, moves, decisions):
    """Follow a finished game's moves through the decisions; how many they are, −1 where one is not legal."""
    start(T, S)
    count = 0
    while S.head[rules.POINTER] < T.tensor.size:
        move = moves[S.head[rules.POINTER]]
        if not S.legal[move] or count == decisions.size:
            return -1
        decisions[count] = move
        count += 1
        decide(T, S, move)
    return count


def demonstration(match: Match) -> Episode | None:
    """Priority insertion's game; None where the obvious moves leave it no way."""
    game = match.game
    shown, _ = insertion(game.problem, game.machine, game.variant)
    moves = np.array(shown.moves(), np.int64)
    decisions = np.zeros(moves.size, np.int64)
    count = _decided(match.tables, match.scratch, moves, decisions)
    return match.episode(decisions[:count]) if count > 0 else None
