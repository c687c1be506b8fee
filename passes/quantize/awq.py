"""Activation-aware scaling (after AWQ, MLSys 2024): input channels that matter more get a finer grid.

``W·x = (W·s)·(x/s)``: scaling an input channel's weights up before they are quantized makes their error
smaller at the expense of the others in the group. s is a power of the channel's mean magnitude; of 20
exponents that of least output error is taken, and 0 (no scaling) is among them. Optionally each group's
range is then clipped, to at least half, where that helps the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...ir.formats import Format, QuantizedMatrix
from .blocks import checked
from .calibration import Calibration
from .fake import fake_quantize

ALPHAS = tuple(step / 20 for step in range(20))
CLIPS = tuple(1 - step / 20 for step in range(10))
"""Fractions of a group's largest magnitude that may be kept."""


@dataclass(frozen=True, eq=False)
class AwareMatrix:
    """Weights quantized after scaling their input channels.

    Attributes:
        matrix: the quantized ``W·s``; it takes the activations ``x/s``.
        channel_scale: s, float32 ``[D]``.
        alpha: the exponent chosen.
        clipped: whether ranges were clipped.
        error: relative squared output error on the calibration data.
        plain_error: that of the same format without scaling and clipping, never smaller.
    """

    matrix: QuantizedMatrix
    channel_scale: NDArray[np.float32]
    alpha: float
    clipped: bool
    error: float
    plain_error: float

    def dequantize(self) -> NDArray[np.float64]:
        """The weights as unscaled activations see them, ``[N, D]``."""
        return self.matrix.dequantize() / self.channel_scale.astype(np.float64)

    def fold(self, *producer: NDArray) -> tuple[NDArray, ...]:
        """Divide by s what the activations come from: a norm's gain and bias ``[D]``, or rows ``[D, …]``."""
        scale = self.channel_scale
        return tuple(each / scale.reshape(-1, *(1 for _ in each.shape[1:])) for each in producer)


def aware_quantize(
    weights: ArrayLike,
    scheme: str | Format,
    calibration: Calibration,
    *,
    group: int | None = None,
    scale_bits: int | None = None,
    clip: bool = False,
) -> AwareMatrix:
    """Quantize a linear layer's weights with the channel scales that calibration data favours.

    Args:
        weights: ``[N, D]``, finite.
        scheme, group, scale_bits: as for `fake_quantize`.
        calibration: the layer's inputs.
        clip: also search how far to clip each group's range (AWQ leaves query and key projections out).

    Raises:
        InputError: what `fake_quantize` refuses, or a calibration of another layer.
    """
    exact = checked(weights).astype(np.float64)
    calibration.check(exact)

    def tried(scale: NDArray[np.float32], limit: NDArray | None = None) -> tuple[float, QuantizedMatrix]:
        scaled = exact * scale
        if limit is not None:
            scaled = np.clip(scaled, -limit, limit)
        matrix = fake_quantize(scaled, scheme, group=group, scale_bits=scale_bits)
        return calibration.error(exact, matrix.dequantize() / scale.astype(np.float64)), matrix

    best_alpha, best_scale = 0.0, np.ones(exact.shape[1], np.float32)
    plain, best = tried(best_scale)
    error = plain
    for alpha in ALPHAS[1:]:
        scale = channel_scales(calibration, alpha)
        now, matrix = tried(scale)
        if now < error:
            best_alpha, best_scale, error, best = alpha, scale, now, matrix
    clipped = False
    if clip:
        limit = _limits(exact * best_scale, best, calibration, best_scale)
        now, matrix = tried(best_scale, limit)
        if now < error:  # groups were judged alone; together they may still lose
            clipped, error, best = True, now, matrix
    return AwareMatrix(best, best_scale, best_alpha, clipped, error, plain)


def channel_scales(calibration: Calibration, alpha: float) -> NDArray[np.float32]:
    """``mean|x|^alpha`` per input channel, ``[D]``, around 1; channels that are always 0 keep 1."""
    power = np.where(calibration.magnitude > 0, calibration.magnitude, np.nan) ** alpha
    if np.isnan(power).all():
        return np.ones(calibration.inputs, np.float32)
    power /= np.sqrt(np.nanmax(power) * np.nanmin(power))
    return np.clip(np.nan_to_num(power, nan=1.0), 1e-4, 1e4).astype(np.float32)


def _limits(
    scaled: NDArray[np.float64],
    quantized: QuantizedMatrix,
    calibration: Calibration,
    scale: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Largest magnitude to keep of each weight, ``[N, D]``: per group the one of least error alone."""
    group = quantized.group
    channels, inputs = scaled.shape
    padded = np.pad(np.abs(scaled), ((0, 0), (0, -inputs % group)))
    largest = padded.reshape(channels, -1, group).max(axis=2)
    bits = quantized.scale_bits if quantized.steps is not None else None

    def spread(each: NDArray) -> NDArray:
        return np.repeat(each, group, axis=1)[:, :inputs]

    best, kept = np.full(largest.shape, np.inf), largest
    for fraction in CLIPS:
        limit = spread(largest * fraction)
        tried = fake_quantize(np.clip(scaled, -limit, limit), quantized.format, group=group, scale_bits=bits)
        errors = calibration.group_errors((tried.dequantize() - scaled) / scale, group)
        kept = np.where(errors < best, largest * fraction, kept)
        best = np.minimum(best, errors)
    return spread(kept)
