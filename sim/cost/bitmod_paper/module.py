"""The matrix products of a compiled module, to be priced on any design: linear layers and attention.

Any stage of a module will do, as raised or fused: products are Einsums that sum products of two tensors, each
with ranks of the output that the other lacks. Ranks they share are a batch (key-value heads).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....ir.build import EinsumView, integer, string
from ....ir.cascade import EINSUM, FUSED, ITERATE
from ....ir.errors import InputError
from ....ir.mlir import func, ir
from ....ir.steps import CALL, VIEWS, body, functions, is_entry, is_upstream
from ....ir.targets import Target
from .design import Precision, design_of, precision_of
from .matmul import Matmul
from .price import Cost, price_all
from .rules import CORRECTED, Rules


def cost_entries(
    module: ir.Module, target: Target, weights: str, rules: Rules = CORRECTED
) -> list[dict[str, Any]]:
    """What every entry point's matrix products cost (`cost_module`), as plain figures.

    Args:
        module: at any stage.
        target: with a ``[[datapath]]``.
        weights: a number format or a width, as for `precision_of`.
        rules: as for `cost_module`.

    Returns:
        `Cost.to_json` with ``entry``, ``matmuls`` (how many) and ``macs``.

    Raises:
        InputError: neither a format nor a width.
        TargetError: a target this model does not price.
    """
    on = design_of(target)
    precision = precision_of(weights, on.serial)
    found = []
    for name in (name for name, function in functions(module).items() if is_entry(function)):
        work = matmuls_of(module, name)
        cost = price_all(work, on, precision, rules)
        macs = sum(each.macs for each in work)
        found.append({"entry": name, "matmuls": len(work), "macs": macs, **cost.to_json()})
    return found


def cost_module(
    module: ir.Module, entry: str, target: Target, precision: Precision, rules: Rules = CORRECTED
) -> Cost:
    """What an entry's matrix products cost on a design of the BitMoD paper; nothing else is counted.

    Args:
        module: at any stage.
        entry: name of the function.
        target: with a ``[[datapath]]``, such as ``bitmod-paper``.
        precision: widths of weights and of K and V.
        rules: the corrected ones price attention head by head, as the module has it.

    Raises:
        InputError: no such entry function.
        TargetError: a target this model does not price.
    """
    return price_all(matmuls_of(module, entry), design_of(target), precision, rules)


def matmuls_of(module: ir.Module, entry: str) -> tuple[Matmul, ...]:
    """The matrix products an entry runs, in program order, equal ones of a function kept apart.

    Raises:
        InputError: no such entry function.
    """
    known = functions(module)
    if entry not in known:
        raise InputError(f"no function '{entry}'", accepted=", ".join(known))
    return tuple(_function(known, entry))


@dataclass(frozen=True)
class _Around:
    """Where an op stands.

    Attributes:
        times: runs of it.
        tiles: tile rank → extent it covers over all generations.
        fixed: generational ranks, coordinates of the generation.
    """

    times: int = 1
    tiles: Mapping[str, int] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()


def _function(known: Mapping[str, func.FuncOp], name: str) -> Iterator[Matmul]:
    function = known[name]
    for op in body(function):
        if op.name == CALL:
            yield from _function(known, ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        elif not is_upstream(function):
            yield from _op(op, function.operation, _Around())


def _op(op: ir.Operation, function: ir.Operation, around: _Around) -> Iterator[Matmul]:
    if op.name == EINSUM:
        found = _matmul(EinsumView.of(op), function, around)
        if found is not None:
            yield found
        return
    if op.name == ITERATE:
        tiles = dict(around.tiles)
        if string(op, "split"):
            tiles[string(op, "tile_rank")] = integer(op, "extent")
        times = around.times * integer(op, "generations")
        around = _Around(times, tiles, around.fixed | {string(op, "rank")})
    elif op.name != FUSED:
        return
    for inner in op.regions[0].blocks[0].operations:
        yield from _op(inner.operation, function, around)


def _matmul(view: EinsumView, function: ir.Operation, around: _Around) -> Matmul | None:
    """The Einsum as a product, None where it is none."""
    einsum = view.einsum
    if (einsum.map, einsum.reduce) != ("mul", "sum") or len(view.operands) != 2:
        return None
    ranks = [set(access.ranks) - around.fixed for access in einsum.accesses]
    result = set(einsum.output.ranks)
    shared = ranks[0] & ranks[1]
    if not (shared - result) or not all(each & result for each in ranks):
        return None
    weights = [_is_parameter(value, function) for value in view.operands]
    held = 0 if weights[0] and not weights[1] else 1
    if not (ranks[held] - ranks[1 - held]) & result:  # a weight of one channel, or one query of its head
        held = 1 - held
    channels = (ranks[held] - ranks[1 - held]) & result
    if not channels:
        return None
    extents, times = view.extents(), around.times
    for rank in set(around.tiles) & (ranks[0] | ranks[1]):
        times //= math.ceil(around.tiles[rank] / extents[rank])
        extents[rank] = around.tiles[rank]

    def size(of: set[str]) -> int:
        return math.prod(extents[rank] for rank in of)

    return Matmul(
        name=str(einsum),
        tokens=size((ranks[1 - held] - ranks[held]) & result),
        channels=size(channels),
        inputs=size((ranks[0] | ranks[1]) - result),
        attention=not any(weights),
        batch=size(shared & result),
        count=times,
    )


def _is_parameter(value: ir.Value, function: ir.Operation) -> bool:
    """Whether a value is a parameter of the function, however reshaped or placed."""
    while not isinstance(value.owner, ir.Block):
        op = value.owner.operation
        if op.name not in VIEWS:
            return False
        value = op.operands[0]
    argument = ir.BlockArgument(value)
    around = argument.owner.owner.operation
    if around.name == FUSED:
        return _is_parameter(around.operands[argument.arg_number], function)
    if around.name != "func.func":
        return False
    kinds = ir.DictAttr(ir.ArrayAttr(function.attributes["arg_attrs"])[argument.arg_number])
    return "penstock.kind" in kinds and ir.StringAttr(kinds["penstock.kind"]).value == "param"
