"""Demonstrations for the warm start: the games priority insertion plays while it builds its set of tensors."""

from __future__ import annotations

import numpy as np
from numba import njit

from .. import rules
from .episodes import Match, Episode
from .lanes import coast, start


@njit(cache=True)
def _admitted(T, S, wanted, decisions):
    """Play with some tensors admitted to fast memory; the number of decisions, which are written down."""
    start(T, S)
    count = 0
    while S.head[rules.POINTER] < T.tensor.size:
        x = T.tensor[S.head[rules.POINTER]]
        move = rules.DROP
        if wanted[x] or not S.legal[rules.DROP]:
            if S.legal[rules.KEEP]:
                move = rules.KEEP
            elif S.legal[rules.COPY]:
                move = rules.COPY
        if count < decisions.size:
            decisions[count] = move
        count += 1
        rules.step(T, S, move)
        coast(T, S)
    return count


def insertion(match: Match) -> list[Episode]:
    """Every game of priority insertion that it kept, the last one its result.

    Tensors by falling benefit over the square root of their size; each stays admitted if the latency does
    not rise. Benefit: what its accesses would save, were each alone in fast memory.
    """
    T, S = match.tables, match.scratch
    saved = np.minimum(T.slow_s - T.fast_s, np.maximum(T.traffic_s - T.compute_s, 0.0)[T.instruction])
    benefit = np.zeros(T.height.size)
    np.add.at(benefit, T.tensor, saved)
    order = np.argsort(-benefit / np.sqrt(T.height), kind="stable")
    wanted = np.zeros(T.height.size, np.bool_)
    decisions = np.zeros(4 * T.tensor.size + 64, np.int64)
    kept: list[np.ndarray] = []
    best = 0.0
    for x in order:
        if not T.movable[x]:
            continue
        wanted[x] = True
        count = _admitted(T, S, wanted, decisions)
        if S.score_s[0] >= best and count <= decisions.size:
            best = float(S.score_s[0])
            kept.append(decisions[:count].copy())
        else:
            wanted[x] = False
    return [match.episode(each) for each in kept]
