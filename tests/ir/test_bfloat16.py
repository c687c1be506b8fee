"""bfloat16 as bits: rounding against PyTorch's, what every bit pattern stands for, and rounding once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from penstock.ir.bfloat16 import decode, encode, rounded

EVERY = np.arange(1 << 16, dtype=np.uint16)


def by_torch(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()


def test_every_pattern_stands_for_the_number_it_stands_for_in_torch() -> None:
    np.testing.assert_array_equal(decode(EVERY), torch.from_numpy(EVERY).view(torch.bfloat16).float().numpy())


def test_every_number_rounds_to_itself_and_a_nan_to_a_nan() -> None:
    numbers = decode(EVERY)
    nan = np.isnan(numbers)
    np.testing.assert_array_equal(encode(numbers)[~nan], EVERY[~nan])
    assert np.isnan(decode(encode(numbers)))[nan].all()


@pytest.mark.parametrize("lower", [0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
def test_rounding_is_that_of_torch_around_every_tie(lower: int) -> None:
    values = ((EVERY.astype(np.uint32) << 16) | np.uint32(lower)).view(np.float32)
    nan = np.isnan(values)
    np.testing.assert_array_equal(encode(values)[~nan], by_torch(values)[~nan])
    assert np.isnan(decode(encode(values)))[nan].all(), "a payload in the lower half alone is a NaN still"
    np.testing.assert_array_equal(rounded(values)[~nan], decode(by_torch(values))[~nan])


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (1 + 2.0**-8, 1.0),  # a tie, to the even one below
        (1 + 3 * 2.0**-8, 1 + 2.0**-6),  # a tie, to the even one above
        (1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-7),  # above the tie, by less than a float32 holds
        ((2 - 2.0**-8) * 2.0**127, np.inf),  # half a step above the largest
        ((2 - 2.0**-8 - 2.0**-40) * 2.0**127, (2 - 2.0**-7) * 2.0**127),
        (2.0**-134, 0.0),
        (1.5 * 2.0**-133, 2.0**-132),
        (-(2.0**-200), -0.0),
    ],
)
def test_a_wider_float_is_rounded_once(value: float, wanted: float) -> None:
    given = np.array([value])
    np.testing.assert_array_equal(rounded(given), [wanted])
    np.testing.assert_array_equal(np.signbit(rounded(given)), [np.signbit(wanted)])
    np.testing.assert_array_equal(decode(encode(given)), [wanted])


def test_scalars_and_strided_arrays_keep_their_shape() -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4).T[::2]
    for array in (values, np.array(1.5, np.float32), np.array(1.5), np.zeros((0, 3), np.float32)):
        assert encode(array).shape == decode(encode(array)).shape == array.shape
        np.testing.assert_array_equal(decode(encode(array)), array)


@given(st.floats(width=64, allow_nan=False))
def test_no_bfloat16_is_nearer(value: float) -> None:
    got = float(rounded(np.array(value)))
    if np.isfinite(got):
        bits = int(encode(np.array([got]))[0])
        around = decode(np.array([bits - 1 & 0xFFFF, bits + 1 & 0xFFFF], np.uint16)).astype(float)
        finite = around[np.isfinite(around)]
        assert all(abs(got - value) <= abs(other - value) for other in finite)
    else:
        assert abs(value) >= (2 - 2.0**-8) * 2.0**127
