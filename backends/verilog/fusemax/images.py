"""What streams into the FuseMax array besides its program: queries, keys, values, as they are read.

A word holds one coordinate, e or f, of all rows or columns of a tile, element 0 in the low bits. Block by
block: the queries, query tiles outermost; then the key tiles one after the other, K before V.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ....sim.cost.spatial.tiling import Tiling

HALF_BITS = 16


def stream_words(
    tiling: Tiling, q: NDArray[np.float16], k: NDArray[np.float16], v: NDArray[np.float16]
) -> Iterator[int]:
    """The words of max(Rows, Cols) FP16 values; what the last tiles lack is zero.

    Args:
        tiling: of the head.
        q: ``[P, E]``, scaled already.
        k: ``[M, E]``.
        v: ``[M, F]``.
    """
    queries = _tiles(q, tiling.blocks * tiling.p1, tiling.cols)
    keys, values = (_tiles(each, tiling.m1, tiling.rows) for each in (k, v))
    for block in range(tiling.blocks):
        yield from _words(queries[block * tiling.p1 : (block + 1) * tiling.p1])
        for tile in range(tiling.m1):
            yield from _words(keys[tile : tile + 1])
            yield from _words(values[tile : tile + 1])


def word_digits(tiling: Tiling) -> int:
    """Hexadecimal digits of a word."""
    return max(tiling.rows, tiling.cols) * HALF_BITS // 4


def _tiles(rows: NDArray[np.float16], tiles: int, size: int) -> NDArray[np.float16]:
    """``[tiles, coordinate, size]`` of ``[rows, coordinate]``, padded with zeros."""
    padded = np.zeros((tiles * size, rows.shape[1]), np.float16)
    padded[: len(rows)] = rows
    return padded.reshape(tiles, size, -1).transpose(0, 2, 1)


def _words(tiles: NDArray[np.float16]) -> Iterator[int]:
    for tile in tiles:
        for elements in np.ascontiguousarray(tile).astype("<f2"):
            yield int.from_bytes(elements.tobytes(), "little")
