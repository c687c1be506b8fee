"""Functions of a module while they are built: arguments join as they are met, the type comes at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..ir.cascade import EINSUM
from ..ir.mlir import ir

_PURE = frozenset((EINSUM, "tensor.expand_shape", "tensor.collapse_shape", "func.call"))


@dataclass
class Function:
    """A ``func.func`` and what its arguments carry."""

    op: ir.Operation
    block: ir.Block
    arguments: list[ir.Attribute] = field(default_factory=list)


def new_function(module: ir.Module, name: str, *, public: bool) -> Function:
    """An empty function at the end of the module."""
    attributes: dict[str, ir.Attribute] = {
        "sym_name": ir.StringAttr.get(name),
        "function_type": ir.TypeAttr.get(ir.FunctionType.get([], [])),
    }
    if not public:
        attributes["sym_visibility"] = ir.StringAttr.get("private")
    with ir.InsertionPoint(module.body):
        op = ir.Operation.create("func.func", [], [], attributes, regions=1, loc=ir.Location.unknown())
    return Function(op, op.regions[0].blocks.append())


def add_argument(function: Function, kind: ir.Type, attributes: Mapping[str, ir.Attribute]) -> ir.Value:
    """A further argument."""
    function.arguments.append(ir.DictAttr.get(dict(attributes)))
    return function.block.add_argument(kind, ir.Location.unknown())


def finish(
    function: Function, results: Sequence[ir.Value], attributes: Sequence[Mapping[str, ir.Attribute]] | None
) -> None:
    """End the function with a return and give it its type."""
    ir.Operation.create("func.return", [], list(results), loc=ir.Location.unknown())
    kinds = [argument.type for argument in function.block.arguments]
    signature = ir.FunctionType.get(kinds, [result.type for result in results])
    function.op.attributes["function_type"] = ir.TypeAttr.get(signature)
    if function.arguments:
        function.op.attributes["arg_attrs"] = ir.ArrayAttr.get(function.arguments)
    if attributes:
        listed = [ir.DictAttr.get(dict(each)) for each in attributes]
        function.op.attributes["res_attrs"] = ir.ArrayAttr.get(listed)


def remove_unused(function: Function) -> None:
    """Drop steps whose results nobody reads, last ones first."""
    for op in reversed(list(function.block.operations)):
        operation = op.operation
        if operation.name in _PURE and not any(list(result.uses) for result in operation.results):
            operation.erase()
