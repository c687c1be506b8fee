"""bfloat16 in NumPy, which has no such type: its bits in uint16, and rounding to it.

A bfloat16 is the upper half of a float32: the same exponents, 8 significant bits. Rounding is to nearest,
ties to even; denormals are kept, what lies half a step or more beyond the largest number is infinite, and a
NaN stays one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PRECISION = 8  # significant bits
_LOWEST = -133  # exponent of the smallest denormal
_OVERFLOW = 2.0**128
_INFINITY = 0x7F800000  # float32's bits; NaNs lie above
_QUIET = 0x40  # keeps a NaN whose payload lies in the lower half
_BLOCK = 1 << 16  # elements rounded at once: they stay in a core's cache


def encode(values: NDArray) -> NDArray[np.uint16]:
    """The bits of floats rounded to bfloat16."""
    if values.dtype != np.float32:
        values = rounded(values).astype(np.float32)
    bits = values.reshape(-1).view(np.uint32)
    found = np.empty(bits.shape, np.uint16)
    for start in range(0, bits.size, _BLOCK):
        found[start : start + _BLOCK] = _nearest(bits[start : start + _BLOCK])
    return found.reshape(values.shape)


def _nearest(bits: NDArray[np.uint32]) -> NDArray:
    """The upper halves of float32 bits, rounded."""
    half = bits >> 16
    found = half & 1
    found += 0x7FFF
    found += bits
    found >>= 16
    nan = (bits & 0x7FFFFFFF) > _INFINITY
    if nan.any():
        found[nan] = half[nan] | _QUIET
    return found


def decode(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The numbers that bits stand for, exact."""
    return np.asarray(bits.astype(np.uint32) << 16).view(np.float32)


def rounded(values: NDArray) -> NDArray[np.float64]:
    """Floats of any width rounded once to bfloat16, as float64."""
    with np.errstate(invalid="ignore", over="ignore"):  # signalling NaNs; the ends of float64
        values = np.asarray(values, np.float64)
        _, exponent = np.frexp(values)
        step = np.maximum(exponent - _PRECISION, _LOWEST)
        nearest = np.ldexp(np.rint(np.ldexp(values, -step)), step)
    return np.where(np.abs(nearest) >= _OVERFLOW, np.copysign(np.inf, values), nearest)
