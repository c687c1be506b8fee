"""Units given out to stages of a pipeline so that the slowest is as fast as can be."""

from __future__ import annotations

import math

import numpy as np

HALVINGS = 14
"""Of the ratio of the bounds of the pace, before units are given out one by one."""


def needed(work: np.ndarray, least: np.ndarray, seconds: float) -> np.ndarray:
    """Units each stage needs to keep up with a pace, of at least some."""
    if not len(work) or seconds <= 0:
        return least
    return np.maximum(least, np.ceil(work / seconds * (1 - 1e-12)))


def pace(work: np.ndarray, least: np.ndarray, units: int) -> float:
    """The least time in which every stage is done, units given out so; 0 where there is no work.

    Args:
        work: seconds of each stage on one unit.
        least: units each must have; together they are no more than there are.
        units: how many there are.
    """
    if not len(work) or not work.any():
        return 0.0
    low, high = float(work.sum()) / units, float((work / least).max())
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if needed(work, least, middle).sum() <= units else (middle, high)
    given = needed(work, least, high).astype(float)  # nobody needs fewer at any faster pace
    for _ in range(units - int(given.sum())):
        given[np.argmax(work / given)] += 1
    return float((work / given).max())
