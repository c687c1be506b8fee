"""What a mask made of coordinates says: for every Einsum of an iteration its value at a point, as a formula.

A causal mask, a sliding window and their combinations compare affine expressions of ranks. Whatever way
they are written (``where``, ``masked_fill``, an additive ``triu`` of -inf), the values they choose between
are constants on one side, so that a tensor of scores is -inf exactly where a formula does not hold. Whole
numbers the kernel is given (the positions of a decoder's tokens) may stand in the expressions like ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ....ir.einsum import Access, Coord, Index, Literal
from .group import Step, Tensor


@dataclass(frozen=True)
class Atom:
    """The index expression is not positive."""

    index: Index


@dataclass(frozen=True)
class All:
    """Every part holds; of none: true."""

    parts: tuple[Formula, ...] = ()


@dataclass(frozen=True)
class Any:
    """Some part holds; of none: false."""

    parts: tuple[Formula, ...] = ()


Formula = Atom | All | Any


@dataclass(frozen=True)
class Read:
    """A whole number known when the kernel runs, under the name it has among the ranks of a formula."""

    step: Step
    access: Access
    tensor: Tensor


Reads = dict[str, Read]


@dataclass(frozen=True)
class Choice:
    """One of two values, each a number or (None) not known: `yes` where the condition holds."""

    condition: Formula
    yes: float | None
    no: float | None


Value = Index | Choice | None


def ranks_of(formula: Formula) -> set[str]:
    """Every rank it names."""
    if isinstance(formula, Atom):
        return set(formula.index.ranks)
    return {rank for part in formula.parts for rank in ranks_of(part)}


def negated(formula: Formula) -> Formula:
    """The formula's opposite, over integers."""
    if isinstance(formula, Atom):
        return Atom(_combined(formula.index, -1, Index((), 1)))
    parts = tuple(negated(part) for part in formula.parts)
    return Any(parts) if isinstance(formula, All) else All(parts)


def _combined(a: Index, scale: int, b: Index, other: int = 1) -> Index:
    """scale·a + other·b."""
    return Index((("a", scale), ("b", other))).substitute({"a": a, "b": b})


def _difference(a: Index, b: Index) -> Index:
    return _combined(a, 1, b, -1)


_COMPARISONS: dict[str, Callable[[Index, Index], Formula]] = {
    "le": lambda a, b: Atom(_difference(a, b)),
    "ge": lambda a, b: Atom(_difference(b, a)),
    "lt": lambda a, b: Atom(_combined(_difference(a, b), 1, Index((), 1))),
    "gt": lambda a, b: Atom(_combined(_difference(b, a), 1, Index((), 1))),
    "eq": lambda a, b: All((Atom(_difference(a, b)), Atom(_difference(b, a)))),
    "ne": lambda a, b: negated(All((Atom(_difference(a, b)), Atom(_difference(b, a))))),
}


def hidden(steps: Iterable[Step], reads: Reads) -> list[tuple[Step, Formula]]:
    """Einsums whose output is -inf wherever a formula does not hold, with the formula; `reads` is filled."""
    known: dict[Tensor, tuple[Step, Value]] = {}
    found: list[tuple[Step, Formula]] = []
    for step in steps:
        value = None if step.einsum.reduce else _value(step, known, reads)
        known[step.output] = step, value
        if isinstance(value, Choice):
            if value.no == -math.inf and value.yes != -math.inf:
                found.append((step, value.condition))
            elif value.yes == -math.inf and value.no != -math.inf:
                found.append((step, negated(value.condition)))
    return found


