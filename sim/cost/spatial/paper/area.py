"""Area of FuseMax arrays of other sizes (figure 12): the artifact's component tables, a fit of its buffers.

Arithmetic areas are the target's. Registers follow the artifact's tables exactly: 131.18 µm² an entry and an
address generator of so many bits. The global buffer's area is CACTI's, which no closed form gives: two
coefficients (bits, and squared row width for its ports) are fitted to the ten buffers of arrays up to 256.
"""

from __future__ import annotations

import math

from .chip import ARRAY_1D, ARRAY_2D, Chip
from .workload import WORD_BYTES

ENTRY_UM2 = (2048 * 5.98 + 64 * 71.0) / 128
"""A 16-bit entry: storage and comparators of 128 of them, as the artifact scales them."""
ADDRESS_BIT_UM2 = 2 * 29.0871 / 5
"""Two address generators, per bit of the address."""
WIRE_UM2 = 1.0
"""A column's network, in the artifact's tables."""
BUFFER_UM2_PER_16_BITS = 6.06492954
BUFFER_UM2_PER_SQUARED_WORD = 16.73734102
"""Fitted: buffers of arrays of 16 to 256, whole chips within 0.3 %."""


def register_file_um2(entries: int) -> float:
    """Area of a register file of 16-bit entries."""
    return ENTRY_UM2 * entries + ADDRESS_BIT_UM2 * math.log2(entries)


def buffer_um2(row_words: int, capacity_bytes: int) -> float:
    """Area of a global buffer with rows of that many words (fitted)."""
    words = capacity_bytes // WORD_BYTES
    return BUFFER_UM2_PER_16_BITS * words + BUFFER_UM2_PER_SQUARED_WORD * row_words**2


def area_um2(on: Chip, tiles_in_flight: int) -> float:
    """Area of a chip whose registers hold that many tiles: 2 entries each in the 2D array, 8 in the 1D."""
    components = {
        unit: sum(part.area_um2 for part in on.target.component if part.unit == unit)
        for unit in (ARRAY_2D, ARRAY_1D)
    }
    element = components[ARRAY_2D] + register_file_um2(2 * tiles_in_flight)
    lane = components[ARRAY_1D] + register_file_um2(8 * tiles_in_flight)
    arrays = on.rows * on.cols * element + on.cols * (lane + WIRE_UM2)
    return arrays + buffer_um2(on.cols, on.buffer_bytes)
