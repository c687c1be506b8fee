"""Integers with a zero point: ``w ≈ (q − z) · Δ``, Δ = (max − min)/(2^b − 1) per group.

The clamped variant: z = round(−min/Δ) is clamped to 0 … 2^b−1, so that it takes b bits; a group of weights
of one sign then clips. (The unclamped variant, also seen, stores z as a wider number.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .blocks import Floats, in_blocks
from .codebook import Encoded


def encode_asymmetric(groups: NDArray, bits: int, real: NDArray[np.intp]) -> Encoded:
    """Codes, zero points and scales of groups.

    Args:
        groups: floats ``[G, group]``.
        bits: of a code.
        real: ``[G]``, how many weights of each group are no padding: only these set the range.
    """
    top = (1 << bits) - 1
    codes = np.empty(groups.shape, np.uint8)
    zero = np.empty(len(groups), np.uint8)
    scale = np.empty(len(groups))

    def work(block: Floats, rows: slice) -> None:
        padding = np.arange(block.shape[1]) >= real[rows, None]
        highest = np.where(padding, -np.inf, block).max(axis=1)
        lowest = np.where(padding, np.inf, block).min(axis=1)
        # All weights equal: one step from zero reaches them.
        span = np.where(highest > lowest, (highest - lowest) / top, np.abs(highest))
        span[span == 0] = 1.0
        origin = np.clip(np.rint(-lowest / span), 0, top)
        block /= span[:, None]
        np.rint(block, out=block)
        block += origin[:, None]
        np.clip(block, 0, top, out=block)
        codes[rows] = np.where(padding, origin[:, None], block)
        zero[rows] = origin
        scale[rows] = span

    in_blocks(groups, work)
    return Encoded(codes, zero, scale)
