"""The oracle of the FuseMax array against float64: ordinary and adversarial operands, and its exponential."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.sim.rtl.fusemax import ERROR_BOUND
from penstock.sim.rtl.fusemax import attention as reference
from penstock.sim.rtl.fusemax_oracle import COEFFICIENTS, LOG2_E, attention, exp

Halves = NDArray[np.float16]


def heads(p: int, m: int, e: int, f: int, seed: int = 0, scale: float = 1.0) -> tuple[Halves, Halves, Halves]:
    random = np.random.default_rng(seed)
    q, k, v = (random.standard_normal(shape) for shape in ((p, e), (m, e), (m, f)))
    return (q * scale).astype(np.float16), k.astype(np.float16), v.astype(np.float16)


def error(out: Halves, q: Halves, k: Halves, v: Halves) -> float:
    exact = reference(q, k, v)
    return float(np.linalg.norm(out - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize(
    ("p", "m", "e", "f", "rows"),
    [
        (32, 32, 64, 64, 16),
        (7, 13, 8, 12, 4),  # ragged last key tile, E ≠ F
        (5, 4, 8, 8, 4),  # one key tile
        (5, 3, 8, 8, 4),  # one, not full
        (1, 21, 12, 4, 8),  # one query
        (4, 1, 3, 5, 4),  # one key: its value, exactly
    ],
)
@pytest.mark.parametrize("scale", [0.125, 1.0, 8.0])
def test_random_heads_are_as_exact_as_half_precision(p, m, e, f, rows, scale) -> None:
    q, k, v = heads(p, m, e, f, seed=p + m, scale=scale)
    assert error(attention(q, k, v, rows=rows), q, k, v) < ERROR_BOUND / 4


def test_one_key_gives_its_value() -> None:
    q, k, v = heads(4, 1, 3, 5)
    np.testing.assert_array_equal(attention(q, k, v, rows=4), np.repeat(v, 4, axis=0))


def test_equal_scores_give_the_mean() -> None:
    _, k, v = heads(1, 12, 8, 6)
    out = attention(np.zeros((3, 8), np.float16), k, v, rows=4)
    np.testing.assert_allclose(out, np.repeat(v.astype(np.float64).mean(0)[None], 3, 0), rtol=1e-3, atol=1e-3)


def test_the_tile_size_only_moves_roundings() -> None:
    q, k, v = heads(9, 24, 16, 16)
    outs = [attention(q, k, v, rows=rows) for rows in (2, 4, 8, 16)]
    assert all(np.abs(out.astype(np.float64) - outs[0]).max() < 2e-3 for out in outs)


@pytest.mark.parametrize("value", [65504.0, -65504.0])
def test_largest_operands_do_not_overflow_inside(value: float) -> None:
    q, k, v = heads(4, 10, 8, 8)
    q[1] = value
    k[3] = 65504.0
    v[2] = value
    out = attention(q, k, v, rows=4)
    assert np.isfinite(out).all()
    assert error(out, q, k, v) < ERROR_BOUND


def test_huge_scores_pick_the_largest() -> None:
    q, k, v = heads(3, 12, 4, 4)
    q[:], k[:] = 200, 0
    k[7] = 200  # its score, 160000, is beyond FP16 and far above the others
    np.testing.assert_array_equal(attention(q, k, v, rows=4), np.repeat(v[7:8], 3, axis=0))


def test_rising_scores_make_every_correction_count() -> None:
    """The maximum moves with every tile, so that all that was summed is scaled down each time."""
    q = np.ones((2, 1), np.float16)
    k = (np.arange(20)[:, None] / 4).astype(np.float16)
    v = np.random.default_rng(1).standard_normal((20, 6)).astype(np.float16)
    assert error(attention(q, k, v, rows=4), q, k, v) < ERROR_BOUND / 4


def test_zero_values_give_zero_and_nans_stay_in_their_query() -> None:
    q, k, v = heads(4, 9, 8, 8)
    assert not attention(q, k, np.zeros_like(v), rows=4).any()
    q[2, 0] = np.nan
    assert np.isnan(attention(q, k, v, rows=4)).all(axis=1).tolist() == [False, False, True, False]


def test_the_exponential_is_good_to_a_few_units_in_the_last_place() -> None:
    x = -np.logspace(-6, np.log10(87), 20_000).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    # The argument's own rounding, half a unit of x·log2(e), costs up to 2^-24·87·ln 2: 4e-6.
    assert (np.abs(exp(x) - exact) / exact).max() < 4e-6
    small = x > -1
    assert (np.abs(exp(x) - exact) / exact)[small].max() < 3e-7


def test_the_exponentials_ends() -> None:
    x = np.array([0, -0.0, -np.inf, np.nan, -87.4, -300, -3e38, 200], np.float32)
    found = exp(x)
    np.testing.assert_array_equal(found[:3], [1, 1, 0])
    assert np.isnan(found[3])
    np.testing.assert_array_equal(found[4:], [0, 0, 0, np.inf])


@pytest.mark.parametrize("x", [-0.001, -0.7, -1.0, -3.3, -20.123, -70.0])
def test_the_exponential_is_its_definition_in_fractions(x: float) -> None:
    """Every step exact, then rounded once, as a multiply-accumulate of two roundings does."""

    def rounded(value: Fraction) -> Fraction:
        return Fraction(float(np.float32(float(value)))) if abs(value) > Fraction(1, 2**100) else value

    power = rounded(Fraction(float(np.float32(x))) * Fraction(float(LOG2_E)))
    whole = power.numerator // power.denominator
    g = Fraction(int((power - whole) * 2**24), 2**24)
    p = Fraction(float(COEFFICIENTS[0]))
    for coefficient in COEFFICIENTS[1:]:
        p = rounded(rounded(p * g) + Fraction(float(coefficient)))
    assert float(exp(np.array([x], np.float32))[0]) == float(p * Fraction(2) ** whole)
