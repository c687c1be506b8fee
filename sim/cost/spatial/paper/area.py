"""Area of FuseMax arrays of other sizes (figure 12): the artifact's component tables, a fit of its buffers.

Arithmetic areas are the target's. Registers follow the artifact's tables exactly: 131.18 µm² an entry and an
address generator of so many bits. Figure 12 charges each register file 32 bits an entry and at least 64
entries, an earlier version of its data the entries of 16 bits that there are (`quirks`). The global buffer's
area is CACTI's, which no closed form gives: two coefficients (bits, and squared row width for its ports) are
fitted to the ten buffers of arrays up to 256.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .chip import ARRAY_1D, ARRAY_2D, Chip
from .workload import WORD_BYTES

CHARGED_ENTRIES, CHARGED_WIDTH = 64, 2
"""At the least, each as wide as two words."""
ENTRY_UM2 = (2048 * 5.98 + 64 * 71.0) / (CHARGED_ENTRIES * CHARGED_WIDTH)
"""A 16-bit entry: storage and comparators."""
ADDRESS_BIT_UM2 = 2 * 29.0871 / 5
"""Two address generators, per bit of the address."""
WIRE_UM2 = 1.0
"""A column's network, in the artifact's tables."""
BUFFER_UM2_PER_16_BITS = 6.06492954
BUFFER_UM2_PER_SQUARED_WORD = 16.73734102
"""Fitted: buffers of arrays of 16 to 256."""


@dataclass(frozen=True)
class Area:
    """Area of a chip in µm².

    Attributes:
        charged: as in figure 12, see above.
        scaled: with the registers there are.
    """

    charged: float
    scaled: float


def register_file_um2(entries: int) -> float:
    """Area of a register file of 16-bit entries."""
    return ENTRY_UM2 * entries + ADDRESS_BIT_UM2 * math.log2(entries)


def buffer_um2(row_words: int, capacity_bytes: int) -> float:
    """Area of a global buffer with rows of that many words (fitted)."""
    words = capacity_bytes // WORD_BYTES
    return BUFFER_UM2_PER_16_BITS * words + BUFFER_UM2_PER_SQUARED_WORD * row_words**2


def area_um2(on: Chip, tiles_in_flight: int) -> Area:
    """Area of a chip whose registers hold that many tiles: 2 entries each in the 2D array, 8 in the 1D."""
    components = {
        unit: sum(part.area_um2 for part in on.target.component if part.unit == unit)
        for unit in (ARRAY_2D, ARRAY_1D)
    }
    element, lane = 2 * tiles_in_flight, 8 * tiles_in_flight
    elements = on.rows * on.cols
    scaled = (
        elements * (components[ARRAY_2D] + register_file_um2(element))
        + on.cols * (components[ARRAY_1D] + register_file_um2(lane) + WIRE_UM2)
        + buffer_um2(on.cols, on.buffer_bytes)
    )
    unused = elements * _unused(element) + on.cols * _unused(lane)
    return Area(charged=scaled + ENTRY_UM2 * unused, scaled=scaled)


def _unused(entries: int) -> int:
    """Entries of 16 bits that figure 12 charges and that are not there."""
    return CHARGED_WIDTH * max(CHARGED_ENTRIES, entries) - entries
