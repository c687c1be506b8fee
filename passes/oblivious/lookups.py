"""Look-ups of rows by a private index, turned into look-ups in one oblivious map.

A row is one value of the map where its page fits the page size; a wider one is cut into equal chunks, each a
value under a key of its own. Every row of every call is asked for, whatever its number: equal ones twice, and
those of the padding too, so the count of accesses is the shape's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...ir.cascade import shape_of
from ...ir.entries import NAME, arguments, is_param, text_attribute
from ...ir.errors import PassError, PrivateUse
from ...ir.lookup import KEYS, Lookup, ObliviousMap, capacity_for, chunked, value_bytes_most
from ...ir.mlir import func, ir
from ...ir.oblivious import LOOKUP, MAP, attribute
from ...ir.steps import CALL, ROWS, body, callee, dtype_of, functions, is_entry, is_upstream, root
from .taint import LOOK_UP, source_of

SYMBOL = "oblivious_rows"


@dataclass(frozen=True)
class Site:
    """A call that looks rows of a parameter up by a private index."""

    op: ir.Operation
    function: func.FuncOp
    table: str
    rows: int
    row_bytes: int


def find_sites(module: ir.Module, values: set[ir.Value]) -> tuple[list[Site], list[PrivateUse]]:
    """The look-ups by a private index, and those whose table is not one parameter."""
    table = functions(module)
    sites: list[Site] = []
    refused: list[PrivateUse] = []
    for function in table.values():
        if is_upstream(function):
            continue
        for op in _calls(function):
            target = table.get(callee(op))
            if target is None or ROWS not in target.attributes or op.operands[1] not in values:
                continue
            name = _parameter(op.operands[0], function)
            if name is None:
                reason = "a look-up in what is not one parameter of the whole model"
                refused.append(PrivateUse(callee(op), source_of(op.location), reason, LOOK_UP))
                continue
            shape, element = shape_of(op.operands[0]), dtype_of(op.operands[0])
            sites.append(Site(op, target, name, shape[0], math.prod(shape[1:]) * element.size))
    return sites, refused


def _calls(function: func.FuncOp) -> Iterator[ir.Operation]:
    return (op for op in body(function) if op.name == CALL)


def _parameter(value: ir.Value, function: func.FuncOp) -> str | None:
    """Name of the parameter that a value is (a view of), where the function is an entry."""
    owner = root(value)
    if not is_entry(function) or not isinstance(owner.owner, ir.Block):
        return None
    given = arguments(function)[ir.BlockArgument(owner).arg_number]
    return text_attribute(given, NAME, "") or None if is_param(given) else None


def layout(sites: Iterable[Site], page_bytes: int, alpha: float) -> tuple[dict[str, Lookup], ObliviousMap]:
    """A place in the map for every table, by name, and the map.

    Args:
        sites: all look-ups; tables of one name are one table.
        page_bytes: the most a page may have.
        alpha: share of the bins that lie in HBM.

    Raises:
        PassError: more keys than there are.
    """
    tables = {site.table: site for site in sites}
    most = value_bytes_most(page_bytes)
    wide = max(chunked(site.row_bytes, most)[1] for site in tables.values())
    placed: dict[str, Lookup] = {}
    first = 0
    for name, site in tables.items():
        chunks = -(-site.row_bytes // wide)
        if first + site.rows * chunks > KEYS:
            raise PassError(f"more than {KEYS} keys", where=name, accepted="a larger page_bytes")
        placed[name] = Lookup(name, site.rows, site.row_bytes, chunks, wide, first)
        first += placed[name].keys
    return placed, ObliviousMap(first, capacity_for(first), wide, alpha)


def rewrite(module: ir.Module, sites: Iterable[Site], placed: dict[str, Lookup], whole: ObliviousMap) -> None:
    """Let every site call a function that is marked as a look-up in the map; its body stays the plain one."""
    names = set(functions(module))
    made: dict[tuple[str, str], str] = {}
    with ir.Location.unknown(module.context):
        for site in sites:
            key = (site.function.name.value, site.table)
            if key not in made:
                made[key] = _clone(module, site, placed[site.table], names)
            site.op.attributes["callee"] = ir.FlatSymbolRefAttr.get(made[key])
        module.operation.attributes[MAP] = attribute(whole)
    _drop_unused(module, {site.function.name.value for site in sites})


def _clone(module: ir.Module, site: Site, lookup: Lookup, names: set[str]) -> str:
    name, count = SYMBOL, 1
    while name in names:
        count += 1
        name = f"{SYMBOL}_{count}"
    names.add(name)
    copy = site.function.operation.clone(ip=ir.InsertionPoint(module.body)).operation
    copy.attributes["sym_name"] = ir.StringAttr.get(name)
    copy.attributes[LOOKUP] = attribute(lookup)
    return name


def _drop_unused(module: ir.Module, names: set[str]) -> None:
    """Erase the plain look-ups that nobody calls any more."""
    table = functions(module)
    called = {callee(op) for each in table.values() if not is_upstream(each) for op in _calls(each)}
    for name in names - called:
        table[name].operation.erase()
