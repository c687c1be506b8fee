"""BitMoD weights as the kernels read them: codes as mma.sync's left operand has them, marks, channel scales.

Sixteen rows and a group of 128 inputs lie together (`include/bitmod.cuh`): 1024 bytes of FP4 or 768 of FP3,
of which every lane of a warp loads 16 bytes at a time. A word has eight codes of one step of 16 inputs:

=======  ===========  =======================
nibble   row          input of the step
=======  ===========  =======================
0, 1     lane/4       2 (lane%4), + 1
2, 3     lane/4       2 (lane%4) + 8, + 9
4, 5     lane/4 + 8   2 (lane%4), + 1
6, 7     lane/4 + 8   2 (lane%4) + 8, + 9
=======  ===========  =======================

FP3 has two steps' magnitudes in a nibble and the signs of four steps in another word. Marks are a word for
two rows eight apart: scale and special value of both, the latter as the upper byte of its f16.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ....ir.bitmod_format import GROUP_SIZE, BitmodFormat, BitmodWeights
from ....ir.formats import QuantizedMatrix

ROWS = 16
"""Rows that lie together, filled up with zero weights."""
WORDS = {4: 256, 3: 192}
"""Words of 16 rows and a group, by bits of a code."""

_LANES, _STEPS = 32, 8


def words(weights: BitmodWeights) -> NDArray[np.uint32]:
    """The codes, ``[rows/16, groups, WORDS]``."""
    codes = _filled(weights.codes).astype(np.uint32)  # [blocks, 16, groups, 128]
    blocks, _, groups, _ = codes.shape
    # row = below*8 + g, input = step*16 + far*8 + t*2 + pair
    parts = codes.reshape(blocks, 2, 8, groups, _STEPS, 2, 4, 2)
    ordered = parts.transpose(0, 3, 4, 2, 6, 1, 5, 7)  # blocks, groups, step, g, t, below, far, pair
    nibbles = ordered.reshape(blocks, groups, _STEPS, _LANES, 8)
    if weights.format.bits == 4:
        whole = _join(nibbles)  # [.., step, lane]
        return whole.reshape(blocks, groups, 2, 4, _LANES).swapaxes(3, 4).reshape(blocks, groups, -1)
    three = nibbles >> np.uint32(1)
    magnitudes, signs = _join(three & np.uint32(3)), _join(three >> np.uint32(2))
    by_two = magnitudes.reshape(blocks, groups, 4, 2, _LANES)
    planes = (by_two[:, :, :, 0] | by_two[:, :, :, 1] << np.uint32(2)).swapaxes(2, 3)  # [.., lane, step/2]
    by_four = signs.reshape(blocks, groups, 2, 4, _LANES)
    bits = (by_four << np.arange(4, dtype=np.uint32)[:, None]).sum(axis=3, dtype=np.uint32)
    return np.concatenate(
        [planes.reshape(blocks, groups, -1), bits.swapaxes(2, 3).reshape(blocks, groups, -1)], axis=-1
    )


def marks(weights: BitmodWeights) -> NDArray[np.uint32]:
    """Scales and special values, ``[rows/16, groups, 8]``."""
    special = _specials(weights.format)[_filled(weights.special)].astype(np.uint32)  # [blocks, 16, groups]
    scale = _filled(weights.group_scale).astype(np.uint32)
    both = (scale | special << np.uint32(8)).reshape(len(scale), 2, 8, -1)
    return np.ascontiguousarray((both[:, 0] | both[:, 1] << np.uint32(16)).swapaxes(1, 2))


def channels(weights: BitmodWeights) -> NDArray[np.float32]:
    """Channel scales, ``[rows]`` filled up to whole blocks."""
    fill = -weights.channels % ROWS
    return np.pad(weights.channel_scale, (0, fill)).astype(np.float32)


def _specials(form: BitmodFormat) -> NDArray[np.uint8]:
    """The upper byte of each special value's f16; the lower is zero."""
    bits = np.array(form.specials, np.float16).view(np.uint16)
    assert not (bits & 0xFF).any()
    return (bits >> 8).astype(np.uint8)


def _filled(rows: np.ndarray) -> np.ndarray:
    """``[N, …]`` as ``[blocks, 16, …]``, filled up with zeros."""
    fill = [(0, -len(rows) % ROWS)] + [(0, 0)] * (rows.ndim - 1)
    return np.pad(rows, fill).reshape(-1, ROWS, *rows.shape[1:])


def _join(nibbles: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Words from eight nibbles along the last axis."""
    return (nibbles << np.arange(0, 32, 4, dtype=np.uint32)).sum(axis=-1, dtype=np.uint32)


CODES, MARKS, CHANNELS = "bitmod codes", "bitmod marks", "bitmod channels"
PARTS: dict[str, Callable[[QuantizedMatrix], NDArray]] = {
    CODES: lambda matrix: words(matrix.bitmod()).view(np.int32),
    MARKS: lambda matrix: marks(matrix.bitmod()).view(np.int32),
    CHANNELS: lambda matrix: channels(matrix.bitmod()),
}
"""What the kernels read of a weight, made from its codes."""


def shapes(bits: int, rows: int, inputs: int) -> dict[str, tuple[int, ...]]:
    """Shape of each part of a weight."""
    blocks, groups = -(-rows // ROWS), -(-inputs // GROUP_SIZE)
    return {CODES: (blocks, groups, WORDS[bits]), MARKS: (blocks, groups, 8), CHANNELS: (blocks * ROWS,)}
