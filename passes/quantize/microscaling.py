"""Formats with eight-bit floating-point scales of their own: OCP's MX and NVIDIA's NVFP4.

MX (OCP Microscaling Formats v1.0, section 6.3): a block's scale is 2^(⌊log2 max|w|⌋ − e_max), e_max the
exponent of the largest element; elements round to nearest even and saturate, so what lies above the largest
element clips. NVFP4: a block's scale is max|w|/6, rounded to E4M3 as a multiple of a tensor's FP32 scale
that brings the largest block to 448.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...ir.formats import Format
from .blocks import Floats, in_blocks
from .codebook import Codebook, Encoded

E8M0 = (-127, 127)
"""Exponents of MX scales."""

E4M3_MAX = 448.0
_E4M3_BITS = 3
_E4M3_MIN_EXPONENT = -6


def encode_microscaling(groups: NDArray, chosen: Format) -> Encoded:
    """Codes and scales of blocks in a format that defines its scales."""
    book = Codebook(chosen.table[0], chosen.codes, ties="even")
    largest = np.abs(groups).max(axis=1).astype(np.float64)
    scale = _powers(largest, book.largest) if chosen.family == "mx" else _e4m3_scales(largest, book.largest)
    codes = np.empty(groups.shape, np.uint8)

    def work(block: Floats, rows: slice) -> None:
        divisor = np.where(scale[rows] > 0, scale[rows], 1.0)[:, None]
        codes[rows] = np.take(book.code, book.places(block / divisor))

    in_blocks(groups, work)
    return Encoded(codes, np.zeros(len(groups), np.uint8), scale)


def _powers(largest: Floats, top: float) -> Floats:
    """MX scales of blocks by their largest magnitudes; the least scale for zeros."""
    exponent = np.frexp(largest)[1] - np.frexp(top)[1]  # frexp's exponents are both one too high
    exponent = np.where(largest > 0, exponent, E8M0[0])
    return np.ldexp(1.0, np.clip(exponent, *E8M0))


def _e4m3_scales(largest: Floats, top: float) -> Floats:
    """NVFP4 scales of blocks by their largest magnitudes, the tensor's scale included."""
    tensor = np.float32(largest.max() / (top * E4M3_MAX))
    if tensor == 0:
        return np.zeros_like(largest)
    return e4m3(largest / (top * np.float64(tensor))) * np.float64(tensor)


def e4m3(values: Floats) -> Floats:
    """Values ≥ 0 rounded to E4M3, to nearest even, saturating at 448."""
    exponent = np.maximum(np.frexp(values)[1] - 1, _E4M3_MIN_EXPONENT)
    step = np.ldexp(1.0, exponent - _E4M3_BITS)
    return np.minimum(np.rint(values / step) * step, E4M3_MAX)
