"""Operators to stream through, and how each reads what others make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class How(Enum):
    """How an operator reads an operand.

    TILED: a tile at a time, as it is made or loaded.
    GROWING: all that was made so far, such as the keys before a query; it is kept whole.
    WHOLE: all of it for every tile; made in the same section, it is complete before its reader starts.
    """

    TILED = "tiled"
    GROWING = "growing"
    WHOLE = "whole"


@dataclass(frozen=True)
class Use:
    """An operand: number of the tensor, and how it is read."""

    tensor: int
    how: How


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        name: of its result, for people.
        seconds: of all its operations on a single PCU.
        uses: operands, each tensor once.
        result: number of the tensor it makes.
    """

    name: str
    seconds: float
    uses: tuple[Use, ...]
    result: int


@dataclass(frozen=True)
class Graph:
    """Operators in an order that respects their operands.

    Attributes:
        name: of the function.
        operators: in order.
        names, bytes: of the tensors, by number.
        returned: numbers of the tensors that leave.
        length: extent of the rank that is streamed.
        operations: of all operators.
    """

    name: str
    operators: tuple[Operator, ...]
    names: tuple[str, ...]
    bytes: tuple[int, ...]
    returned: frozenset[int]
    length: int
    operations: float

    def makers(self) -> dict[int, int]:
        """Tensor → the operator that makes it."""
        return {operator.result: at for at, operator in enumerate(self.operators)}

    def users(self) -> dict[int, list[int]]:
        """Tensor → the operators that read it."""
        found: dict[int, list[int]] = {}
        for at, operator in enumerate(self.operators):
            for use in operator.uses:
                found.setdefault(use.tensor, []).append(at)
        return found
