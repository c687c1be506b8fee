"""Symmetric integers in groups with seven-bit group scales, as the BitMoD array takes them (HPCA 2025).

The paper's INT8, INT6 and INT5 (section II-B) have no zero point; a group's scale brings its largest
magnitude to 2^(b−1)−1. The second-level scale (section III-C) comes first here, and weights are rounded on
the grid that is left: at eight bits a scale rounded afterwards would lose as much as the weights do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...ir.bitmod_format import GROUP_SIZE, SCALE_MAX, BitmodFormat, BitmodWeights
from .blocks import cut


def quantize_integers(matrix: NDArray, chosen: BitmodFormat) -> BitmodWeights:
    """Quantize a matrix that `blocks.checked` let through.

    Weights go to the nearest integer, ties to the lower one. A group of zeros has scale 0; a channel of zeros
    has channel scale 1.

    Args:
        matrix: ``[N, D]``; groups of 128 run along D, the last one padded with zeros.
        chosen: a format of integers.
    """
    channels, inputs = matrix.shape
    groups = cut(matrix, GROUP_SIZE).astype(np.float64).reshape(channels, -1, GROUP_SIZE)
    limit = (1 << (chosen.bits - 1)) - 1
    wanted = np.abs(groups).max(axis=2) / limit
    channel_scale = (wanted.max(axis=1) / SCALE_MAX).astype(np.float32)
    channel_scale[channel_scale == 0] = 1
    channel = channel_scale.astype(np.float64)[:, None]
    group_scale = np.clip(np.rint(wanted / channel), 0, SCALE_MAX).astype(np.uint8)
    # A group far below its channel's largest may have no scale left: its weights become zeros.
    unit = np.where(group_scale == 0, np.inf, group_scale * channel)
    values = np.clip(np.ceil(groups / unit[:, :, None] - 0.5), -limit, limit).astype(np.int64)
    return BitmodWeights(
        format=chosen,
        inputs=inputs,
        codes=(values & ((1 << chosen.mode.bits) - 1)).astype(np.uint8),
        special=np.zeros(group_scale.shape, np.uint8),
        group_scale=group_scale,
        channel_scale=channel_scale,
    )
