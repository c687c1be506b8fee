"""A placement as ``tier`` operations: a place for every tensor made, drops for what is spilled.

What is spilled is read and written where it lies: kernels reach both memories (SN40L, section IV-D), so
nothing is copied. Arguments and results lie with the caller, an argument in the tier its attribute names.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.build import attributes
from ...ir.entries import arguments
from ...ir.mlir import func, ir
from ...ir.steps import ALLOC, returned, root, steps
from ...ir.tier_moves import DROP, FLOAT_BYTES, FRAMES, LIES
from ..place.compiled import BF16_BYTES, Program
from .plan import TierPlan


def emit(function: func.FuncOp, compiled: Program, found: TierPlan) -> None:
    """Write a placement into its function, which is flat and has no ``tier`` operations.

    Args:
        function: whose steps made the program.
        compiled: the program as read from it, with the value of each tensor.
        found: where each lies, by name.
    """
    near, far = found.tiers.near.name, found.tiers.far.name
    given = {root(value) for value in returned(function)}
    last = _last_readers(function)
    where = {name: (near, at) for name, at in found.near.items()}
    where |= {name: (far, at) for name, at in found.far.items()}
    base = _bases(function, compiled, given, found)
    tops = {near: 0, far: 0}
    for tensor, value in zip(compiled.problem.tensors, compiled.values, strict=True):
        tier, address = where[tensor.name]
        if isinstance(value.owner, ir.Block):
            if tier == far:
                _lies_in(function, value, far)
            continue
        if value in given:
            continue
        offset = address - base[tier]
        tops[tier] = max(tops[tier], offset + tensor.size)
        placed = _place(value, tier, offset, tensor.size)
        if tier == far:
            reader = last.get(value, value.owner)
            at = ir.InsertionPoint.after(placed if reader == value.owner else reader)
            ir.Operation.create(DROP, [], [placed.results[0]], ip=at)
    function.attributes[FRAMES] = ir.DictAttr.get(attributes(tops))
    function.attributes[FLOAT_BYTES] = attributes({FLOAT_BYTES: BF16_BYTES})[FLOAT_BYTES]


def _bases(
    function: func.FuncOp, compiled: Program, given: set[ir.Value], found: TierPlan
) -> Mapping[str, int]:
    """Where each tier's arena begins: above what is permanent, which lies below all else."""
    names = {tensor.name for tensor, value in zip(compiled.problem.tensors, compiled.values, strict=True)}
    symbols = {symbol.name: symbol for symbol in found.program.symbols if symbol.name in names}
    base = {}
    for tier, spots in ((found.tiers.near, found.near), (found.tiers.far, found.far)):
        unit = tier.alignment_bytes
        ends = [
            at + -(-symbols[name].size // unit) * unit
            for name, at in spots.items()
            if found.program.permanent(symbols[name])
        ]
        base[tier.name] = max(ends, default=0)
    return base


def _last_readers(function: func.FuncOp) -> dict[ir.Value, ir.Operation]:
    found: dict[ir.Value, ir.Operation] = {}
    for op in steps(function):
        found.update({root(value): op for value in op.operands})
    return found


def _place(value: ir.Value, tier: str, offset: int, size: int) -> ir.Operation:
    facts = attributes({"tier": tier, "offset": offset, "bytes": size})
    at = ir.InsertionPoint.after(value.owner)
    placed = ir.Operation.create(ALLOC, [value.type], [value], facts, loc=value.owner.location, ip=at)
    value.replace_all_uses_except(placed.results[0], placed)
    return placed


def _lies_in(function: func.FuncOp, argument: ir.Value, tier: str) -> None:
    """Name the tier on an argument."""
    number = list(function.arguments).index(argument)
    tables = [ir.DictAttr(table) for table in arguments(function)]
    facts = {each.name: each.attr for each in tables[number]}
    tables[number] = ir.DictAttr.get({**facts, **attributes({LIES: tier})})
    function.attributes["arg_attrs"] = ir.ArrayAttr.get(tables)
