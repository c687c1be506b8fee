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
_QUIET = np.uint32(0x40)  # keeps a NaN whose payload lies in the lower half


def encode(values: NDArray) -> NDArray[np.uint16]:
    """The bits of floats rounded to bfloat16."""
    if values.dtype != np.float32:
        values = rounded(values).astype(np.float32)
    bits = values.view(np.uint32)
    half = bits >> 16
    nearest = (bits + (np.uint32(0x7FFF) + (half & 1))) >> 16
    return np.where(np.isnan(values), half | _QUIET, nearest).astype(np.uint16)


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
