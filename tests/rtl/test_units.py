"""The combinational units against NumPy: terms, shifts, single-precision arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.ir.bitmod_format import FORMATS, NO_TERM, Mode, Term, terms_of, two_terms

Vectors = NDArray[np.uint32]
RunVectors = Callable[[str, Vectors], Vectors]

pytestmark = pytest.mark.slow

SPECIAL_FLOATS = (0.0, 1.0, 1.5, np.inf, np.nan, 65504.0, 3.4028234663852886e38)
POWERS = (2.0**-149, 2.0**-127, 2.0**-126, 2.0**-64, 2.0**23, 2.0**127)
NEIGHBOURS = (1 + 2.0**-23, 1 - 2.0**-24, 2.0**24 - 1)
POSITIVE = np.array([*SPECIAL_FLOATS, *POWERS, *NEIGHBOURS], np.float32)
SPECIALS = (6, -6, 10, -10, 12, -12, 16, -16, 14, -14)
INTERESTING = np.concatenate([POSITIVE, -POSITIVE])


def words(*columns: NDArray) -> Vectors:
    """Columns of 32 bits to 128-bit words."""
    full = np.zeros((len(columns[0]), 4), np.uint32)
    for index, column in enumerate(columns):
        full[:, index] = column
    return full


def term_bits(term: Term) -> int:
    return term.sign << 3 | term.man << 2 | term.exp


def _pair(value: int) -> int:
    """The two terms of a special value as its register holds them."""
    high, low = two_terms(value)
    return term_bits(high) << 4 | term_bits(low)


def test_every_code_with_every_special_value_decodes_to_the_terms_of_its_value(
    run_vectors: RunVectors,
) -> None:
    cases = []
    for chosen in FORMATS.values():
        for special in (*chosen.specials, 14, -14):
            high, low = two_terms(special)
            table = [*chosen.values()[0]]
            table[8] = special
            cases += [(code, term_bits(high) << 4 | term_bits(low), int(table[code])) for code in range(16)]
    codes, specials, values = (np.array(column) for column in zip(*cases, strict=True))
    out = run_vectors("units_harness", words(codes * 0, codes * 0, codes | specials << 4))
    got = out[:, 2] & 0xFF
    for code, special, value, bits in zip(codes, specials, values, got, strict=True):
        high, low = two_terms(int(value))
        where = f"code {code:04b}, special terms {special:08b}"
        for name, term, seen in (("high", high, bits >> 4), ("low", low, bits & 15)):
            if term == NO_TERM:
                assert not seen >> 2 & 1, f"{where}: {name} term should be absent"
            else:
                assert seen == term_bits(term), f"{where}: {name} term"


@pytest.mark.parametrize("mode", Mode)
def test_the_terms_of_every_code_add_up_to_its_value(run_vectors: RunVectors, mode: Mode) -> None:
    """All codes of eight bits; of six, whatever lies above them; of four, with all special values."""
    whole, special, number = np.meshgrid(
        np.arange(256),
        np.arange(len(SPECIALS) if mode is Mode.FP else 1),
        np.arange(mode.terms)[::-1],
        indexing="ij",
    )
    code = whole & ((1 << mode.bits) - 1)
    if mode is Mode.FP:
        table = np.stack([FORMATS["bitmod4"].values()[0]] * len(SPECIALS))
        table[:, 8] = SPECIALS
        value = table[special, code]
    else:
        value = np.where(code >> (mode.bits - 1), code - (1 << mode.bits), code)
    third = whole & 15 | whole >> 4 << 12 | np.array([_pair(each) for each in SPECIALS])[special] << 4
    zeros = np.zeros(whole.size, np.uint32)
    stream = words(zeros, zeros, third.ravel(), (mode.value << 12 | number << 14).ravel())
    term = (run_vectors("units_harness", stream)[:, 2] >> 8 & 15).astype(np.int64).reshape(whole.shape)
    term = np.where(term >> 2 & 1, term, 0)
    want = [[term_bits(each) for each in terms_of(int(one), mode)] for one in value[:, :, 0].ravel()]
    np.testing.assert_array_equal(term.reshape(-1, mode.terms), want)
    significance = np.array([mode.significance(each) for each in range(mode.terms)])[number]
    worth = (term >> 2 & 1) * (1 - 2 * (term >> 3)) << (term & 3) + significance
    np.testing.assert_array_equal(worth.sum(axis=-1), value[:, :, 0])


@pytest.mark.parametrize("truncate", [0, 1], ids=["nearest even", "floor"])
def test_the_shifts_are_exhaustively_right(run_vectors: RunVectors, truncate: int) -> None:
    values, shifts = np.meshgrid(np.arange(-(2**14), 2**14), [0, 1, 2, 3, 7, 13, 14, 15, 16, 31, 63])
    flat, amount = values.ravel(), shifts.ravel()
    third = (flat.astype(np.int64) & 0x7FFF) << 16
    stream = words(flat * 0, flat * 0, third.astype(np.uint32), amount | truncate << 16)
    out = run_vectors("units_harness", stream)
    got = (out[:, 2] >> 16 & 0x7FFF).astype(np.int64)
    got = np.where(got >= 2**14, got - 2**15, got)
    rounded = np.floor if truncate else np.rint
    np.testing.assert_array_equal(got, rounded(flat / 2.0**amount).astype(np.int64))


@pytest.fixture(scope="module")
def operands() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random bit patterns, close exponents, cancellations, and all pairs of the interesting values."""
    random = np.random.default_rng(7)
    count = 200_000
    bits_a, bits_b = random.integers(0, 2**32, (2, count), np.uint32)
    near = random.integers(120, 135, (2, count)).astype(np.uint32) << 23
    close_a, close_b = (random.integers(0, 2**32, (2, count), np.uint32) & 0x807FFFFF) | near
    tiny = random.integers(0, 40, (2, count)).astype(np.uint32) << 23
    small_a, small_b = (random.integers(0, 2**32, (2, count), np.uint32) & 0x807FFFFF) | tiny
    wide_b = close_b ^ (np.uint32(64) << 23)  # with a tiny a, products land among the subnormals
    pairs = np.stack(np.meshgrid(INTERESTING, INTERESTING), -1).reshape(-1, 2)
    a = np.concatenate([bits_a, close_a, close_a, small_a, small_a])
    b = np.concatenate([bits_b, close_b, close_a ^ 0x80000001, small_b, wide_b])
    return np.append(a.view(np.float32), pairs[:, 0]), np.append(b.view(np.float32), pairs[:, 1])


