"""Elementary functions on f32 vectors, written with fused multiply-adds; f64 goes to the C library.

exp errs by less than one unit of the last place (1.3 where multiply-adds are not fused); its polynomial is
a minimax fit (in such units) on [-ln 2/2, ln 2/2], found by reweighted least squares. The polynomials of
expm1, log and tanh are those of Cephes. Infinities and NaN come out as the C library's. Vectors that AVX-512
does not scale flush exponentials below 2^-125.5 to 0. Where nothing but bf16 is made of an exponential, a
quartic does: few of its values are rounded to another bf16 than the exact ones.
"""

from __future__ import annotations

import math

from .lanes import SCALEF_LANES, Lanes, Vec

_EXP = (
    1.3815866550430655e-3, 8.373199962079525e-3, 4.166853800415993e-2, 1.666644811630249e-1,
    4.9999991059303284e-1, 1.0, 1.0,
)  # fmt: skip
# 2^f on [0, 1), 1 at 0, found by linear programming on the relative error.
_EXP2_COARSE = (1.34266838e-2, 5.22424728e-2, 0.241280198, 0.693044841, 1.0)
_EXPM1 = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
# erf(x)/x as a polynomial in 2·x²/3.92² - 1, fitted at the Chebyshev points of [0, 3.92].
_ERF_EDGE = 3.92
_ERF = (
    3.937408702e-04, -9.392719212e-04, 5.528946997e-04, -1.045277979e-03, 4.379646075e-03,
    -8.170483257e-03, 1.217792724e-02, -1.961749014e-02, 3.062432517e-02, -4.358573431e-02,
    5.816743474e-02, -7.398989038e-02, 9.062451140e-02, -1.091818543e-01, 1.340832989e-01,
    -1.801085622e-01, 3.607368207e-01,
)  # fmt: skip
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_ROUNDER = 12582912.0  # 1.5·2^23: adding it leaves the rounded integer in the low mantissa bits


def exp(v: Lanes, x: Vec) -> Vec:
    """e^x: x = n·ln 2 + r, a polynomial in r, and n put into the exponent."""
    if x.element == "f64":
        return v.make("exp", "math.exp", x)
    whole = v.count == SCALEF_LANES
    x = v.capped(v.raised(x, -104.0 if whole else -87.6), 88.8)
    shifted = v.fma(x, v.constant(1.4426950408889634, "f32"), v.constant(_ROUNDER, "f32"))
    n = v.sub(shifted, v.constant(_ROUNDER, "f32"))
    r = v.fma(n, v.constant(-_LN2_HIGH, "f32"), x)
    r = v.fma(n, v.constant(-_LN2_LOW, "f32"), r)
    p = v.horner(r, _EXP)
    if whole:
        return v.scaled(p, n)
    # 2·p·2^(n-1): n = 128 is still finite for p < 1, and n = -126 gives 0.
    bits = v.cast("arith.bitcast", shifted, "i32")
    power = v.make("pow2", "arith.shli", bits, v.constant(23, "i32"))
    power = v.add(power, v.constant(126 << 23, "i32"))
    return v.mul(v.add(p, p), v.cast("arith.bitcast", power, "f32"))


def exp_coarse(v: Lanes, x: Vec) -> Vec:
    """e^x for results that are rounded to bf16: 2^t, a quartic in what t is above the whole number below it.

    Infinities need no care: nothing is left of them above a whole number. Where vectors have no instruction
    for the two parts of t this is `exp`.
    """
    if x.element != "f32" or v.count != SCALEF_LANES:
        return exp(v, x)
    t = v.mul(x, v.constant(1.4426950408889634, "f32"))
    return v.scaled(v.horner(v.above_whole(t), _EXP2_COARSE), t)


def expm1(v: Lanes, x: Vec) -> Vec:
    """e^x - 1, exact near 0: the polynomial without its constant there; f64 by Kahan's correction."""
    one = v.constant(1.0, x.element)
    grown = exp(v, x)
    far = v.sub(grown, one)
    if x.element == "f32":
        near = v.fma(v.horner(x, _EXPM1), v.mul(x, x), x)
        magnitude = v.make("abs", "math.absf", x)
        return v.select(v.compare("lt", magnitude, v.constant(0.34, "f32")), near, far)
    corrected = v.mul(far, v.div(x, v.make("log", "math.log", grown)))
    small = v.compare("lt", v.make("abs", "math.absf", x), one)
    value = v.select(small, corrected, far)
    return v.select(v.compare("eq", grown, one), x, value)


