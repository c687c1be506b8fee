"""Pointwise ops written as formulas over their ATen arguments: ``self * min(max(self + 3, 0), 6) / 6``.

The operators are those of `ir.operators`; every operator becomes one Einsum over the broadcast shape.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from functools import cache

import torch

from ..body import Body, NoForm
from ..tensor import Number, Tensor, typed

_BINARY: dict[type, str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.Mod: "mod",
    ast.FloorDiv: "floordiv", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq",
    ast.NotEq: "ne", ast.And: "and", ast.Or: "or",
}  # fmt: skip
_CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi}
_LOGICAL = ("and", "or", "not")

Operand = Tensor | Number


@cache
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def evaluate(body: Body, text: str, arguments: Mapping[str, object]) -> Tensor:
    """The formula's value as a tensor of the node's element type.

    Args:
        body: where the Einsums go; its `dtype` is that of the result.
        text: the formula.
        arguments: by name; tensors and numbers.
    """
    tensors = [value for value in arguments.values() if isinstance(value, Tensor)]
    compute = body.dtype if body.dtype != torch.bool else _promoted(tensors, arguments)
    result = _Reader(body, arguments, compute).value(_parsed(text))
    if not isinstance(result, Tensor):
        raise NoForm(f"'{text}' is a constant")
    return body.cast(result, body.dtype)


def _promoted(tensors: list[Tensor], arguments: Mapping[str, object]) -> torch.dtype:
    kind = _example(tensors[0])
    for tensor in tensors[1:]:
        other = _example(tensor)
        shape = (1,) if kind.dim() or other.dim() else ()
        kind = torch.empty(shape, dtype=torch.result_type(kind, other), device="meta")
    for value in arguments.values():
        if isinstance(value, int | float):
            kind = torch.empty(kind.shape, dtype=torch.result_type(kind, value), device="meta")
    return kind.dtype


def _example(tensor: Tensor) -> torch.Tensor:
    return torch.empty((1,) * min(len(tensor.shape), 1), dtype=tensor.dtype, device="meta")


class _Reader:
    """Evaluates the syntax tree of a formula."""

    def __init__(self, body: Body, arguments: Mapping[str, object], compute: torch.dtype) -> None:
        self.body = body
        self.arguments = arguments
        self.compute = compute

    def value(self, tree: ast.expr) -> Operand:
        match tree:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name):
                return self.named(name)
            case ast.BinOp(left=left, op=op, right=right):
                return self.apply(_BINARY[type(op)], [left, right])
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self.apply(_BINARY[type(op)], [left, right])
            case ast.BoolOp(op=op, values=[left, right]):
                return self.apply(_BINARY[type(op)], [left, right])
            case ast.BoolOp(op=op, values=[*before, last]):
                return self.apply(_BINARY[type(op)], [ast.BoolOp(op, before), last])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.apply("neg", [operand])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.apply("not", [operand])
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.apply(name, args)
        raise ValueError(f"not a formula: {ast.unparse(tree)}")

    def named(self, name: str) -> Operand:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        value = self.arguments[name]
        if isinstance(value, Tensor | int | float):
            return value
        raise NoForm(f"argument {name} is {value}")

    def apply(self, operator: str, trees: list[ast.expr]) -> Operand:
        operands = [self.value(tree) for tree in trees]
        if not any(isinstance(operand, Tensor) for operand in operands):
            return _constant(operator, operands)  # pyright: ignore[reportArgumentType]
        if operator == "mul" and 1 in [operand for operand in operands if not isinstance(operand, Tensor)]:
            return next(operand for operand in operands if isinstance(operand, Tensor))
        ready = [
            self.operand(operand, self.compute if not _logical(operator, place) else torch.bool)
            for place, operand in enumerate(operands)
        ]
        return self.body.map(operator, *ready, dtype=_result(operator, self.compute))

    def operand(self, operand: Operand, dtype: torch.dtype) -> Operand:
        return self.body.cast(operand, dtype) if isinstance(operand, Tensor) else typed(operand, dtype)


def _logical(operator: str, place: int) -> bool:
    return operator in _LOGICAL or (operator == "where" and place == 0)


def _result(operator: str, compute: torch.dtype) -> torch.dtype | None:
    from ...ir.operators import MAPS

    return None if MAPS[operator].kind == "bool" else compute


def _constant(operator: str, operands: list[Number]) -> Number:
    from ...ir.operators import MAPS

    return MAPS[operator].evaluate(*operands).item()