def assert_same_floats(got: Vectors, want: NDArray[np.float32], a: NDArray, b: NDArray, name: str) -> None:
    expected = np.where(np.isnan(want), np.uint32(0x7FC00000), want.view(np.uint32))
    wrong = np.flatnonzero(got != expected)
    assert not len(wrong), (
        f"{len(wrong)} of {len(got)} differ, first: {name}({a[wrong[0]]!r}, {b[wrong[0]]!r}) = "
        f"{got[wrong[0]]:08x}, expected {expected[wrong[0]]:08x}"
    )


@pytest.mark.parametrize(("name", "column"), [("add", 0), ("multiply", 1)])
def test_single_precision_arithmetic_is_ieee_754(
    run_vectors: RunVectors, operands: tuple[NDArray[np.float32], NDArray[np.float32]], name: str, column: int
) -> None:
    a, b = operands
    out = run_vectors("units_harness", words(a.view(np.uint32), b.view(np.uint32)))
    with np.errstate(all="ignore"):
        want = getattr(np, name)(a, b)
    assert_same_floats(out[:, column], want, a, b, name)


def test_a_group_sum_becomes_single_precision_exactly(run_vectors: RunVectors) -> None:
    random = np.random.default_rng(3)
    mantissa = np.append(random.integers(-(2**21) + 1, 2**21, 50_000), [0, 1, -1, 2**21 - 1, -(2**21) + 1])
    exponent = random.integers(0, 64, len(mantissa))
    out = run_vectors(
        "units_harness",
        words((mantissa & 0x3FFFFF).astype(np.uint32), mantissa * 0, mantissa * 0, exponent << 6),
    )
    want = (mantissa * 2.0 ** (exponent - 28.0)).astype(np.float32) + np.float32(0)
    np.testing.assert_array_equal(out[:, 3], want.view(np.uint32))