def log(v: Lanes, x: Vec) -> Vec:
    """ln x: exponent and mantissa apart, a polynomial in the mantissa."""
    if x.element == "f64":
        return v.make("log", "math.log", x)
    tiny = v.compare("lt", x, v.constant(1.1754943508222875e-38, "f32"))
    grown = v.select(tiny, v.mul(x, v.constant(8388608.0, "f32")), x)
    bits = v.cast("arith.bitcast", grown, "i32")
    field = v.sub(v.make("field", "arith.shrsi", bits, v.constant(23, "i32")), v.constant(126, "i32"))
    exponent = v.convert(field, "f32")
    exponent = v.sub(exponent, v.select(tiny, v.constant(23.0, "f32"), v.constant(0.0, "f32")))
    low = v.make("low", "arith.andi", bits, v.constant(0x007FFFFF, "i32"))
    mantissa = v.cast("arith.bitcast", v.make("half", "arith.ori", low, v.constant(0x3F000000, "i32")), "f32")
    small = v.compare("lt", mantissa, v.constant(0.70710678118, "f32"))
    exponent = v.select(small, v.sub(exponent, v.constant(1.0, "f32")), exponent)
    r = v.sub(mantissa, v.constant(1.0, "f32"))
    r = v.select(small, v.add(r, mantissa), r)
    square = v.mul(r, r)
    y = v.mul(v.mul(v.horner(r, _LOG), r), square)
    y = v.fma(exponent, v.constant(_LN2_LOW, "f32"), y)
    y = v.fma(square, v.constant(-0.5, "f32"), y)
    y = v.fma(exponent, v.constant(_LN2_HIGH, "f32"), v.add(r, y))
    infinite = v.constant(math.inf, "f32")
    y = v.select(v.compare("eq", x, infinite), infinite, y)
    y = v.select(v.compare("eq", x, v.constant(0.0, "f32")), v.constant(-math.inf, "f32"), y)
    wrong = v.make("wrong", "arith.cmpf ult,", x, v.constant(0.0, "f32"), element="i1")
    return v.select(wrong, v.constant(math.nan, "f32"), y)


def tanh(v: Lanes, x: Vec) -> Vec:
    """tanh x: an odd polynomial near 0, 1 - 2/(e^2x + 1) away from it."""
    if x.element == "f64":
        return v.make("tanh", "math.tanh", x)
    magnitude = v.make("abs", "math.absf", x)
    square = v.mul(x, x)
    near = v.fma(v.mul(v.horner(square, _TANH), square), x, x)
    grown = exp(v, v.add(magnitude, magnitude))
    one = v.constant(1.0, "f32")
    far = v.sub(one, v.div(v.constant(2.0, "f32"), v.add(grown, one)))
    far = v.make("far", "math.copysign", far, x)
    return v.select(v.compare("lt", magnitude, v.constant(0.625, "f32")), near, far)


def erf(v: Lanes, x: Vec) -> Vec:
    """erf x: x·P(x²) without a division, and ±1 from where that is the nearest f32."""
    if x.element == "f64":
        return v.make("erf", "math.erf", x)
    beyond = v.compare("ge", v.make("abs", "math.absf", x), v.constant(_ERF_EDGE, "f32"))
    scale, one = v.constant(2.0 / _ERF_EDGE**2, "f32"), v.constant(1.0, "f32")
    place = v.fma(v.mul(x, x), scale, v.constant(-1.0, "f32"))
    inside = v.mul(x, v.horner(place, _ERF))
    return v.select(beyond, v.make("sign", "math.copysign", one, x), inside)


def sigmoid(v: Lanes, x: Vec) -> Vec:
    """1 / (1 + e^-x)."""
    one = v.constant(1.0, x.element)
    return v.div(one, v.add(one, exp(v, v.make("neg", "arith.negf", x))))


def gelu(v: Lanes, x: Vec) -> Vec:
    """x/2 · (1 + erf(x/√2))."""
    half = v.mul(x, v.constant(0.5, x.element))
    return v.fma(half, erf(v, v.mul(x, v.constant(math.sqrt(0.5), x.element))), half)


def gelu_tanh(v: Lanes, x: Vec) -> Vec:
    """x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))."""
    root = v.constant(math.sqrt(2.0 / math.pi), x.element)
    cubic = v.mul(x, v.mul(x, x))
    inner = v.mul(root, v.fma(cubic, v.constant(0.044715, x.element), x))
    half = v.mul(x, v.constant(0.5, x.element))
    return v.fma(half, tanh(v, inner), half)


def silu(v: Lanes, x: Vec) -> Vec:
    """x · sigmoid(x)."""
    return v.mul(x, sigmoid(v, x))


def softplus(v: Lanes, x: Vec) -> Vec:
    """max(x, 0) + ln(1 + e^-|x|)."""
    negative = v.make("neg", "arith.negf", v.make("abs", "math.absf", x))
    return v.add(v.raised(x, 0.0), v.make("log1p", "math.log1p", exp(v, negative)))


def rsqrt(v: Lanes, x: Vec) -> Vec:
    """1/√x, both steps correctly rounded."""
    return v.div(v.constant(1.0, x.element), v.make("root", "math.sqrt", x))
