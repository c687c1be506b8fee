"""Distinct kernels: groups that compute the same thing on the same shapes share one.

Two groups are the same when their bodies, types, tiling and parameter operands are; names and notes differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...ir.build import string
from ...ir.cascade import EINSUM, walk
from ...ir.errors import PassError
from ...ir.linear import LinearGroup, linear_group
from ...ir.mlir import func, ir
from ...ir.steps import CALL, callee, callees_first, functions, is_upstream, root, steps
from .blocking import BLOCKING
from .isa import Isa
from .kernels import Kernel, emit_kernel
from .layouts import param_arguments
from .names import identifier
from .oblivious import lookup_kernel, lookups
from .packed.kernel import packed_kernel
from .put import is_put, put_kernel
from .upstream import compile_upstream

# What a kernel is generated from; other attributes of a group are names and findings.
_MATTERS = (
    *("expr", "rank", "generations", "split", "extent", "tile_rank", "tile", "until"),
    *("over", "rank_order", "parallel", "tiles", BLOCKING),
)

Place = tuple[str, int]
"""A step: function name and number of the step in it."""


@dataclass(frozen=True)
class Groups:
    """The kernels of a module.

    Attributes:
        kernels: the distinct ones, by symbol.
        used: which kernel each step runs; calls of layers have none.
        alone: symbols of kernels that one thread runs.
        einsums: per symbol the Einsums it computes, as notation.
    """

    kernels: Mapping[str, Kernel]
    used: Mapping[Place, str]
    alone: frozenset[str]
    einsums: Mapping[str, tuple[str, ...]]


def structure(op: ir.Operation, numbers: dict[ir.Value, int] | None = None) -> tuple[object, ...]:
    """What an op computes, as a value: equal exactly for ops that may share a kernel.

    Operands are numbered in order of appearance, so two groups that read the same tensor twice differ
    from two that read two.
    """
    known: dict[ir.Value, int] = {} if numbers is None else numbers
    operands = tuple((known.setdefault(value, len(known)), str(value.type)) for value in op.operands)
    attributes = tuple((name, str(op.attributes[name])) for name in _MATTERS if name in op.attributes)
    inner: list[object] = []
    for region in op.regions:
        for block in region.blocks:
            inner.append(tuple(known.setdefault(value, len(known)) for value in block.arguments))
            inner += [structure(each.operation, known) for each in block.operations]
    results = tuple((known.setdefault(value, len(known)), str(value.type)) for value in op.results)
    return op.name, operands, attributes, tuple(inner), results


def written_groups(module: ir.Module) -> Iterator[tuple[ir.Operation, tuple[bool, ...]]]:
    """The groups that kernels are written for, and per operand whether it is a parameter."""
    params = param_arguments(module)
    for function in callees_first(module):
        for op in steps(function):
            if op.name != CALL and linear_group(op, function) is None:
                yield op, _is_param(op, function, params[function.name.value])


def find_groups(module: ir.Module, isa: Isa) -> Groups:
    """Write the kernel of every distinct group of a placed module.

    Raises:
        PassError: a group or an upstream function cannot be compiled.
    """
    table = functions(module)
    params = param_arguments(module)
    symbols: dict[object, str] = {}
    kernels: dict[str, Kernel] = {}
    used: dict[Place, str] = {}
    alone: set[str] = set()
    einsums: dict[str, tuple[str, ...]] = {}
    asked = {name: number for number, name in enumerate(lookups(module))}
    for function in callees_first(module):
        name = function.name.value
        for number, op in enumerate(steps(function)):
            if op.name == CALL:
                if not is_upstream(table[callee(op)]):
                    continue
                key: object = callee(op)
            else:
                linear = linear_group(op, function)
                key = linear or (structure(op), _is_param(op, function, params[name]))
            if key not in symbols:
                kernel = _write(op, key, f"k{len(symbols)}_", table, asked, isa)
                symbols[key] = kernel.symbol
                kernels[kernel.symbol] = kernel
                einsums[kernel.symbol] = tuple(string(e, "expr") for e in walk(op) if e.name == EINSUM)
                if op.name == CALL and not is_put(table[callee(op)]):
                    alone.add(kernel.symbol)
            used[name, number] = symbols[key]
    return Groups(kernels, used, frozenset(alone), einsums)


def _is_param(op: ir.Operation, function: func.FuncOp, params: tuple[bool, ...]) -> tuple[bool, ...]:
    """Per operand, whether it is (a view of) a parameter."""
    arguments = {value: params[number] for number, value in enumerate(function.arguments)}
    return tuple(arguments.get(root(value), False) for value in op.operands)


def _write(
    op: ir.Operation,
    key: object,
    prefix: str,
    table: Mapping[str, func.FuncOp],
    asked: Mapping[str, int],
    isa: Isa,
) -> Kernel:
    if op.name == CALL:
        function, symbol = table[callee(op)], prefix + identifier(callee(op))
        if callee(op) in asked:
            return lookup_kernel(function, asked[callee(op)], symbol)
        return put_kernel(function, symbol) if is_put(function) else compile_upstream(function, symbol)
    label = string(op, "kernel")
    if isinstance(key, LinearGroup):
        return packed_kernel(key, len(op.operands), prefix + identifier(label))
    assert isinstance(key, tuple)
    kernel = emit_kernel(op, prefix + identifier(label), isa, key[1])
    if len(kernel.arguments) != len(op.operands) + len(op.results):
        raise PassError(f"its kernel takes {len(kernel.arguments)} tensors", where=label)
    return kernel
