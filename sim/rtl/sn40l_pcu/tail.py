"""Functions of a PCU's tail as it computes them, bit for bit (SN40L, MICRO 2024, section IV-A).

Each is a piecewise polynomial of degree 5 in single precision: an operand is taken apart exactly into a
segment, a fraction of it and a power of two, and Horner's rule rounds every product and every sum. Where a
result of the first three would be below 2^-126 it is zero, and subnormal operands of reciprocal and rsqrt
count as zeros; gelu is the one by the error function, to about 1e-6. Every NaN is the quiet one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..fusemax_oracle import exp as _exp

Floats = NDArray[np.float32]

NAN = np.array(0x7FC00000, np.uint32).view(np.float32)
INFINITY = np.float32(np.inf)


def _table(text: str) -> Floats:
    """Coefficients ``[segments, 6]``, of the highest degree first."""
    words = np.array([int(word, 16) for word in text.split()], np.uint32)
    return words.view(np.float32).reshape(-1, 6)


RECIPROCAL = _table("""
    B7B3FF2E 3976536E BAFF6B2E 3C7FFC08 BDFFFFF7 3F800000
    B76BD89D 3911D578 BAA07628 3C33D4CD BDCA45AF 3F638E39
    B7446408 38C180A0 BA54C4F2 3C0324B6 BDA3D756 3F4CCCCD
    B7697614 389CE762 BA15281B 3BC538CC BD876838 3F3A2E8C
    B74485AD 386986AF B9D540EC 3B97F3C9 BD638F3C 3F2AAAAB
    B750DAB1 384E0507 B99FA4F7 3B6F3712 BD41E5E7 3F1D89D9
    B75EFAF5 38405175 B97703F0 3B3FB64F BD273053 3F124925
    B76D423E 383A5F0E B9450187 3B1C0C73 BD11A420 3F088889
""")
"""Of 1/m on the eighths of [1, 2)."""
RSQRT = _table("""
    B907C73B 3A7C4DBE BB9E64A4 3CBFEA8F BDFFFFA2 3F800000
    B81D9CC1 39B86AE4 BB110345 3C5BB5C2 BDB72D68 3F64F92E
    B802929B 3950D9D3 BA9E6CC5 3C0B858A BD8B5A03 3F5105EC
    B5D50CFA 388D69F1 BA309D7E 3BBD6690 BD5D2921 3F41848F
    B8B9404B 3A305820 BB5F8E60 3C87AF59 BDB50482 3F3504F3
    B7EF35F5 3984ECEA BACD9F42 3C1B61D1 BD8186BD 3F21E89B
    B6E66B0A 38D79E17 BA574694 3BC4EB30 BD451112 3F13CD3A
    B50A371E 38419865 B9F911A2 3B85E923 BD1C624B 3F08D677
""")
"""Of 1/sqrt(m) on the quarters of [1, 2), then on those of [2, 4)."""
GELU = _table("""
    B989A660 B8960C93 3C08D45B B71CCF33 BE4C41FB 3F000000
    34995D75 BAB9991C 3BB6BF4E 3CB42027 BE3441A0 3E9DF8A2
    393FFD59 BAAB8E82 37AA25CB 3CF7BF4E BDF7C710 3E227686
    390D5CB4 B9A7E75E BB5F1353 3CC6FF1A BD84A089 3D88D237
    3788AE15 39B09C2E BB5EE544 3C5D3D46 BCDD2672 3CBA5E7C
    B80FCAB0 39C853D6 BAFBE75F 3BB38508 BC0F97C2 3BCB7A73
    B7E3B84E 39508B99 BA40705A 3AD9B3EA BB1137D8 3AB0EF10
    B7371B46 388AC8C3 B952BD83 39C7C6E9 B9E4BDC0 3973EDE5
    B63F4560 3780D05C B829FD5D 388BC437 B88C4AEC 3804D6BD
    B50BE1F1 362D2C49 B6CD1981 3715D0C7 B7060316 36640394
    B39451EE 34AC1BA2 B53AD9BE 3576DADE B5475F37 3499E518
    B1E86ED2 3300097F B38159C4 339CAE21 B366F87C 32A31E7D
