"""What a section's regions of memory hold, as vectors in the order they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ....ir.bitmod_format import GROUP_SIZE, BitmodWeights
from ....ir.errors import InputError
from ....ir.fabric import LANES, Region, Section
from ..images import weight_words

Vectors = NDArray[np.float32]
HIDDEN = float(np.finfo(np.float32).min)
"""What is added to the score of a key that is hidden."""


def regions(
    section: Section,
    parameters: Mapping[str, NDArray],
    inputs: Mapping[str, NDArray],
    quantized: Mapping[str, BitmodWeights] | None = None,
) -> dict[str, Vectors]:
    """Every region that is loaded, ``[vectors, 8]``.

    Args:
        section: whose.
        parameters: by name.
        inputs: the part's inputs, by name; the first axis counts tiles.
        quantized: weights of quantized layers, by name.

    Raises:
        InputError: an input that is missing, or of another shape.
    """
    found = {}
    for name, region in section.regions.items():
        if region.kind == "result":
            continue
        if region.format is not None:
            array = words(region, parameters, quantized or {})
        elif region.kind == "weights":
            array = weights(region, parameters)
        elif region.kind == "norm":
            array = np.stack([parameters[region.tensor], parameters[region.bias or ""]])
        else:
            array = _input(region, inputs)
        if array.size != region.vectors * LANES:
            raise InputError(
                f"{region.tensor} has shape {list(array.shape)}",
                where=section.name,
                accepted=f"{region.vectors * LANES} numbers: {section.tiles} tiles",
            )
        found[name] = np.ascontiguousarray(array, np.float32).reshape(-1, LANES)
    return found


def weights(region: Region, parameters: Mapping[str, NDArray]) -> NDArray:
    """``[n / 8, 1 + d, 8]``: 8 columns of the result after another, their bias first if there is one."""
    (first, last), (begin, end) = region.columns, region.depth
    part = np.asarray(parameters[region.tensor], np.float32)[first:last, begin:end]
    tiles = part.reshape(-1, LANES, end - begin).transpose(0, 2, 1)
    if region.bias is None:
        return tiles
    bias = np.asarray(parameters[region.bias], np.float32)[first:last]
    return np.concatenate([bias.reshape(-1, 1, LANES), tiles], axis=1)


def words(
    region: Region, parameters: Mapping[str, NDArray], quantized: Mapping[str, BitmodWeights]
) -> Vectors:
    """A BitMoD array's words, two bit patterns of single precision each (`images.weight_words`)."""
    (first, last), (begin, end), held = region.columns, region.depth, quantized[region.tensor]
    groups = slice(begin // GROUP_SIZE, -(-end // GROUP_SIZE))
    part = replace(
        held,
        inputs=end - begin,
        codes=held.codes[first:last, groups],
        special=held.special[first:last, groups],
        group_scale=held.group_scale[first:last, groups],
        channel_scale=held.channel_scale[first:last],
    )
    bias = np.zeros(last - first) if region.bias is None else parameters[region.bias][first:last]
    return weight_words(part, np.asarray(bias, np.float32)).astype("<u8").view("<f4")


def _input(region: Region, inputs: Mapping[str, NDArray]) -> NDArray:
    if region.tensor not in inputs:
        raise InputError(f"no input '{region.tensor}'", accepted=", ".join(inputs))
    given = np.asarray(inputs[region.tensor])
    if region.kind == "mask" and region.boolean:
        return np.where(given.astype(bool), np.float32(0), np.float32(HIDDEN))
    return given
