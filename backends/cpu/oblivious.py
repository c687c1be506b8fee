"""Look-ups by private indices in a CPU program: kernels that ask the program's client (`rows.py`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...ir.cascade import shape_of
from ...ir.lookup import Lookup
from ...ir.mlir import func, ir
from ...ir.oblivious import lookup_of, map_of
from ...ir.steps import CALL, callee, dtype_of, functions, is_entry, steps
from .kernels import Kernel

SOURCES = ("lookup.h", "lookup.c")


def lookups(module: ir.Module) -> dict[str, Lookup]:
    """The look-ups of a module by the upstream function that does each; their order numbers them."""
    found = {name: lookup_of(function) for name, function in functions(module).items()}
    return {name: lookup for name, lookup in found.items() if lookup is not None}


def lookup_kernel(function: func.FuncOp, number: int, symbol: str) -> Kernel:
    """The kernel of a function that looks rows up: one thread asks the program's client.

    Args:
        function: of the table, which it leaves alone, and the index.
        number: of its look-up in the program.
        symbol: C symbol of the kernel.
    """
    table, index = function.arguments
    element, whole = dtype_of(table).c, dtype_of(index).c
    count = math.prod(shape_of(index))
    text = f"""\
/* {count} rows of {list(shape_of(table))}, from an oblivious map. */
static void {symbol}(
        const {element} *table, const {whole} *index, {element} *rows, const pst_thread *thread) {{
    (void)table, (void)thread;
    pst_look_up({number}, {count}, index, rows);
}}"""
    return Kernel(symbol, "", (element, whole, element), 2, 0, 0, {}, text)


def tables(module: ir.Module, stored_as: Mapping[str, str]) -> dict[str, Any]:
    """What the loader needs: every look-up with its types and the array that holds its table, and the map."""
    whole = map_of(module)
    if whole is None:
        return {}
    listed = []
    for name, lookup in lookups(module).items():
        function = functions(module)[name]
        kinds = {
            "dtype": dtype_of(function.arguments[0]).numpy,
            "index": dtype_of(function.arguments[1]).numpy,
        }
        listed.append({**asdict(lookup), **kinds, "array": stored_as[lookup.table]})
    return {"lookups": listed, "map": asdict(whole), "asked": _asked(module)}


def _asked(module: ir.Module) -> dict[str, dict[str, int]]:
    """Rows that a run of each entry asks for, and accesses of the map that takes."""
    held = lookups(module)
    found = {}
    for entry in functions(module).values():
        if is_entry(entry):
            calls = [op for op in steps(entry) if op.name == CALL and callee(op) in held]
            rows = [math.prod(shape_of(op.operands[1])) for op in calls]
            chunks = [held[callee(op)].chunks for op in calls]
            accesses = sum(count * each for count, each in zip(rows, chunks, strict=True))
            found[entry.name.value] = {"rows": sum(rows), "accesses": accesses}
    return found
