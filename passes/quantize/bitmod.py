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

from ...ir.bitmod_format import GROUP_SIZE, SCALE_MAX, BitmodFormat, BitmodWeights, Mode, lookup
from ...ir.errors import InputError
from .blocks import checked, cut
from .codebook import Codebook, encode
from .integer import quantize_integers

SCALE_RANGE = (1e-5, 1e4)
"""Bounds of a group's scale, as in the authors' quantizer."""


def quantize(weights: ArrayLike, scheme: str | BitmodFormat = "bitmod4") -> BitmodWeights:
    """Quantize a matrix of weights, without calibration data.

    Args:
        weights: ``[N, D]``, finite; groups of 128 run along D, the last one padded with zeros.
        scheme: a format or its name.

    Returns:
        Codes, special-value indices, group scales 0..127 and channel scales.

    Raises:
        InputError: unknown format, weights that are no finite matrix, or beyond the scales.
    """
    chosen = lookup(scheme) if isinstance(scheme, str) else scheme
    matrix = checked(weights)
    if chosen.mode is not Mode.FP:
        return quantize_integers(matrix, chosen)
    channels, inputs = matrix.shape
    # A zero special value leaves the basic grid: code 0 comes first and is used.
    books = [Codebook(values / 2.0, chosen.codes) for values in chosen.values()]
    found = encode(cut(matrix, GROUP_SIZE), books, SCALE_RANGE)
    if found.scale.max() >= SCALE_RANGE[1]:
        largest = f"{np.abs(matrix).max():.3g}"
        raise InputError(
            f"weights of up to {largest} are beyond a group's largest scale, {SCALE_RANGE[1]:g}",
            accepted="smaller weights, or integers such as int8",
        )
    shape = channels, len(found.scale) // channels
    group_scale, channel_scale = second_level(found.scale.reshape(shape))
    return BitmodWeights(
        format=chosen,
        inputs=inputs,
        codes=found.codes.reshape(*shape, GROUP_SIZE),
        special=found.variant.reshape(shape),
        group_scale=group_scale,
        channel_scale=(channel_scale / 2).astype(np.float32),  # the grid's half folded in
    )


def second_level(delta: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Group scales ``[N, G]`` as integers 0..127 of a channel scale ``[N]``."""
    channel = delta.max(axis=1) / SCALE_MAX
    divisor = np.where(channel > 0, channel, 1.0)[:, None]
    group = np.clip(np.rint(delta / divisor), 0, SCALE_MAX).astype(np.uint8)
    return group, channel
