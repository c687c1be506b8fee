"""Who answers the look-ups of a CPU program: tables in one oblivious map (sim/bolt), rows out of it.

The program hands over the numbers of the rows, and the map is asked for every chunk of every row in order.
The map stands for the accelerator: what is above it sees the numbers, what is below it, its host pages, not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...ir.lookup import Lookup, ObliviousMap
from ...sim.bolt import BoltConfig, Keys, NativeMap, Records
from ...sim.bolt.batches import Answers
from ...sim.bolt.counters import Counters
from .keep import Keep

CLIENT = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


class Map(Protocol):
    """What answers: a model of `sim.bolt`, or the accelerator itself."""

    config: BoltConfig

    @property
    def counters(self) -> Counters:
        """What it counted."""
        ...

    def get(self, keys: NDArray) -> Answers:
        """The values of keys, an access each, in order."""
        ...


class Rows:
    """The client of one program: tables in one oblivious map, rows out of it.

    Args:
        facts: of `tables`.
        arrays: the program's weights by name.
        answering: a map that holds the tables already; a new one under fresh keys when None.
    """

    def __init__(
        self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray], answering: Map | None = None
    ) -> None:
        self.lookups = [_lookup(row) for row in facts["lookups"]]
        self._kinds = [(np.dtype(row["dtype"]), np.dtype(row["index"])) for row in facts["lookups"]]
        self.map: Map = answering or made(facts, arrays)
        self.kept = Keep()
        self.client = CLIENT(self._asked)

    def fetch(self, number: int, index: NDArray) -> NDArray:
        """Rows of a look-up, one for every number of the index; NaN (0 of whole numbers) where there is none.

        Raises:
            FaultError: the map stopped.
        """
        lookup, kind = self.lookups[number], self._kinds[number][0]
        keys, valid = lookup.keys_of(index)
        raw = self.map.get(keys).values.reshape(index.size, -1)[:, : lookup.row_bytes]
        rows = np.ascontiguousarray(raw).view(kind)
        return np.where(valid[:, None], rows, np.array(np.nan if kind.kind == "f" else 0, kind))

    def _asked(self, number: int, count: int, index: int, rows: int) -> None:
        lookup, (kind, whole) = self.lookups[number], self._kinds[number]
        target = _bytes_at(rows, count * lookup.row_bytes).view(kind).reshape(count, -1)
        target[...] = 0  # what the rest of a run that fails goes on with
        if self.kept.error is None:
            with self.kept:
                target[...] = self.fetch(number, _bytes_at(index, count * whole.itemsize).view(whole))

    def counters(self) -> dict[str, int]:
        """What the map counted since it was made, and bytes its host pages moved."""
        counted = self.map.counters
        pages = counted.host_reads + counted.host_writes
        return {
            "accesses": counted.accesses,
            "host_reads": counted.host_reads,
            "host_writes": counted.host_writes,
            "host_bytes": pages * self.map.config.page_bytes,
        }

    def settle(self) -> None:
        """Raise what went wrong inside the last run."""
        self.kept.settle()


class PlainMap:
    """The same answers, looked up in the open: what every other map is compared with.

    Args:
        facts: of `oblivious.tables`.
        arrays: the program's weights by name.

    Attributes:
        asked: keys of all accesses so far.
    """

    def __init__(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> None:
        self.config = config_of(facts)
        self.counters = Counters()
        self.asked: list[int] = []
        self._values = records(facts, arrays).values

    def get(self, keys: NDArray) -> Answers:
        """The values of keys."""
        self.counters.accesses += len(keys)
        self.asked += keys.tolist()
        return Answers(np.ones(len(keys), bool), self._values[keys])


def _bytes_at(address: int, size: int) -> NDArray:
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


def _lookup(row: Mapping[str, Any]) -> Lookup:
    return Lookup(**{each.name: row[each.name] for each in fields(Lookup)})


def config_of(facts: Mapping[str, Any]) -> BoltConfig:
    """Sizes of the map of a program."""
    whole = ObliviousMap(**facts["map"])
    return BoltConfig(capacity=whole.capacity, value_bytes=whole.value_bytes, alpha=whole.alpha)


def records(facts: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Records:
    """Every row of every table, as the map begins: each table once, in the order of its keys."""
    whole = ObliviousMap(**facts["map"])
    values = np.zeros((whole.keys, whole.value_bytes), np.uint8)
    for row in facts["lookups"]:
        lookup = _lookup(row)
        values[lookup.first_key : lookup.first_key + lookup.keys] = lookup.values(arrays[row["array"]])
    return Records(np.arange(whole.keys, dtype=np.uint32), values)


def made(facts: Mapping[str, Any], arrays: Mapping[str, NDArray], keys: Keys | None = None) -> Map:
    """A new map with the tables in it, under keys of the operating system's generator when None."""
    return NativeMap(config_of(facts), keys=keys or Keys.fresh(), initial=records(facts, arrays))
