"""Arithmetic of the FuseMax array against NumPy: division, maximum, splitting, conversions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Vectors = NDArray[np.uint32]
RunVectors = Callable[[str, Vectors], Vectors]

DIVISION_CYCLES = 15
QUIET_NAN, QUIET_HALF_NAN = 0x7FC00000, 0x7E00
PLAIN = (0.0, 1.0, 1.5, 3.0, np.inf, np.nan, 65504.0, 65520.0, 3.4028234663852886e38, 255.99998, 256.0)
POWERS = (2.0**-149, 2.0**-126, 2.0**-25, 2.0**-24, 2.0**-14, 2.0**127)
NEIGHBOURS = (1 + 2.0**-23, 1 - 2.0**-24, 2.0**-14 - 2.0**-25)
SPECIAL = np.array([*PLAIN, *POWERS, *NEIGHBOURS], np.float32)
EDGES = np.concatenate([SPECIAL, -SPECIAL])

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def operands() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random patterns, close exponents, subnormals, and all pairs of edge values."""
    random = np.random.default_rng(5)
    count = 100_000
    bits = random.integers(0, 2**32, (2, 4, count), np.uint32)
    ranges = (0, 256), (120, 135), (0, 30), (100, 145)
    exponents = np.stack([random.integers(*ends, count) for ends in ranges]).astype(np.uint32)
    a = (bits[0] & 0x807FFFFF | exponents << 23).ravel()
    b = (bits[1] & 0x807FFFFF | np.roll(exponents, 1, axis=0) << 23).ravel()
    pairs = np.stack(np.meshgrid(EDGES, EDGES), -1).reshape(-1, 2)
    return np.append(a.view(np.float32), pairs[:, 0]), np.append(b.view(np.float32), pairs[:, 1])


@pytest.fixture(scope="module")
def answers(run_fusemax: RunVectors, operands: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Vectors:
    """What the units say, quotients moved to their operands."""
    a, b = operands
    words = np.zeros((len(a) + DIVISION_CYCLES, 4), np.uint32)
    words[: len(a), 0], words[: len(a), 1] = a.view(np.uint32), b.view(np.uint32)
    words[: len(a), 2] = 1
    out = run_fusemax("fusemax_units_harness", words)
    out[: len(a), 0] = out[DIVISION_CYCLES:, 0]
    assert (out[DIVISION_CYCLES:, 3] >> 25 & 1).all(), "a quotient is not marked as one"
    assert not (out[:DIVISION_CYCLES, 3] >> 25 & 1).any(), "a quotient before its time"
    return out[: len(a)]


def assert_same(got: NDArray, want: NDArray[np.floating], *operands: NDArray) -> None:
    """Bit patterns of floats; every NaN is the quiet one."""
    kind, nan = (np.uint16, QUIET_HALF_NAN) if want.dtype == np.float16 else (np.uint32, QUIET_NAN)
    expected = np.where(np.isnan(want), kind(nan), want.view(kind))
    wrong = np.flatnonzero(got != expected)
    assert not len(wrong), (
        f"{len(wrong)} of {len(got)} differ, first for {[each[wrong[0]] for each in operands]}: "
        f"{got[wrong[0]]:x}, expected {expected[wrong[0]]:x}"
    )


def test_division_is_ieee_754(answers: Vectors, operands: tuple[NDArray, NDArray]) -> None:
    with np.errstate(all="ignore"):
        want = operands[0] / operands[1]
    assert_same(answers[:, 0], want, *operands)


def test_division_waits_for_nobody_and_mixes_nothing(run_fusemax: RunVectors) -> None:
    """Operands with gaps between them: each quotient comes fifteen cycles after its own."""
    random = np.random.default_rng(6)
    a, b = random.standard_normal((2, 500)).astype(np.float32)
    given = random.random(500) < 0.5
    words = np.zeros((500 + DIVISION_CYCLES, 4), np.uint32)
    words[:500, 0], words[:500, 1], words[:500, 2] = a.view(np.uint32), b.view(np.uint32), given
    out = run_fusemax("fusemax_units_harness", words)[DIVISION_CYCLES:]
    np.testing.assert_array_equal(out[:, 3] >> 25 & 1, given)
    assert_same(out[given, 0], (a / b)[given], a[given], b[given])


def test_the_maximum_has_minus_infinity_as_identity_and_keeps_nans(
    answers: Vectors, operands: tuple[NDArray, NDArray]
) -> None:
    a, b = operands
    with np.errstate(all="ignore"):
        want = np.where((a == 0) & (b == 0), a + b, np.maximum(a, b))
    assert_same(answers[:, 1], want, a, b)


def test_a_number_is_its_floor_and_its_fraction(answers: Vectors, operands: tuple[NDArray, NDArray]) -> None:
    with np.errstate(invalid="ignore"):
        value = operands[0].astype(np.float64)
    near = np.abs(value) < 256
    fixed = np.floor(np.where(near, value, 0) * 2.0**24)
    whole = np.where(near, fixed // 2**24, np.where(value < 0, -256, 255))
    fraction = np.where(near, fixed % 2**24 / 2**24, 0)
    whole, fraction = np.where(np.isnan(value), [[0], [np.nan]], [whole, fraction])
    np.testing.assert_array_equal((answers[:, 3] & 511 ^ 256).astype(int) - 256, whole)
    assert_same(answers[:, 2], fraction.astype(np.float32), operands[0])


def test_narrowing_rounds_to_the_nearest_half(answers: Vectors, operands: tuple[NDArray, NDArray]) -> None:
    with np.errstate(over="ignore"):
        want = operands[0].astype(np.float16)
    assert_same((answers[:, 3] >> 9 & 0xFFFF).astype(np.uint16), want, operands[0])


def test_every_half_widens_exactly(run_fusemax: RunVectors) -> None:
    bits = np.arange(2**16, dtype=np.uint32)
    words = np.zeros((len(bits), 4), np.uint32)
    words[:, 0], words[:, 2] = bits, 2
    out = run_fusemax("fusemax_units_harness", words)
    half = bits.astype(np.uint16).view(np.float16)
    assert_same(out[:, 1], half.astype(np.float32), half)
