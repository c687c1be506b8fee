"""Inlining: an entry and the layers it calls as one flat function.

A layer that is called twice is one function with one frame. In a memory map each run has tensors, copies and
places of its own, so the calls are replaced by the layer's steps; these keep the path of their layer.
"""

from __future__ import annotations

from ...ir.build import attributes, string
from ...ir.mlir import func, ir
from ...ir.steps import CALL, RETURN, body, callee, callees_first, functions, instance, is_entry, is_upstream

LAYER = "penstock.layer"
"""On a step that was inlined: the path of its layer."""


def layer(op: ir.Operation) -> str:
    """The path of the layer a step was inlined from, with a slash at its end; empty for others."""
    return f"{string(op, LAYER)}/" if LAYER in op.attributes else ""


def inline_layers(module: ir.Module) -> None:
    """Replace every call of a layer by its steps, and drop the layers; upstream functions stay calls.

    Raises:
        PassError: the module is not fused, or a function calls itself.
    """
    order = callees_first(module)
    table = functions(module)
    with module.context, ir.Location.unknown():
        for function in order:
            for op in list(body(function)):
                if op.name == CALL and not is_upstream(table[callee(op)]):
                    _inline(op, table[callee(op)])
    for function in order:
        if not is_entry(function):
            function.operation.erase()


def _inline(call: ir.Operation, function: func.FuncOp) -> None:
    known: dict[ir.Value, ir.Value] = dict(zip(function.arguments, call.operands, strict=True))
    path = layer(call) + instance(call)
    for op in body(function):
        operands = [known[value] for value in op.operands]
        if op.name == RETURN:
            for old, new in zip(call.results, operands, strict=True):
                old.replace_all_uses_with(new)
            break
        copy = op.clone(ip=ir.InsertionPoint(call)).operation
        for at, value in enumerate(operands):
            copy.operands[at] = value
        if op.name not in _UNNAMED:
            copy.attributes[LAYER] = attributes({LAYER: f"{path}/{layer(op)}".rstrip("/")})[LAYER]
        known.update(zip(op.results, copy.results, strict=True))
    call.erase()


_UNNAMED = frozenset({"tensor.expand_shape", "tensor.collapse_shape"})
