"""Matrices cut into groups, and work on them block by block on every core."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...ir.errors import InputError

Floats = NDArray[np.float64]

BLOCK_ELEMENTS = 1 << 15
"""Elements worked on at a time: float64 temporaries of a block stay in the second-level cache."""


def checked(weights: ArrayLike) -> NDArray:
    """Weights as a matrix of floats.

    Raises:
        InputError: not a non-empty matrix, or not finite.
    """
    matrix = np.asarray(weights)
    if matrix.dtype.kind != "f":
        matrix = matrix.astype(np.float64)
    if matrix.ndim != 2 or matrix.size == 0:
        raise InputError(
            f"cannot quantize weights of shape {list(matrix.shape)}", accepted="[N, D], not empty"
        )
    if not np.isfinite(matrix).all():
        raise InputError("cannot quantize weights that are infinite or NaN")
    return matrix


def cut(matrix: NDArray, group: int) -> NDArray:
    """Groups ``[N · G, group]`` along the inputs of ``[N, D]``, the last of a channel padded with zeros."""
    short = -matrix.shape[1] % group
    padded = np.pad(matrix, ((0, 0), (0, short))) if short else matrix
    return padded.reshape(-1, group)


def in_blocks(groups: NDArray, work: Callable[[Floats, slice], Any]) -> list[Any]:
    """Call ``work(block in float64, its rows)`` for all blocks of groups, several at a time; its results.

    NumPy lets go of the interpreter lock in its loops, so threads do run at the same time.
    """
    rows = max(1, BLOCK_ELEMENTS // groups.shape[1])
    slices = [slice(start, start + rows) for start in range(0, len(groups), rows)]
    if len(slices) == 1:
        return [work(groups.astype(np.float64), slices[0])]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda part: work(groups[part].astype(np.float64), part), slices))
