"""Counts the work of every fused group of a module: operations by class, bytes, instances.

Operation counts come from the Einsums themselves (points visited × the operator's cost), bytes from the
tensors that cross the group's border: each input is read once, each output written once. Weights that a
kernel reads as codes count as these.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...ir.build import EinsumView, element_type, integer, string, strings
from ...ir.cascade import EINSUM, FUSED, ITERATE
from ...ir.dtypes import BY_MLIR, lookup
from ...ir.errors import InputError
from ...ir.linear import image_bytes, linear_group, packed_layer
from ...ir.mlir import func, ir
from ...ir.operators import MAPS
from ...ir.quantized import mark_of

NODES = "penstock.nodes"
_COMPUTED = {"bf16": "f32"}


@dataclass(frozen=True)
class GroupCount:
    """What one ``cascade.fused`` does in one run of it.

    Attributes:
        kernel: kind of the group, and the graph node its last output is.
        function: function that holds it.
        instances: times it runs in one run of the entry.
        einsums: notation, one line per Einsum; an iteration is a line ``iterate m1 until …``.
        operations: count by operator class; a multiply-accumulate counts two under ``mac``.
        bytes_read, bytes_written: bytes across the group's border.
        bytes_unfused: bytes moved if every Einsum read its operands from and wrote its result to memory.
        dtype: MLIR name of the first floating output's (else the first output's) element type; a bf16 one is
            worked out in f32.
        products: likewise of the operands of most of its multiply-accumulates; empty where it has none.
        passes_before, passes_after, over, rewrites, footprint_before, footprint_after, derivation: as found
            by analysis (FuseMax §III), copied from the op.
    """

    kernel: str
    function: str
    instances: int
    einsums: tuple[str, ...]
    operations: Mapping[str, int]
    bytes_read: int
    bytes_written: int
    bytes_unfused: int
    dtype: str
    passes_before: int
    passes_after: int
    over: str
    rewrites: tuple[str, ...] = ()
    footprint_before: str = ""
    footprint_after: str = ""
    derivation: tuple[str, ...] = field(default=(), repr=False)
    products: str = ""


def count_groups(module: ir.Module, entry: str) -> tuple[GroupCount, ...]:
    """Work of every group an entry runs, in program order, layer functions counted by their calls.

    Raises:
        InputError: no such entry function.
    """
    functions = {op.name.value: op for op in module.body.operations if isinstance(op, func.FuncOp)}
    if entry not in functions:
        raise InputError(f"no function '{entry}'", accepted=", ".join(functions))
    calls: Counter[str] = Counter()
    order: dict[str, None] = {}
    _count_calls(functions, entry, 1, calls, order)
    return tuple(
        _count(op, functions[name], calls[name])
        for name in order
        for op in _body(functions[name].operation)
        if op.name == FUSED
    )


def _body(function: ir.Operation) -> Iterator[ir.Operation]:
    for block in function.regions[0].blocks:
        for op in block.operations:
            yield op.operation


def _count_calls(
    functions: Mapping[str, func.FuncOp],
    name: str,
    times: int,
    calls: Counter[str],
    order: dict[str, None],
) -> None:
    calls[name] += times
    order.setdefault(name)
    for op in _body(functions[name].operation):
        if op.name == "func.call":
            _count_calls(functions, ir.FlatSymbolRefAttr(op.attributes["callee"]).value, times, calls, order)


def element_bytes(value: ir.Value) -> int:
    """Bytes of one element of a tensor value in memory."""
    return lookup(BY_MLIR, str(ir.RankedTensorType(value.type).element_type)).size


def tensor_bytes(value: ir.Value) -> int:
    """Bytes of a tensor value in memory."""
    return math.prod(ir.RankedTensorType(value.type).shape) * element_bytes(value)


def _count(op: ir.Operation, function: func.FuncOp, instances: int) -> GroupCount:
    operations: Counter[str] = Counter()
    lines: list[str] = []
    products: Counter[str] = Counter()
    moved = _count_block(op.regions[0].blocks[0], 1, {}, operations, products, lines)
    less = _packed_away(op, function)
    elements = [str(element_type(result)) for result in op.results]
    elements = [_COMPUTED.get(element, element) for element in elements]
    return GroupCount(
        kernel=_label(op),
        function=function.name.value,
        instances=instances,
        einsums=tuple(lines),
        operations=dict(operations),
        bytes_read=sum(tensor_bytes(value) for value in op.operands) - less,
        bytes_written=sum(tensor_bytes(value) for value in op.results),
        bytes_unfused=moved - less,
        dtype=next((name for name in elements if name.startswith("f")), elements[0]),
        passes_before=integer(op, "passes_before"),
        passes_after=integer(op, "passes_after"),
        over=string(op, "over"),
        rewrites=strings(op, "rewrites"),
        footprint_before=string(op, "footprint_before"),
        footprint_after=string(op, "footprint_after"),
        derivation=strings(op, "derivation"),
        products=max(products, key=lambda element: products[element], default=""),
    )


def _packed_away(op: ir.Operation, function: func.FuncOp) -> int:
    """Bytes that packed weights take less than their tensors.

    They are read as stored by a group that is a linear layer, and by a product with tokens that the pass
    ``precision`` rounded for it.
    """
    packed = linear_group(op, function)
    if packed is not None:
        return tensor_bytes(op.operands[packed.weight]) - packed.weight_bytes
    block, given = op.regions[0].blocks[0], list(function.arguments)
    outside = dict(zip(block.arguments, op.operands, strict=True))
    less = 0
    for inner in block.operations:
        view = EinsumView.of(inner.operation) if inner.operation.name == EINSUM else None
        if view is None or [str(element_type(value)) for value in view.operands].count("bf16") != 1:
            continue
        for place, value in enumerate(view.operands):
            owner = outside.get(value)
            mark = mark_of(function, given.index(owner)) if owner in given else None
            linear = packed_layer(view, place, mark)
            if mark is not None and linear is not None:
                less += tensor_bytes(value) - image_bytes(linear, mark)
    return less


def _label(op: ir.Operation) -> str:
    """Kind of the group, and the graph node it ends in: ``contract linear_4``."""
    nodes = strings(op, NODES) if NODES in op.attributes else ()
    return " ".join([string(op, "kernel"), *[node for node in nodes if node][-1:]])


def _count_block(
    block: ir.Block,
    times: int,
    tiles: Mapping[str, int],
    operations: Counter[str],
    products: Counter[str],
    lines: list[str],
) -> int:
    """Add a block's operations, and its products by their operands' type.

    `tiles` maps a tile rank to the extent it covers over all generations.
    """
    moved = 0
    for inner in block.operations:
        op = inner.operation
        if op.name == EINSUM:
            moved += _count_einsum(op, times, tiles, operations, products)
            lines.append(string(op, "expr"))
        elif op.name == ITERATE:
            lines.append(f"iterate {string(op, 'rank')} until {string(op, 'until')}:")
            inside = dict(tiles)
            if string(op, "split"):
                inside[string(op, "tile_rank")] = integer(op, "extent")
            body: list[str] = []
            generations = times * integer(op, "generations")
            moved += _count_block(op.regions[0].blocks[0], generations, inside, operations, products, body)
            lines += [f"  {line}" for line in body]
    return moved


def _count_einsum(
    op: ir.Operation,
    times: int,
    tiles: Mapping[str, int],
    operations: Counter[str],
    products: Counter[str],
) -> int:
    view = EinsumView.of(op)
    extents = view.extents()
    visited = _points(view.einsum.ranks, extents, tiles, times)
    if (view.einsum.map, view.einsum.reduce) == ("mul", "sum"):
        operations["mac"] += 2 * visited
        if view.operands:
            products[str(element_type(view.operands[0]))] += visited
    else:
        for kind, cost in MAPS[view.einsum.map].flops.items():
            operations[kind] += cost * visited
        if view.einsum.reduce is not None:
            operations["max" if view.einsum.reduce in ("max", "min") else "add"] += visited
    moved = _points(view.einsum.output.ranks, extents, tiles, times) * element_bytes(view.result)
    for access, value in zip(view.einsum.accesses, view.operands, strict=True):
        free = [rank for rank in access.ranks if rank in view.einsum.ranks]
        read = _points(free, extents, tiles, times) * element_bytes(value)
        # Overlapping windows of a convolution visit an element more often than they need to fetch it.
        moved += min(read, tensor_bytes(value) * times)
    return moved


def operations_of(op: ir.Operation) -> Mapping[str, int]:
    """Operations of one Einsum by class; a multiply-accumulate counts two under ``mac``."""
    operations: Counter[str] = Counter()
    _count_einsum(op, 1, {}, operations, Counter())
    return operations


def _points(ranks: Sequence[str], extents: Mapping[str, int], tiles: Mapping[str, int], times: int) -> int:
    """Points of a space over all generations: a tile rank covers its whole extent once."""
    points, repeats = 1, times
    for rank in ranks:
        if rank in tiles:
            points, repeats = points * tiles[rank], 1
        else:
            points *= extents[rank]
    return points * repeats
