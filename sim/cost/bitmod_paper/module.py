"""The matrix products of a compiled module, to be priced on any design: linear layers and attention.

Any stage of a module will do, as raised or fused: products are Einsums that sum products of two tensors, each
with ranks of the output that the other lacks. Ranks they share are a batch (key-value heads).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ....ir.build import EinsumView, integer, string
from ....ir.cascade import EINSUM, FUSED, ITERATE
from ....ir.errors import InputError
from ....ir.mlir import ir
from ....ir.targets import Target
from .design import Precision, design_of
from .matmul import Matmul
from .price import Cost, price_all
from .rules import CORRECTED, Rules

VIEWS = frozenset(
    ("tensor.expand_shape", "tensor.collapse_shape", "tensor.cast", "tier.alloc", "tier.copy", "tier.wait")
)
"""Ops whose result is their first operand in another form or place."""


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
    functions = {
        string(op, "sym_name"): op.operation
        for op in module.body.operations
        if op.operation.name == "func.func"
    }
    if entry not in functions:
        raise InputError(f"no function '{entry}'", accepted=", ".join(functions))
    return tuple(_function(functions, entry, 1))


@dataclass(frozen=True)
class _Around:
    """Where an op stands.

    Attributes:
        times: runs of it.
        tiles: tile rank → extent it covers over all generations.
    """

    times: int
    tiles: Mapping[str, int] = field(default_factory=dict)


def _function(functions: Mapping[str, ir.Operation], name: str, times: int) -> Iterator[Matmul]:
    for block in functions[name].regions[0].blocks:
        for op in block.operations:
            inner = op.operation
            if inner.name == "func.call":
                callee = ir.FlatSymbolRefAttr(inner.attributes["callee"]).value
                yield from _function(functions, callee, times)
            else:
                yield from _op(inner, functions[name], _Around(times))


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
        around = _Around(around.times * integer(op, "generations"), tiles)
    elif op.name != FUSED:
        return
    for inner in op.regions[0].blocks[0].operations:
        yield from _op(inner.operation, function, around)


def _matmul(view: EinsumView, function: ir.Operation, around: _Around) -> Matmul | None:
    """The Einsum as a product, None where it is none."""
    einsum = view.einsum
    if (einsum.map, einsum.reduce) != ("mul", "sum") or len(view.operands) != 2:
        return None
    ranks = [set(access.ranks) for access in einsum.accesses]
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
