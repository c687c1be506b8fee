"""Private indices and what becomes of them: attributes of arguments, ops, functions and modules.

``penstock.private`` marks an argument of an entry as a private index tensor, and every op, argument and
result whose value is made from one. ``penstock.oblivious``, on an upstream function, says that it looks
rows of a parameter up in an oblivious map (BOLT, arXiv 2509.01742): its body is still the plain look-up it
stands for. ``penstock.oblivious_map``, on the module, is the map that holds the rows of all such tables.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

from .errors import InputError
from .lookup import Lookup, ObliviousMap
from .mlir import ir

PRIVATE = "penstock.private"
LOOKUP = "penstock.oblivious"
MAP = "penstock.oblivious_map"

Record = TypeVar("Record", Lookup, ObliviousMap)

_ATTRIBUTES = {"str": ir.StringAttr, "float": ir.FloatAttr, "int": ir.IntegerAttr}


def attribute(record: Lookup | ObliviousMap) -> ir.DictAttr:
    """A record as a mark, in the current context."""

    def one(value: object) -> ir.Attribute:
        if isinstance(value, str):
            return ir.StringAttr.get(value)
        if isinstance(value, float):
            return ir.FloatAttr.get(ir.F64Type.get(), value)
        assert isinstance(value, int)
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)

    return ir.DictAttr.get({each.name: one(getattr(record, each.name)) for each in fields(record)})


def record(kind: type[Record], mark: ir.Attribute, where: str) -> Record:
    """What a mark says.

    Raises:
        InputError: keys that are missing or unknown, a value of another kind, or a record that cannot be.
    """
    kinds = {each.name: str(each.type) for each in fields(kind)}
    if not isinstance(mark, ir.DictAttr) or {each.name for each in mark} != set(kinds):
        raise InputError(f"{mark}", where=where, accepted=f"a dictionary of {', '.join(kinds)}")
    found: dict[str, object] = {}
    for each in mark:
        wanted = _ATTRIBUTES[kinds[each.name]]
        if not isinstance(each.attr, wanted):
            raise InputError(f"{each.name} = {each.attr}", where=where, accepted=f"a {wanted.__name__}")
        found[each.name] = each.attr.value
    return kind(**found)  # type: ignore[arg-type]


def lookup_of(function: ir.OpView | ir.Operation) -> Lookup | None:
    """What an upstream function looks up in the map, if it does."""
    attributes = function.operation.attributes
    return record(Lookup, attributes[LOOKUP], LOOKUP) if LOOKUP in attributes else None


def map_of(module: ir.Module) -> ObliviousMap | None:
    """The map of a module, if it has one."""
    attributes = module.operation.attributes
    return record(ObliviousMap, attributes[MAP], MAP) if MAP in attributes else None
