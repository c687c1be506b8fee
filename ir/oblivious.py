"""Private indices and what becomes of them: attributes of arguments, ops, functions and modules.

``penstock.private`` marks an argument of an entry as a private index tensor, and every op, argument and
result whose value is made from one. ``penstock.oblivious``, on an upstream function, says that it looks
rows of a parameter up in an oblivious map (BOLT, arXiv 2509.01742): its body is still the plain look-up it
stands for. ``penstock.oblivious_map``, on the module, is the map that holds the rows of all such tables.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .mlir import ir

PRIVATE = "penstock.private"
LOOKUP = "penstock.oblivious"
MAP = "penstock.oblivious_map"

KEYS = 1 << 32
"""Keys are numbers of 32 bits."""


def _attribute(record: object, names: tuple[str, ...]) -> ir.DictAttr:
    def one(value: object) -> ir.Attribute:
        if isinstance(value, str):
            return ir.StringAttr.get(value)
        if isinstance(value, float):
            return ir.FloatAttr.get(ir.F64Type.get(), value)
        assert isinstance(value, int)
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)

    return ir.DictAttr.get({name: one(getattr(record, name)) for name in names})


def _values(mark: ir.Attribute, kinds: dict[str, str], where: str) -> dict[str, object]:
    """The values of a record, each of its kind.

    Raises:
        InputError: keys that are missing or unknown, or a value of another kind.
    """
    if not isinstance(mark, ir.DictAttr) or {each.name for each in mark} != set(kinds):
        raise InputError(f"{mark}", where=where, accepted=f"a dictionary of {', '.join(kinds)}")
    found: dict[str, object] = {}
    for each in mark:
        wanted = {"str": ir.StringAttr, "float": ir.FloatAttr, "int": ir.IntegerAttr}[kinds[each.name]]
        if not isinstance(each.attr, wanted):
            raise InputError(f"{each.name} = {each.attr}", where=where, accepted=f"a {wanted.__name__}")
        found[each.name] = each.attr.value
    return found


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
    """

    table: str
    rows: int
    row_bytes: int
    chunks: int
    value_bytes: int
    first_key: int

    @property
    def keys(self) -> int:
        """Keys of the table."""
        return self.rows * self.chunks

    def attribute(self) -> ir.DictAttr:
        """The mark, in the current context."""
        return _attribute(self, tuple(each.name for each in fields(self)))

    @classmethod
    def of(cls, mark: ir.Attribute) -> Lookup:
        """What a mark says.

        Raises:
            InputError: it is no such mark, or its chunks do not hold a row.
        """
        kinds = {each.name: str(each.type) for each in fields(cls)}
        found = cls(**_values(mark, kinds, LOOKUP))  # type: ignore[arg-type]
        if min(found.rows, found.row_bytes, found.chunks, found.value_bytes) < 1 or found.first_key < 0:
            raise InputError(f"{mark}", where=LOOKUP, accepted="sizes from 1, a first key from 0")
        if found.chunks * found.value_bytes < found.row_bytes or found.first_key + found.keys > KEYS:
            raise InputError(f"{mark}", where=LOOKUP, accepted="chunks that hold a row, keys of 32 bits")
        return found

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
    """

    keys: int
    capacity: int
    value_bytes: int
    alpha: float

    def attribute(self) -> ir.DictAttr:
        """The mark, in the current context."""
        return _attribute(self, tuple(each.name for each in fields(self)))

    @classmethod
    def of(cls, mark: ir.Attribute) -> ObliviousMap:
        """What a mark says.

        Raises:
            InputError: it is no such mark, or the keys do not fit.
        """
        kinds = {each.name: str(each.type) for each in fields(cls)}
        found = cls(**_values(mark, kinds, MAP))  # type: ignore[arg-type]
        if not 1 <= found.keys <= found.capacity:
            raise InputError(f"{mark}", where=MAP, accepted="keys up to the capacity")
        return found


def lookup_of(function: ir.OpView | ir.Operation) -> Lookup | None:
    """What an upstream function looks up in the map, if it does."""
    attributes = function.operation.attributes
    return Lookup.of(attributes[LOOKUP]) if LOOKUP in attributes else None


def map_of(module: ir.Module) -> ObliviousMap | None:
    """The map of a module, if it has one."""
    attributes = module.operation.attributes
    return ObliviousMap.of(attributes[MAP]) if MAP in attributes else None
