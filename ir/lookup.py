"""Rows of tables as values of an oblivious map: the keys of a row, and what is asked for an index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

KEYS = 1 << 32
"""Keys are numbers of 32 bits."""
PAGE_BYTES = 4096
"""The most a page has unless told otherwise: one burst of the accelerator's bus."""
SLOTS, KEY_BYTES, HEAD_BYTES = 16, 4, 24
"""Of a page: values, bytes of a key, bytes of the mask and the tag."""
LEAST_CAPACITY = 32


def value_bytes_most(page_bytes: int) -> int:
    """The widest value, a multiple of 4 bytes, whose page is no larger than this."""
    return ((page_bytes - HEAD_BYTES) // SLOTS - KEY_BYTES) // 4 * 4


def chunked(row_bytes: int, most: int) -> tuple[int, int]:
    """Chunks of a row and bytes of each, a multiple of 4: as few as possible, then as small as possible."""
    chunks = -(-row_bytes // most)
    return chunks, -(-row_bytes // (4 * chunks)) * 4


def capacity_for(keys: int) -> int:
    """The capacity of a map for so many keys: a power of two, of a few bins at least."""
    return max(LEAST_CAPACITY, 1 << (keys - 1).bit_length())


@dataclass(frozen=True)
class Lookup:
    """Rows of one table in the map; a row is `chunks` values, each under a key of its own.

    Attributes:
        table: the parameter.
        rows: of the table.
        row_bytes: of one.
        chunks: values a row is cut into, the last one filled up with zeros.
        value_bytes: of a value.
        first_key: of row 0's first chunk; chunk c of row r has key ``first_key + r * chunks + c``.

    Raises:
        InputError: sizes that cannot be, chunks that do not hold a row, or keys that are too large.
    """

    table: str
    rows: int
    row_bytes: int
    chunks: int
    value_bytes: int
    first_key: int

    def __post_init__(self) -> None:
        if min(self.rows, self.row_bytes, self.chunks, self.value_bytes) < 1 or self.first_key < 0:
            raise InputError(f"{self}", accepted="sizes from 1, a first key from 0")
        if self.chunks * self.value_bytes < self.row_bytes or self.first_key + self.keys > KEYS:
            raise InputError(f"{self}", accepted="chunks that hold a row, keys of 32 bits")

    @property
    def keys(self) -> int:
        """Keys of the table."""
        return self.rows * self.chunks

    def values(self, table: NDArray) -> NDArray:
        """The table's rows as values in the order of their keys, uint8 [rows * chunks, value_bytes]."""
        raw = np.ascontiguousarray(table).reshape(self.rows, -1).view(np.uint8)
        padded = np.zeros((self.rows, self.chunks * self.value_bytes), np.uint8)
        padded[:, : self.row_bytes] = raw
        return padded.reshape(self.keys, self.value_bytes)

    def keys_of(self, index: NDArray) -> tuple[NDArray, NDArray]:
        """The keys of every row asked for, and which rows the table has; the same work for any index.

        A negative number counts from the end; row 0 is asked for in place of one that is out of range.

        Args:
            index: whole numbers of any shape.

        Returns:
            uint32 [index.size * chunks] in order, and truth values [index.size].
        """
        flat = index.reshape(-1).astype(np.int64)
        counted = np.where(flat < 0, flat + self.rows, flat)
        valid = (counted >= 0) & (counted < self.rows)
        row = np.where(valid, counted, 0)
        keys = self.first_key + row[:, None] * self.chunks + np.arange(self.chunks)
        return keys.reshape(-1).astype(np.uint32), valid


@dataclass(frozen=True)
class ObliviousMap:
    """The map of a module.

    Attributes:
        keys: in it.
        capacity: keys it is made for, a power of two.
        value_bytes: of each value.
        alpha: share of its bins that lie in HBM.

    Raises:
        InputError: the keys do not fit.
    """

    keys: int
    capacity: int
    value_bytes: int
    alpha: float

    def __post_init__(self) -> None:
        if not 1 <= self.keys <= self.capacity:
            raise InputError(f"{self}", accepted="keys up to the capacity")
