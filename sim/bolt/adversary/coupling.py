"""T1, exact coupling: with the random pairs fixed, any two sequences of a length have one trace.

The tape names the pair each access is to show. A key that is remapped gets the pair of its *next* use, an
absent key shows the current one; so every sequence shows the tape, and any difference is a leak.
"""

from __future__ import annotations

import numpy as np

from ..config import BoltConfig, Op
from ..drbg import Words, words_of_pair


def random_pairs(config: BoltConfig, length: int, seed: int = 0) -> np.ndarray:
    """A tape: ``[length, 2]`` distinct bins of each access."""
    draw = np.random.default_rng(seed)
    first = draw.integers(0, config.bins, length)
    second = draw.integers(0, config.bins - 1, length)
    return np.stack([first, second + (second >= first)], axis=1)


def tape_for(config: BoltConfig, ops: np.ndarray, keys: np.ndarray, pairs: np.ndarray) -> list[Words]:
    """Words that make a sequence of operations, from an empty map on, show a tape.

    Args:
        config: sizes.
        ops, keys: ``[n]``.
        pairs: ``[n, 2]``; the last accesses of keys, whose pairs are never seen, reuse what is at hand.
    """
    next_use = np.arange(len(ops))
    upcoming: dict[int, int] = {}
    for at in range(len(ops) - 1, -1, -1):
        if ops[at] == Op.NOP:
            continue
        next_use[at] = upcoming.get(int(keys[at]), at)
        upcoming[int(keys[at])] = at
    tape = []
    for at, later in enumerate(next_use):
        (x, y), (u, v) = pairs[at].tolist(), pairs[later].tolist()
        tape.append((*words_of_pair(x, y, config.bins), *words_of_pair(u, v, config.bins)))
    return tape


def first_difference(one: np.ndarray, other: np.ndarray) -> str | None:
    """Where two traces differ; None where nowhere."""
    shared = min(len(one), len(other))
    unequal = np.flatnonzero(one[:shared] != other[:shared])
    if len(unequal):
        at = int(unequal[0])
        return f"event {at}: {one[at]} and {other[at]}"
    return None if len(one) == len(other) else f"{len(one)} events and {len(other)}"
