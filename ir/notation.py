"""Reads Einsum notation: one Einsum, or a whole cascade written as text.

Beside the canonical form (``QK[m,p] = sum[e] mul(Q[e,p], K[e,m])``) it takes the papers' shorthand:
infix ``* + - /`` or a bare tensor, where an omitted reduction means a sum over the ranks missing from the
output (FuseMax §II-C). ``add(...)`` implies nothing, and neither does a bare tensor read at an expression:
a rank neither written nor reduced then comes from outside, like the generational rank of an iteration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from .einsum import Access, Coord, Einsum, Index, Literal, Operand, check_form
from .errors import NotationError
from .operators import INFIX, MAPS, REDUCES

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_%][\w.%]*)|(?P<sign>[\[\]()=,@+\-*/]))"
)
_CONSTANTS: dict[str, float | bool] = {"inf": math.inf, "nan": math.nan, "true": True, "false": False}


def parse_einsum(text: str, symbols: Mapping[str, int] | None = None) -> Einsum:
    """Read one Einsum.

    Args:
        text: the notation.
        symbols: values of names that are shapes, not ranks (``M0`` in ``m1*M0+m0``).

    Raises:
        NotationError: with the text and the place.
    """
    reader = _Reader(text, symbols or {})
    einsum = reader.einsum()
    check_form(einsum)
    return einsum


class _Reader:
    """A recursive-descent reader over the tokens of one line."""

    def __init__(self, text: str, symbols: Mapping[str, int]) -> None:
        self.text = text
        self.symbols = symbols
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise NotationError(f"unexpected '{text[position]}' at column {position + 1}", where=text)
            kind = match.lastgroup or "sign"
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            position = match.end()
        self.at = 0

    def fail(self, wanted: str) -> NotationError:
        column = self.tokens[self.at][2] + 1 if self.at < len(self.tokens) else len(self.text) + 1
        return NotationError(f"{wanted} expected at column {column}", where=self.text)

    def peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place][1] if place < len(self.tokens) else ""

    def take(self, wanted: str | None = None) -> str:
        if self.at >= len(self.tokens) or (wanted is not None and self.peek() != wanted):
            raise self.fail(f"'{wanted}'" if wanted else "more text")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def name(self) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "name":
            raise self.fail("a name")
        return self.take()

    def einsum(self) -> Einsum:
        output = self.access()
        self.take("=")
        reduce, reduced = None, ()
        if self.peek() in REDUCES and self.peek(1) == "[":
            reduce = self.take()
            reduced = self.rank_list()
        operator, operands, infix = self.map()
        if self.at != len(self.tokens):
            raise self.fail("end of line")
        if reduce is None and infix:
            reduced = self._implicit(output, operands)
            reduce = "sum" if reduced else None
        return Einsum(output, operator, operands, reduce, reduced)

    @staticmethod
    def _implicit(output: Access, operands: tuple[Operand, ...]) -> tuple[str, ...]:
        seen = [rank for operand in operands if not isinstance(operand, Literal) for rank in operand.ranks]
        return tuple(dict.fromkeys(rank for rank in seen if rank not in output.ranks))

    def rank_list(self) -> tuple[str, ...]:
        self.take("[")
        ranks = [self.name()]
        while self.peek() == ",":
            self.take()
            ranks.append(self.name())
        self.take("]")
        return tuple(ranks)

    def map(self) -> tuple[str, tuple[Operand, ...], bool]:
        if self.peek(1) == "(" and self.tokens[self.at][0] == "name":
            operator = self.take()
            if operator not in MAPS:
                raise NotationError(
                    f"unknown map operator '{operator}'", where=self.text, accepted=", ".join(MAPS)
                )
            self.take("(")
            operands = [self.operand()]
            while self.peek() == ",":
                self.take()
                operands.append(self.operand())
            self.take(")")
            return operator, tuple(operands), False
        first = self.operand()
        if self.peek() in INFIX:
            return INFIX[self.take()], (first, self.operand()), True
        return "id", (first,), isinstance(first, Access) and None not in first.plain

    def operand(self) -> Operand:
        sign = self.peek()
        if sign == "@":
            self.take()
            if self.peek() == "(":
                self.take()
                index = self.index()
                self.take(")")
                return Coord(index)
            return Coord(Index.of(self.name()))
        negative = sign == "-"
        if negative:
            self.take()
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else ""
        if kind == "number":
            text = self.take()
            value = float(text) if re.search(r"[.eE]", text) else int(text)
            return Literal(-value if negative else value)
        if self.peek() in _CONSTANTS and self.peek(1) != "[":
            constant = _CONSTANTS[self.take()]
            return Literal(-constant if negative else constant)
        if negative:
            raise self.fail("a number")
        return self.access()

    def access(self) -> Access:
        tensor = self.name()
        if self.peek() != "[":
            return Access(tensor)
        self.take("[")
        if self.peek() == "]":
            self.take()
            return Access(tensor)
        index = [self.index()]
        while self.peek() == ",":
            self.take()
            index.append(self.index())
        self.take("]")
        return Access(tensor, tuple(index))

    def index(self) -> Index:
        terms: dict[str, int] = {}
        const = 0
        sign = 1
        if self.peek() == "-":
            self.take()
            sign = -1
        while True:
            rank, factor = self.term()
            if rank is None:
                const += sign * factor
            else:
                terms[rank] = terms.get(rank, 0) + sign * factor
            if self.peek() not in ("+", "-"):
                break
            sign = 1 if self.take() == "+" else -1
        return Index(tuple((rank, coeff) for rank, coeff in terms.items() if coeff), const)

    def term(self) -> tuple[str | None, int]:
        rank, factor = self.factor()
        while self.peek() == "*":
            self.take()
            other, times = self.factor()
            if rank is not None and other is not None:
                raise NotationError("index expressions are affine: no product of ranks", where=self.text)
            rank, factor = rank or other, factor * times
        return rank, factor

    def factor(self) -> tuple[str | None, int]:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "number":
            text = self.take()
            if not text.isdigit():
                raise NotationError(f"index constants are integers, not {text}", where=self.text)
            return None, int(text)
        name = self.name()
        return (None, self.symbols[name]) if name in self.symbols else (name, 1)