""")
"""Of erfc(x / sqrt(2)) / 2 on the halves of [0, 6)."""


def exp(x: Floats) -> Floats:
    """e^x: FuseMax's."""
    return _one_nan(_exp(x))


@np.errstate(all="ignore")
def reciprocal(x: Floats) -> Floats:
    """1 / x; of a zero the infinity of its sign, and the other way round."""
    exponent, mantissa = _parts(x)
    g = (mantissa & 0xFFFFF).astype(np.float32) * np.float32(2.0**-20)
    p = _scaled(_horner(RECIPROCAL, mantissa >> 20, g), 127 - exponent)
    p = np.where(exponent == 0, INFINITY, np.where(np.isinf(x), np.float32(0), p))
    return _one_nan(np.where(np.isnan(x), NAN, np.copysign(p, x)))


@np.errstate(all="ignore")
def rsqrt(x: Floats) -> Floats:
    """1 / sqrt(x); of a zero the infinity of its sign, NaN below."""
    exponent, mantissa = _parts(x)
    even = exponent & 1  # the power of two is even: m in [1, 2)
    g = (mantissa & 0x1FFFFF).astype(np.float32) * np.float32(2.0**-21)
    halves = (exponent - 127 - (1 - even)) // 2
    p = _scaled(_horner(RSQRT, 4 * (1 - even) + (mantissa >> 21), g), -halves)
    p = np.where(x < 0, NAN, np.where(np.isinf(x), np.float32(0), p))
    return _one_nan(np.where(np.isnan(x), NAN, np.where(exponent == 0, np.copysign(INFINITY, x), p)))


@np.errstate(all="ignore")
def gelu(x: Floats) -> Floats:
    """x * (1 + erf(x / sqrt(2))) / 2; 0 where x is at most -6, x where it is at least 6."""
    doubled = np.abs(x.astype(np.float64)) * 2
    inside = doubled < len(GELU)
    fixed = np.floor(np.where(inside, doubled, 0) * 2.0**24).astype(np.int64)
    g = (fixed & 0xFFFFFF).astype(np.float32) * np.float32(2.0**-24)
    tail = _horner(GELU, fixed >> 24, g)
    product = np.where(inside, np.abs(x) * tail, np.float32(0))
    kept = np.where(np.signbit(x), np.float32(0), x)
    return _one_nan(np.where(np.isnan(x), NAN, kept - product))


TAILS: Mapping[str, Callable[[Floats], Floats]] = {
    "exp": exp,
    "reciprocal": reciprocal,
    "rsqrt": rsqrt,
    "gelu": gelu,
}


def _parts(x: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Exponent field and mantissa field."""
    bits = np.ascontiguousarray(x).view(np.uint32).astype(np.int64)
    return bits >> 23 & 255, bits & 0x7FFFFF


def _horner(table: Floats, segment: NDArray[np.int64], g: Floats) -> Floats:
    p = table[segment, 0]
    for degree in range(1, table.shape[1]):
        p = p * g + table[segment, degree]
    return p


def _scaled(p: Floats, power: NDArray[np.int64]) -> Floats:
    """p * 2^power by its exponent field: 0 below the normal numbers, infinity beyond."""
    bits = np.ascontiguousarray(p).view(np.uint32).astype(np.int64)
    field = (bits >> 23) + power
    moved = (bits + (power << 23)).astype(np.uint32).view(np.float32)
    return np.where(field < 1, np.float32(0), np.where(field > 254, INFINITY, moved))


def _one_nan(x: Floats) -> Floats:
    return np.where(np.isnan(x), NAN, x).astype(np.float32)
