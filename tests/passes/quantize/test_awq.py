"""Activation-aware scaling: never worse on its calibration data, better where channels differ, foldable."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.ir.errors import InputError
from penstock.passes.quantize import fake_quantize
from penstock.passes.quantize.awq import ALPHAS, aware_quantize, channel_scales
from penstock.passes.quantize.calibration import Calibration


def layer(seed: int, inputs: int = 256, spread: float = 2.0) -> tuple[NDArray, NDArray]:
    """Weights ``[24, D]`` and activations ``[48, D]`` whose channels differ by a factor of e^spread."""
    draw = np.random.default_rng(seed)
    scale = np.exp(draw.standard_normal(inputs) * spread)
    return draw.standard_normal((24, inputs)), draw.standard_normal((48, inputs)) * scale


@pytest.mark.parametrize("name", ["bitmod3", "bitmod4", "int3-asym", "int4", "fp4", "mxfp4", "olive3"])
@pytest.mark.parametrize("clip", [False, True])
def test_the_calibrated_error_never_grows(name: str, clip: bool) -> None:
    for seed, spread in ((0, 2.0), (1, 0.0), (2, 4.0)):
        weights, activations = layer(seed, 200, spread)
        calibration = Calibration(activations)
        found = aware_quantize(weights, name, calibration, clip=clip)
        plain = fake_quantize(weights, name).dequantize()
        assert found.plain_error == pytest.approx(calibration.error(weights, plain))
        assert found.error <= found.plain_error
        assert calibration.error(weights, found.dequantize()) == pytest.approx(found.error)


def test_channels_that_differ_gain_by_scaling_and_by_clipping() -> None:
    weights, activations = layer(3)
    calibration = Calibration(activations)
    scaled = aware_quantize(weights, "int3", calibration)
    clipped = aware_quantize(weights, "int3", calibration, clip=True)
    assert scaled.alpha in ALPHAS[1:]
    assert scaled.error < 0.6 * scaled.plain_error
    assert clipped.clipped
    assert clipped.error < scaled.error


def test_scaled_weights_meet_scaled_activations() -> None:
    weights, activations = layer(4)
    found = aware_quantize(weights, "bitmod4", Calibration(activations), scale_bits=8)
    outputs = (activations / found.channel_scale) @ found.matrix.dequantize().T
    np.testing.assert_allclose(outputs, activations @ found.dequantize().T, rtol=1e-6, atol=1e-9)
    gain, bias = np.ones(256, np.float32), np.arange(256, dtype=np.float32)
    folded_gain, folded_bias = found.fold(gain, bias)
    np.testing.assert_allclose(
        (activations * folded_gain + folded_bias), (activations + bias) / found.channel_scale, rtol=1e-4
    )
    producer = np.ones((256, 8), np.float32)
    np.testing.assert_allclose(found.fold(producer)[0][:, 0], 1 / found.channel_scale)


def test_dead_channels_keep_their_scale() -> None:
    activations = np.ones((4, 8))
    activations[:, 2] = 0
    activations[:, 3] = 100
    scale = channel_scales(Calibration(activations), 0.5)
    assert scale[2] == 1.0
    assert scale[3] / scale[0] == pytest.approx(10)
    assert (channel_scales(Calibration(np.zeros((2, 8))), 0.5) == 1).all()


def test_many_rows_of_calibration_count_like_few() -> None:
    weights, _ = layer(5, 32)
    activations = np.random.default_rng(5).standard_normal((400, 32))
    error = np.square((weights * 0.1) @ activations.T).sum() / np.square(weights @ activations.T).sum()
    calibration = Calibration(activations)
    assert calibration.error(weights, weights * 1.1) == pytest.approx(error)
    alone = np.zeros_like(weights)
    alone[:, 16:] = weights[:, 16:]
    expected = np.square(alone @ activations.T).sum(axis=1)
    np.testing.assert_allclose(calibration.group_errors(weights, 16)[:, 1], expected)


@pytest.mark.parametrize("activations", [np.zeros(4), np.zeros((0, 4)), np.full((1, 4), np.nan)])
def test_what_cannot_calibrate_is_refused(activations: NDArray) -> None:
    with pytest.raises(InputError, match="calibrate"):
        Calibration(activations)


def test_a_calibration_of_another_layer_is_refused() -> None:
    with pytest.raises(InputError, match="64 calibrated inputs"):
        aware_quantize(np.ones((2, 128)), "int4", Calibration(np.ones((2, 64))))
