"""What a section's regions of memory hold, as vectors in the order they are read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ....ir.errors import InputError
from ....ir.fabric import LANES
from .mapping import Mapped, Packed

Vectors = NDArray[np.float32]
HIDDEN = float(np.finfo(np.float32).min)
"""What is added to the score of a key that is hidden."""


def regions(
    mapped: Mapped, parameters: Mapping[str, NDArray], inputs: Mapping[str, NDArray]
) -> dict[str, Vectors]:
    """Every region that is loaded, ``[vectors, 8]``.

    Args:
        mapped: the section and what its regions are.
        parameters: by name.
        inputs: the part's inputs, by name; the first axis counts tiles.

    Raises:
        InputError: an input of another shape, or that is not finite.
    """
    found = {}
    for name, packed in mapped.contents.items():
        if packed.kind == "result":
            continue
        if packed.kind == "weights":
            array = weights(packed, parameters)
        elif packed.kind == "norm":
            array = np.stack([parameters[packed.tensor], parameters[packed.bias or ""]])
        else:
            array = _input(packed, inputs)
        found[name] = np.ascontiguousarray(array, np.float32).reshape(-1, LANES)
        if len(found[name]) != mapped.section.regions[name]:
            raise InputError(
                f"{packed.tensor} has shape {list(np.shape(inputs.get(packed.tensor, array)))}",
                where=mapped.section.name,
                accepted=f"{mapped.section.regions[name] * LANES} numbers: {mapped.section.tiles} tiles",
            )
    return found


def weights(packed: Packed, parameters: Mapping[str, NDArray]) -> NDArray:
    """``[n / 8, 1 + d, 8]``: 8 columns of the result after another, their bias first if there is one."""
    (first, last), (begin, end) = packed.columns, packed.depth
    part = np.asarray(parameters[packed.tensor], np.float32)[first:last, begin:end]
    tiles = part.reshape(-1, LANES, end - begin).transpose(0, 2, 1)
    if packed.bias is None:
        return tiles
    bias = np.asarray(parameters[packed.bias], np.float32)[first:last]
    return np.concatenate([bias.reshape(-1, 1, LANES), tiles], axis=1)


def _input(packed: Packed, inputs: Mapping[str, NDArray]) -> NDArray:
    given = np.asarray(inputs[packed.tensor])
    if packed.kind == "mask" and packed.boolean:
        return np.where(given.astype(bool), np.float32(0), np.float32(HIDDEN))
    return given
