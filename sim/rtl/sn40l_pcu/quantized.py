"""What the BitMoD array as a PCU's body makes of its operands, bit for bit (``rtl/bitmod/bitmod_body.sv``).

Words of the weights are taken apart by the layouts of ``bitmod_weight_bank``, independently of who packs
them; the sums are those of the array's oracle. Activations are rounded from single to half precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....ir.bitmod_format import ARRAY_FORMATS, GROUP_SIZE, BitmodFormat, BitmodWeights, Mode
from ....ir.errors import PlanError
from ....ir.fabric import LANES
from ..bitmod_oracle import linear
from .registers import Configuration
from .tail import Floats

Words = NDArray[np.uint64]


def rows(it: Configuration, a: Floats, b: Floats) -> Floats:
    """The rows that leave the array, all units': tile of channels by tile of channels, ``[rows, 8]``.

    Args:
        it: the registers.
        a: activations ``[vectors, 8]``, token after token.
        b: words of weights and biases, four a vector.

    Raises:
        PlanError: more or fewer operands than are used, or registers that name no format.
    """
    chosen = format_of(it)
    channels, last = LANES * it.trips, it.tiles or GROUP_SIZE // LANES
    inputs = (it.depth - 1) * GROUP_SIZE + last * LANES
    per_channel = 1 + it.depth * (2 * chosen.mode.bits + 1)
    wanted = it.units * it.rows * inputs // LANES, it.units * channels * per_channel // 4
    if (len(a), len(b)) != wanted:
        raise PlanError(
            f"{len(a)} vectors of activations, {len(b)} of weights", accepted=f"{wanted[0]} and {wanted[1]}"
        )
    words = np.ascontiguousarray(b).view("<u8").reshape(it.units, channels, per_channel)
    acts = a.astype(np.float16).reshape(it.units, it.rows, inputs)
    # Most often every unit has the same weights: then all tokens at once.
    one = bool((words == words[0]).all())
    batches = [slice(None)] if one else [slice(unit, unit + 1) for unit in range(it.units)]
    made = [
        linear(
            _weights(words[batch][0], chosen, inputs), acts[batch].reshape(-1, inputs), _bias(words[batch][0])
        )
        for batch in batches
    ]
    out = np.concatenate(made).reshape(it.units, it.rows, it.trips, LANES)
    return out.swapaxes(1, 2).reshape(-1, LANES)


def format_of(it: Configuration) -> BitmodFormat:
    """The format whose mode and special values the registers hold.

    Raises:
        PlanError: none.
    """
    for each in ARRAY_FORMATS.values():
        if (each.mode, each.special_terms) == (it.weights, it.specials):
            return each
    raise PlanError(
        f"weights of mode {it.weights}, special values {it.specials:08x}", accepted=", ".join(ARRAY_FORMATS)
    )


def _weights(words: Words, chosen: BitmodFormat, inputs: int) -> BitmodWeights:
    """``[channels, words]``: a word of the channel, then of each group codes and a word of its own."""
    groups = words[:, 1:].reshape(len(words), -1, 2 * chosen.mode.bits + 1)
    codes = _codes(groups[..., :8], 4)
    if chosen.mode is not Mode.FP:
        codes |= _codes(groups[..., 8:-1], chosen.mode.bits - 4) << 4
    return BitmodWeights(
        chosen,
        inputs,
        codes,
        (groups[..., -1] >> np.uint64(7) & np.uint64(3)).astype(np.uint8),
        (groups[..., -1] & np.uint64(127)).astype(np.uint8),
        (words[:, 0] & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32),
    )


def _bias(words: Words) -> Floats:
    return (words[:, 0] >> np.uint64(32)).astype(np.uint32).view(np.float32)


def _codes(words: Words, bits: int) -> NDArray[np.uint8]:
    """``[channels, groups, words]``, codes of so many bits, the first in the low ones: ``[…, 128]``."""
    places = np.arange(64 // bits, dtype=np.uint64) * np.uint64(bits)
    found = words[..., None] >> places & np.uint64((1 << bits) - 1)
    return found.astype(np.uint8).reshape(*words.shape[:2], GROUP_SIZE)
