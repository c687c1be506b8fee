"""The BitMoD quantizer: per group of 128 weights, the special value that loses least (BitMoD, HPCA 2025).

Algorithm 1 of the paper, then its second-level scale (section III-C): each candidate grid is scaled so
that its largest magnitude meets the group's, weights go to the nearest level (ties to the lower one), the
candidate of least squared error wins (ties to the first), and a channel's winning group scales are
quantized to 0..127 of one channel scale. Errors are compared in float64: with half precision small
weights square into subnormals and the wrong candidate wins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...ir.bitmod_format import GROUP_SIZE, SCALE_MAX, BitmodFormat, BitmodWeights, lookup
from ...ir.errors import InputError

SCALE_RANGE = (1e-5, 1e4)
"""Bounds of a group's scale, as in the authors' quantizer."""

_BLOCK_ELEMENTS = 1 << 20


def quantize(weights: ArrayLike, scheme: str | BitmodFormat = "bitmod4") -> BitmodWeights:
    """Quantize a matrix of weights, without calibration data.

    Args:
        weights: ``[N, D]``, finite; groups of 128 run along D, the last one padded with zeros.
        scheme: a format or its name.

    Returns:
        Codes, special-value indices, group scales 0..127 and channel scales.

    Raises:
        InputError: not a non-empty matrix, or not finite.
    """
    chosen = lookup(scheme) if isinstance(scheme, str) else scheme
    matrix = np.asarray(weights, np.float64)
    if matrix.ndim != 2 or matrix.size == 0:
        raise InputError(
            f"cannot quantize weights of shape {list(matrix.shape)}", accepted="[N, D], not empty"
        )
    if not np.isfinite(matrix).all():
        raise InputError("cannot quantize weights that are infinite or NaN")
    channels, inputs = matrix.shape
    groups = -(-inputs // GROUP_SIZE)
    padded = np.pad(matrix, ((0, 0), (0, groups * GROUP_SIZE - inputs))).reshape(-1, GROUP_SIZE)

    codes = np.empty(padded.shape, np.uint8)
    special = np.empty(len(padded), np.uint8)
    delta = np.empty(len(padded))
    block = _BLOCK_ELEMENTS // GROUP_SIZE
    for start in range(0, len(padded), block):
        rows = slice(start, start + block)
        codes[rows], special[rows], delta[rows] = _quantize_groups(padded[rows], chosen)

    group_scale, channel_scale = _second_level(delta.reshape(channels, groups))
    return BitmodWeights(
        format=chosen,
        inputs=inputs,
        codes=codes.reshape(channels, groups, GROUP_SIZE),
        special=special.reshape(channels, groups),
        group_scale=group_scale,
        channel_scale=channel_scale,
    )


def _quantize_groups(
    groups: NDArray[np.float64], chosen: BitmodFormat
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    """Codes ``[G, 128]``, special indices ``[G]`` and scales ``[G]`` (undoubled) of groups ``[G, 128]``."""
    largest = np.abs(groups).max(axis=1)
    best_error = np.full(len(groups), np.inf)
    codes = np.zeros(groups.shape, np.uint8)
    special = np.zeros(len(groups), np.uint8)
    delta = np.zeros(len(groups))
    for index, table in enumerate(chosen.values()):
        # A zero special value leaves the basic grid: code 0 comes first and wins.
        levels, first = np.unique(table[list(chosen.codes)], return_index=True)
        level_codes = np.array(chosen.codes, np.uint8)[first]
        grid = levels / 2.0
        scale = np.clip(largest / np.abs(grid).max(), *SCALE_RANGE)
        nearest = np.searchsorted((grid[1:] + grid[:-1]) / 2, groups / scale[:, None], side="left")
        error = np.square(grid[nearest] * scale[:, None] - groups).sum(axis=1)
        better = error < best_error
        best_error[better] = error[better]
        codes[better] = level_codes[nearest[better]]
        special[better] = index
        delta[better] = scale[better]
    return codes, special, delta


def _second_level(delta: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Group scales ``[N, G]`` as integers 0..127 of a channel scale ``[N]``, the grid's half folded in."""
    channel = delta.max(axis=1) / SCALE_MAX
    group = np.clip(np.rint(delta / channel[:, None]), 0, SCALE_MAX).astype(np.uint8)
    return group, (channel / 2).astype(np.float32)
