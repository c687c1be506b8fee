"""Quantize a matrix to any format, and see what is left of it.

Groups run along the inputs; where the group size does not divide them, the last group is padded with zeros,
which take part in no range and never come back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...ir.errors import InputError
from ...ir.formats import Format, QuantizedMatrix, lookup
from .asymmetric import encode_asymmetric
from .bitmod import SCALE_RANGE, second_level
from .blocks import checked, cut
from .codebook import Codebook, Encoded, encode, losses
from .microscaling import encode_microscaling
from .olive import encode_olive


def fake_quantize(
    weights: ArrayLike, scheme: str | Format, *, group: int | None = None, scale_bits: int | None = None
) -> QuantizedMatrix:
    """Quantize a matrix without calibration data.

    Args:
        weights: ``[N, D]``, output channels × inputs, finite.
        scheme: a name in `formats.FORMATS`, or an entry of it.
        group: weights that share a scale; the format's own when None (128; MX 32, NVFP4 16).
        scale_bits: 8 quantizes a channel's group scales to 0..127 of one channel scale (BitMoD, HPCA 2025,
            section III-C); None keeps them as float32. MX and NVFP4 have eight-bit scales of their own.

    Raises:
        InputError: unknown format, weights that are no finite matrix, or a group or scales that the format
            does not have.
    """
    chosen = lookup(scheme) if isinstance(scheme, str) else scheme
    matrix = checked(weights)
    size = _group(chosen, group)
    if scale_bits not in (None, 8) or (chosen.native_scale and scale_bits is not None):
        accepted = "None: its scales are its own" if chosen.native_scale else "None, 8"
        raise InputError(f"scales of {scale_bits} bits", where=chosen.name, accepted=accepted)
    groups = cut(matrix, size)
    channels, inputs = matrix.shape
    found = _encode(groups, chosen, inputs)
    shape = channels, len(groups) // channels
    if chosen.family != "bitmod":  # whose least scale is a bound of its own
        found.scale[~groups.any(axis=1)] = 0.0  # nothing to scale: it must not raise the channel's
    scale, steps, stored_bits = found.scale.reshape(shape).astype(np.float32), None, 32
    if scale_bits == 8:
        steps, channel = second_level(found.scale.reshape(shape))
        scale, stored_bits = channel.astype(np.float32)[:, None], 8
    if chosen.native_scale:
        stored_bits = 8
    return QuantizedMatrix(
        chosen,
        inputs,
        found.codes.reshape(*shape, size),
        found.variant.reshape(shape),
        scale,
        steps,
        stored_bits,
    )


def _group(chosen: Format, group: int | None) -> int:
    """The group size to use.

    Raises:
        InputError: no positive whole number, or another than the format fixes.
    """
    if group is None:
        return chosen.group
    if chosen.native_scale and group != chosen.group:
        raise InputError(f"groups of {group}", where=chosen.name, accepted=f"{chosen.group}, which it fixes")
    if not isinstance(group, int | np.integer) or group < 1:
        raise InputError(f"groups of {group}", where=chosen.name, accepted="a whole number from 1 on")
    return int(group)


def _encode(groups: NDArray, chosen: Format, inputs: int) -> Encoded:
    if chosen.family == "int-asym":
        size = groups.shape[1]
        per_channel = -(-inputs // size)
        real = np.full(len(groups), size)
        real[per_channel - 1 :: per_channel] = inputs - (per_channel - 1) * size
        return encode_asymmetric(groups, chosen.bits, real)
    if chosen.family == "olive":
        return encode_olive(groups, chosen)
    if chosen.native_scale:
        return encode_microscaling(groups, chosen)
    books = [Codebook(levels, chosen.codes) for levels in chosen.table]
    if chosen.family == "bitmod":
        return encode(groups, books, SCALE_RANGE)
    if chosen.family == "flint" and len(books) > 1:
        best = int(np.argmin(losses(groups, books)))
        found = encode(groups, [books[best]])
        return Encoded(found.codes, np.full_like(found.variant, best), found.scale)
    return encode(groups, books)
