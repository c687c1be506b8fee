"""Who is live together with whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .problem import Buffer


def together(buffers: Sequence[Buffer]) -> np.ndarray:
    """Symmetric matrix of whether two buffers are live at one step; a buffer counts as live with itself."""
    start = np.array([b.start for b in buffers], np.int64)
    end = np.array([b.end for b in buffers], np.int64)
    matrix = (start[:, None] < end) & (start < end[:, None])
    for index, buffer in enumerate(buffers):
        if buffer.gaps:
            live = [_live_in(buffer, other) for other in buffers]
            matrix[index] &= live
            matrix[:, index] &= live
    return matrix


def _live_in(buffer: Buffer, other: Buffer) -> bool:
    return any(low < end and start < high for low, high in buffer.spans for start, end in other.spans)
