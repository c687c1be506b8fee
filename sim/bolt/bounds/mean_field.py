"""The share of bins at least so full, in the limit of many bins and uniformly random accesses.

In steady state s_(i-1)² − s_i² = i·(s_i − s_(i+1))/c: what arrives at bins of load i − 1, by the better of
two choices, is what leaves those of load i. The equation is ours.
"""

from __future__ import annotations

import numpy as np

_TOP = 64
_SETTLED = 1e-13


def tail(bin_keys: int, slots: int) -> float:
    """log2 of the share of bins with at least ``slots`` keys, at a mean load of ``bin_keys``."""
    # Below the mean s is close to 1 and is found by bisection on s_1's distance from it; far above the mean
    # s_i ≈ c·s_(i-1)²/i, which is where double precision of the difference would end.
    shares = _relaxed(bin_keys)
    level = next(i for i in range(1, _TOP) if shares[i] < 1e-5)
    log = np.log2(shares[level])
    for i in range(level + 1, slots + 1):
        log = np.log2(bin_keys / i) + 2 * log
    return float(log) if slots >= level else float(np.log2(shares[slots]))


def _relaxed(bin_keys: int) -> np.ndarray:
    """s_0 … s_TOP by following ds_i/dt to rest."""
    load = np.arange(1, _TOP)
    shares = (np.arange(_TOP + 1) <= bin_keys).astype(float)
    step = 0.2 / _TOP * bin_keys
    while True:
        up = shares[:-2] ** 2 - shares[1:-1] ** 2
        change = step * (up - load * (shares[1:-1] - shares[2:]) / bin_keys)
        shares[1:-1] += change
        if np.abs(change).max() < _SETTLED:
            return shares
