"""Items of one size under coordinates, in an oblivious map: experts' images, pages of a cache.

What is asked for, put, or not there looks the same from below the map: every item costs the same number of
accesses, in the order asked. How many items a call is about shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import InputError
from ...ir.lookup import PAGE_BYTES, Lookup, capacity_for, chunked, value_bytes_most
from ...sim.bolt import BoltConfig, Keys, NativeMap, Records
from ...sim.bolt.tape import Tape


class Store:
    """A map from coordinates to items.

    Args:
        extents: of the coordinates, such as (layers, heads, pages).
        item_bytes: of each item.
        items: ``[product of the extents, item_bytes]`` uint8 to begin with; nothing is there when None.
        page_bytes: the most a page of the map has.
        alpha: share of its bins in HBM.
        keys: its secrets; new ones when None.
        tape: words in place of the map's generator, for tests.

    Raises:
        InputError: items of another shape, or more keys than there are.
    """

    def __init__(
        self,
        extents: Sequence[int],
        item_bytes: int,
        items: NDArray | None = None,
        *,
        page_bytes: int = PAGE_BYTES,
        alpha: float = 0.2,
        keys: Keys | None = None,
        tape: Tape | None = None,
    ) -> None:
        self.extents = tuple(extents)
        chunks, value_bytes = chunked(item_bytes, value_bytes_most(page_bytes))
        self.layout = Lookup("items", math.prod(self.extents), item_bytes, chunks, value_bytes, 0)
        config = BoltConfig(capacity_for(self.layout.keys), value_bytes, alpha)
        initial = None if items is None else Records(self._all_keys(), self.layout.values(self._items(items)))
        self.map = NativeMap(config, keys=keys or Keys.fresh(), initial=initial, tape=tape)

    def get(self, coordinates: NDArray) -> NDArray:
        """Items, zeros where nothing was put.

        Args:
            coordinates: ``[n, len(extents)]``.

        Returns:
            ``[n, item_bytes]`` uint8.

        Raises:
            InputError: coordinates of another shape, or out of range.
            FaultError: the map stopped.
        """
        keys = self._keys(coordinates)
        raw = self.map.get(keys).values.reshape(len(coordinates), -1)
        return raw[:, : self.layout.row_bytes]

    def put(self, coordinates: NDArray, items: NDArray) -> None:
        """Store items ``[n, item_bytes]`` of any type, the last one staying where coordinates are equal.

        Raises:
            InputError: coordinates or items of another shape, or out of range.
            FaultError: the map stopped.
        """
        keys = self._keys(coordinates)
        padded = np.zeros((len(coordinates), self.layout.chunks * self.layout.value_bytes), np.uint8)
        padded[:, : self.layout.row_bytes] = self._items(items, len(coordinates))
        self.map.put(keys, padded.reshape(len(keys), self.layout.value_bytes))

    def _all_keys(self) -> NDArray:
        return np.arange(self.layout.keys, dtype=np.uint32)

    def _keys(self, coordinates: NDArray) -> NDArray:
        given = np.asarray(coordinates)
        if given.ndim != 2 or given.shape[1] != len(self.extents) or given.dtype.kind not in "iu":
            found = f"coordinates {given.dtype}{list(given.shape)}"
            raise InputError(found, accepted=f"whole numbers [n, {len(self.extents)}]")
        if len(given) and (given.min() < 0 or (given >= self.extents).any()):
            raise InputError("coordinates out of range", accepted=f"below {list(self.extents)}")
        item = np.asarray(np.ravel_multi_index(tuple(given.T), self.extents))
        return self.layout.keys_of(item)[0]

    def _items(self, items: NDArray, count: int | None = None) -> NDArray:
        count = self.layout.rows if count is None else count
        flat = np.ascontiguousarray(items).reshape(len(items), -1).view(np.uint8)
        if flat.shape != (count, self.layout.row_bytes):
            found = f"items of {flat.shape[1]} bytes, {len(flat)} of them"
            raise InputError(found, accepted=f"{count} of {self.layout.row_bytes} bytes")
        return flat
