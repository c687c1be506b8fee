"""What the FuseMax array must compute, bit for bit: the paper's cascade 5 in single precision.

FuseMax (MICRO 2024, section III-C, cascade 5; section V for the exponential of six multiply-accumulates).
There are no registers, cycles or columns here, and no schedule: queries are independent of each other, and
the order of the sums is part of the definition. Keys come in tiles of Rows; inside a tile, sums over keys go
from the first to the last, and tiles follow each other.

Choices the paper leaves open: operands and results are FP16, everything between them is FP32; a
multiply-accumulate rounds its product, then its sum (to nearest even, subnormals kept); 2^g on [0, 1) is a
polynomial of degree 5 with p(0) = 1, and results below 2^−126 become 0; a NaN reaches whatever it touches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]

LOG2_E = np.array(0x3FB8AA3B, np.uint32).view(np.float32)
COEFFICIENTS = np.array(
    [0x3AF4B678, 0x3C13BD91, 0x3D648E1C, 0x3E75EDB4, 0x3F31725D, 0x3F800000], np.uint32
).view(np.float32)
"""Of 2^g, highest degree first: Horner's rule."""
FRACTION_BITS = 24
LARGEST_POWER = 256
"""At and beyond 2^±256 the exponential is 0 or infinite, whatever the fraction."""


@np.errstate(over="ignore", invalid="ignore")
def exp(x: Floats) -> Floats:
    """e^x as the arrays compute it, in six multiply-accumulates.

    The first gives x·log2(e), whose whole part is the power of two and whose fraction, 24 bits of it,
    the argument g of the polynomial that the other five evaluate.
    """
    power = x * LOG2_E + np.float32(0)
    whole, g = _split(power)
    p = COEFFICIENTS[0] * g + COEFFICIENTS[1]
    for coefficient in COEFFICIENTS[2:]:
        p = p * g + coefficient
    return _scaled(p, whole)


def _split(power: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Whole part and fraction in [0, 1)."""
    wide = power.astype(np.float64)
    near = np.abs(wide) < LARGEST_POWER
    fixed = np.floor(np.where(near, wide, 0) * 2.0**FRACTION_BITS).astype(np.int64)
    far = np.where(wide < 0, -LARGEST_POWER, LARGEST_POWER - 1)
    whole = np.where(near, fixed >> FRACTION_BITS, np.where(np.isnan(wide), 0, far))
    fraction = (fixed & ((1 << FRACTION_BITS) - 1)).astype(np.float32) * np.float32(2.0**-FRACTION_BITS)
    return whole, np.where(np.isnan(power), np.float32(np.nan), fraction).astype(np.float32)


def _scaled(p: Floats, whole: NDArray[np.int64]) -> Floats:
    """p · 2^whole by its exponent field: 0 below the normal numbers, infinite beyond them."""
    bits = p.view(np.uint32).astype(np.int64)
    field = (bits >> 23 & 255) + whole
    moved = (bits + (whole << 23)).astype(np.uint32).view(np.float32)
    result = np.where(field <= 0, np.float32(0), np.where(field >= 255, np.float32(np.inf), moved))
    return np.where(np.isfinite(p), result, p).astype(np.float32)


def _larger(a: Floats, b: Floats) -> Floats:
    """The larger, +0 above −0; NaN where either is."""
    both_zero = (a == 0) & (b == 0)
    return np.where(both_zero, a + b, np.maximum(a, b))


def attention(q: Halves, k: Halves, v: Halves, *, rows: int) -> Halves:
    """``AV[p, f] = sum_m softmax_m(Q[p]·K[m]) V[m, f]`` as the array computes it.

    Args:
        q: queries ``[P, E]``, scaled already.
        k: keys ``[M, E]``.
        v: values ``[M, F]``.
        rows: keys of a tile, M0; the last tile may hold fewer.

    Returns:
        float16 ``[P, F]``.
    """
    queries, values = len(q), v.shape[1]
    with np.errstate(all="ignore"):
        wide_q, wide_k, wide_v = (each.astype(np.float32) for each in (q, k, v))
        running_max = np.full(queries, -np.inf, np.float32)
        running_sum = np.zeros(queries, np.float32)
        running_out = np.zeros((queries, values), np.float32)
        for first in range(0, len(k), rows):
            keys, tile_v = wide_k[first : first + rows], wide_v[first : first + rows]
            scores = _scores(wide_q, keys)
            tile_max = scores[0]
            for row in scores[1:]:
                tile_max = _larger(tile_max, row)
            new_max = _larger(running_max, tile_max)
            weights = exp(scores - new_max)
            tile_sum = np.zeros(queries, np.float32)
            tile_out = np.zeros((queries, values), np.float32)
            for weight, value in zip(weights, tile_v, strict=True):
                tile_sum = tile_sum + weight
                tile_out = tile_out + value * weight[:, None]
            correction = exp(running_max - new_max)
            running_max = new_max
            running_sum = running_sum * correction + tile_sum
            running_out = running_out * correction[:, None] + tile_out
        return (running_out / running_sum[:, None]).astype(np.float16)


def _scores(q: Floats, keys: Floats) -> Floats:
    """Q·K ``[keys, queries]``, E in order."""
    total = np.zeros((len(keys), len(q)), np.float32)
    for e in range(q.shape[1]):
        total += keys[:, e, None] * q[None, :, e]
    return total
