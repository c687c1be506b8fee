"""Element types that there is CPU code for; a module with others is refused before any work, all at once."""

from __future__ import annotations

import re

from ...ir.cascade import walk
from ...ir.dtypes import BY_MLIR
from ...ir.entries import KIND, NAME, arguments, text_attribute
from ...ir.errors import UnsupportedOp, UnsupportedOps
from ...ir.mlir import ir
from ...ir.steps import functions, is_entry, is_upstream
from .kernels.kernel import C_TYPES

_PLACE = re.compile(r'"([^"]+)":(\d+)')


def check_elements(module: ir.Module) -> None:
    """Refuse values of element types without CPU code.

    Raises:
        UnsupportedOps: every input and operator that has one, by name, with counts and source lines.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for function in functions(module).values():
        if is_upstream(function):  # inside, values may be of any type
            continue
        if is_entry(function):
            tables = arguments(function)
            for table, kind in zip(tables, function.type.inputs, strict=True):
                _note(
                    found,
                    f"{text_attribute(table, KIND, 'input')} {text_attribute(table, NAME, '?')}",
                    kind,
                    "",
                )
        for op in walk(function.operation):
            for result in op.results:
                _note(found, _name(op), result.type, _source(op))
    if found:
        listed = (
            UnsupportedOp(name, len(places), tuple(dict.fromkeys(filter(None, places))), reason)
            for (name, reason), places in found.items()
        )
        raise UnsupportedOps(tuple(listed))


def _note(found: dict[tuple[str, str], list[str]], name: str, kind: ir.Type, place: str) -> None:
    element = str(kind.element_type) if isinstance(kind, ir.RankedTensorType) else ""
    if element and element not in C_TYPES:
        known = ", ".join(BY_MLIR[each].numpy for each in C_TYPES if each in BY_MLIR and each != "bf16")
        given = BY_MLIR[element].numpy if element in BY_MLIR else element
        reason = f"values of type {given}; there is CPU code for {known}"
        found.setdefault((name, reason), []).append(place)


def _name(op: ir.Operation) -> str:
    if "penstock.node" not in op.attributes:
        return op.name
    return ir.StringAttr(op.attributes["penstock.node"]).value


def _source(op: ir.Operation) -> str:
    place = _PLACE.search(str(op.location))
    return f"{place[1]}:{place[2]}" if place else ""