def _value(step: Step, known: dict[Tensor, tuple[Step, Value]], reads: Reads) -> Value:
    tensors = iter(step.inputs)
    operands: list[Value | float] = []
    for operand in step.einsum.operands:
        if isinstance(operand, Literal):
            operands.append(float(operand.value))
        elif isinstance(operand, Coord):
            operands.append(operand.index)
        else:
            tensor = next(tensors)
            if tensor in known:
                operands.append(_read(operand, known[tensor], reads))
            elif tensor.argument is not None and tensor.element in ("i32", "i64"):
                name = f"{tensor.name}[{','.join(map(str, operand.index))}]"
                reads[name] = Read(step, operand, tensor)
                operands.append(Index.of(name))
            else:
                operands.append(None)
    return _applied(step.einsum.map, operands)


def _read(access: Access, made: tuple[Step, Value], reads: Reads) -> Value:
    """A tensor's value in the ranks it is read at; None where that would move what the kernel is given."""
    step, value = made
    table = dict(zip(step.einsum.output.ranks, access.index, strict=True))
    named = set(value.ranks) if isinstance(value, Index) else ranks_of(value.condition) if value else set()
    inner = {rank for name in named & reads.keys() for rank in reads[name].access.ranks}
    if any(table.get(rank, Index.of(rank)).plain != rank for rank in inner):
        return None
    if isinstance(value, Index):
        return value.substitute(table)
    if isinstance(value, Choice):
        return Choice(_substituted(value.condition, table), value.yes, value.no)
    return None


def _substituted(formula: Formula, table: dict[str, Index]) -> Formula:
    if isinstance(formula, Atom):
        return Atom(formula.index.substitute(table))
    return type(formula)(tuple(_substituted(part, table) for part in formula.parts))


def _applied(operator: str, operands: list[Value | float]) -> Value:
    first = operands[0]
    if operator in ("id", "to_float", "to_int", "to_bool") and isinstance(first, Index | Choice):
        return first
    if operator in _COMPARISONS:
        return _compared(operator, *operands)
    if operator in ("and", "or", "not"):
        return _joined(operator, [_condition(operand) for operand in operands])
    if operator == "where":
        condition = _condition(first)
        sides = [side if isinstance(side, float) else None for side in operands[1:]]
        return Choice(condition, *sides) if condition is not None else None
    if operator in ("add", "sub"):
        return _summed(operator, *operands)
    return None


def _index(value: Value | float) -> Index | None:
    if isinstance(value, float) and value.is_integer():
        return Index((), int(value))
    return value if isinstance(value, Index) else None


def _condition(value: Value | float) -> Formula | None:
    if isinstance(value, Choice) and value.yes is not None and value.no is not None:
        yes, no = bool(value.yes), bool(value.no)
        if yes == no:
            return All() if yes else Any()
        return value.condition if yes else negated(value.condition)
    return None


def _compared(operator: str, a: Value | float, b: Value | float) -> Value:
    left, right = _index(a), _index(b)
    if left is not None and right is not None:
        return Choice(_COMPARISONS[operator](left, right), 1.0, 0.0)
    if isinstance(a, Choice) and operator in ("eq", "ne") and b == 0.0:
        condition = _condition(a)
        if condition is not None:
            return Choice(condition if operator == "ne" else negated(condition), 1.0, 0.0)
    return None


def _joined(operator: str, conditions: list[Formula | None]) -> Value:
    known = tuple(condition for condition in conditions if condition is not None)
    if len(known) < len(conditions):
        return None
    if operator == "not":
        return Choice(negated(known[0]), 1.0, 0.0)
    return Choice(All(known) if operator == "and" else Any(known), 1.0, 0.0)


def _summed(operator: str, a: Value | float, b: Value | float) -> Value:
    """Affine expressions add up; a choice of -inf is -inf whatever is added to it."""
    left, right = _index(a), _index(b)
    if left is not None and right is not None:
        return _combined(left, 1, right, 1 if operator == "add" else -1)
    if operator == "sub":
        return None
    for choice in (a, b):
        if isinstance(choice, Choice) and -math.inf in (choice.yes, choice.no):
            sides = (side if side == -math.inf else None for side in (choice.yes, choice.no))
            return Choice(choice.condition, *sides)
    return None
