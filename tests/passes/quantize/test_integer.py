"""Symmetric integers for the array: codes in two's complement, scales, padding, channels of zeros."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.ir.bitmod_format import INTEGERS
from penstock.passes.quantize import quantize


@pytest.mark.parametrize("name", INTEGERS)
def test_every_weight_is_within_half_a_step_of_its_integer(name: str) -> None:
    weights = np.random.default_rng(1).standard_normal((16, 640)) * np.logspace(-6, 6, 16)[:, None]
    quantized = quantize(weights, name)
    limit = 2 ** (INTEGERS[name].bits - 1) - 1
    unit = np.repeat(quantized.group_scale * quantized.channel_scale.astype(float)[:, None], 128, axis=1)
    error = np.abs(quantized.dequantize() - weights)
    inside = np.abs(weights) <= (limit + 0.5) * unit
    assert (error[inside] <= unit[inside] * (0.5 + 1e-9)).all()
    assert inside.mean() > 0.99
    assert np.abs(quantized.doubled()).max() == limit
    assert not quantized.special.any()


@pytest.mark.parametrize(("name", "bound"), [("int8", 7e-5), ("int6", 1.1e-3), ("int5", 4.6e-3)])
def test_the_losses_on_gaussian_weights(name: str, bound: float) -> None:
    """Squared error over squared weights: about (range / steps)² / 12 for groups of 128."""
    weights = np.random.default_rng(0).standard_normal((256, 4096)).astype(np.float32)
    loss = np.square(quantize(weights, name).dequantize() - weights).sum() / np.square(weights).sum()
    assert bound / 2 < loss < bound


@pytest.mark.parametrize("name", INTEGERS)
def test_representable_weights_come_back(name: str) -> None:
    limit = 2 ** (INTEGERS[name].bits - 1) - 1
    weights = np.zeros((1, 256))
    integers = np.arange(-limit, limit + 1)[:127]
    weights[0, : len(integers)] = integers
    weights[0, 200] = limit
    np.testing.assert_allclose(quantize(weights, name).dequantize(), weights, rtol=1e-6)


@pytest.mark.parametrize("name", INTEGERS)
def test_groups_and_channels_of_zeros_stay_zero_and_spoil_no_other(name: str) -> None:
    weights = np.full((2, 300), 1e-4)
    weights[0, 128:256] = 0
    weights[1] = 0
    quantized = quantize(weights, name)
    np.testing.assert_allclose(quantized.dequantize(), weights, rtol=1e-2)
    assert quantized.group_scale[0, 1] == 0
    assert quantized.channel_scale[1] == 1


def test_storage_counts_no_special_index() -> None:
    quantized = quantize(np.ones((4, 256)), "int5")
    assert quantized.stored_bits == 4 * 256 * 5 + 8 * 8 + 4 * 16
    assert INTEGERS["int5"].bits_per_weight == 5.0625
