"""Variant A, which leaks: an access shows the bin that holds its key and one fresh bin.

Its position entry is a single bin, as in the artifact's prototype. The bin won a comparison of loads, so it
depends on recent visits. Only a negative control: the statistics must tell it from chance.
"""

from __future__ import annotations

import numpy as np

from ..config import BoltConfig


def variant_a(config: BoltConfig, keys: np.ndarray, seed: int = 0) -> np.ndarray:
    """Host bins each access to a full map of keys 0…N−1 shows: ``[n, 2]``, −1 for none.

    Args:
        config: sizes.
        keys: ``[n]`` below N.
        seed: of the bins drawn.
    """
    draw = np.random.default_rng(seed)
    total = config.capacity + len(keys)
    first, second = draw.integers(0, config.bins, total), draw.integers(0, config.bins - 1, total)
    second += second >= first
    decoy = draw.integers(0, config.bins - 1, len(keys)).tolist()
    loads = [0] * config.bins
    where = [0] * config.capacity
    shown = np.empty((len(keys), 2), int)
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    for key, (x, y) in zip(range(config.capacity), pairs, strict=False):
        where[key] = x if loads[x] <= loads[y] else y
        loads[where[key]] += 1
    actual = []
    for key, (x, y) in zip(keys.tolist(), pairs, strict=False):
        old = where[key]
        actual.append(old)
        loads[old] -= 1
        new = x if loads[x] <= loads[y] else y
        where[key] = new
        loads[new] += 1
    shown[:, 0] = actual
    shown[:, 1] = decoy
    shown[:, 1] += shown[:, 1] >= shown[:, 0]
    shown[shown < config.hbm_bins] = -1
    lone = shown[:, 0] < 0
    shown[lone] = shown[lone][:, ::-1]
    return shown
