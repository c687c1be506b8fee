"""Writes MLIR text: named values, loops, index arithmetic, constants gathered at the function's top."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Linear:
    """An index value: Σ coefficient·(SSA name) + constant."""

    terms: tuple[tuple[str, int], ...] = ()
    const: int = 0

    @staticmethod
    def of(name: str) -> Linear:
        """The value of one SSA name."""
        return Linear(((name, 1),))

    def __add__(self, other: Linear | int) -> Linear:
        if isinstance(other, int):
            return Linear(self.terms, self.const + other)
        total = dict(self.terms)
        for name, coeff in other.terms:
            total[name] = total.get(name, 0) + coeff
        return Linear(tuple((n, c) for n, c in total.items() if c), self.const + other.const)

    def __mul__(self, factor: int) -> Linear:
        if factor == 0:
            return Linear()
        return Linear(tuple((name, coeff * factor) for name, coeff in self.terms), self.const * factor)

    def __sub__(self, other: Linear) -> Linear:
        return self + other * -1


def vector_type(lanes: int, element: str) -> str:
    """``vector<16xf32>``."""
    return f"vector<{lanes}x{element}>"


def float_text(value: float, element: str) -> str:
    """A float attribute's text; infinities and NaN as bit patterns."""
    if math.isfinite(value):
        mantissa, mark, exponent = repr(value).partition("e")
        return (mantissa if "." in mantissa else f"{mantissa}.0") + mark + exponent
    code, width = ("<f", 8) if element == "f32" else ("<d", 16)
    number = int.from_bytes(struct.pack(code, value), "little")
    return f"0x{number:0{width}X}"


class Writer:
    """The body of one function, growing line by line; `reserved` names are left to arguments and buffers.

    `converts_bf16` says that the instruction set rounds to bf16 by itself.
    """

    def __init__(self, reserved: Iterable[str] = (), *, converts_bf16: bool = False) -> None:
        self._reserved = frozenset(reserved)
        self.converts_bf16 = converts_bf16
        self.lines: list[str] = []
        self.depth = 1
        self._constants: dict[str, str] = {}
        self._used: dict[str, int] = {}
        self._given: set[str] = set()
        self._known: list[dict[tuple[object, ...], str]] = [{}]

    def fresh(self, hint: str) -> str:
        """A new SSA name built on `hint`."""
        while True:
            count = self._used.get(hint, 0)
            self._used[hint] = count + 1
            name = hint if count == 0 else f"{hint}_{count}"
            if name not in self._reserved and name not in self._given:
                self._given.add(name)
                return f"%{name}"

    def line(self, text: str) -> None:
        """One line at the current depth."""
        self.lines.append("  " * self.depth + text)

    def comment(self, text: str) -> None:
        """A comment line."""
        self.line(f"// {text}")

    def op(self, hint: str, text: str) -> str:
        """``%hint = text``; gives the name. The same pure text in scope gives the same name."""
        name = self.fresh(hint)
        self.line(f"{name} = {text}")
        return name

    def pure(self, hint: str, text: str) -> str:
        """`op`, but an equal text already written in an enclosing scope is used again."""
        key = ("op", text)
        for scope in self._known:
            if key in scope:
                return scope[key]
        name = self.op(hint, text)
        self._known[-1][key] = name
        return name

    def constant(self, attribute: str, hint: str) -> str:
        """A constant at the top of the function, e.g. ``dense<0.5> : vector<16xf32>``."""
        if attribute not in self._constants:
            self._constants[attribute] = self.fresh(hint)
        return self._constants[attribute]

    def number(self, value: int) -> str:
        """An index constant."""
        return self.constant(f"{value} : index", f"c{value}" if value >= 0 else f"cm{-value}")

    def index(self, value: Linear, hint: str = "at") -> str:
        """The SSA name of an index expression, its arithmetic written out."""
        total: str | None = None
        for name, coeff in value.terms:
            part = name
            if coeff != 1:
                part = self.pure(hint, f"arith.muli {name}, {self.number(coeff)} : index")
            total = part if total is None else self.pure(hint, f"arith.addi {total}, {part} : index")
        if total is None:
            return self.number(value.const)
        if value.const:
            total = self.pure(hint, f"arith.addi {total}, {self.number(value.const)} : index")
        return total

    @contextmanager
    def scope(self, opening: str, closing: str = "}") -> Iterator[None]:
        """A region: the opening line, deeper lines, the closing line."""
        self.line(opening)
        self.depth += 1
        self._known.append({})
        yield
        self._known.pop()
        self.depth -= 1
        self.line(closing)

    @contextmanager
    def loop(self, hint: str, start: Linear, stop: Linear, step: int) -> Iterator[Linear]:
        """``scf.for``; a loop known to run once is written without the loop."""
        if not start.terms and not stop.terms and stop.const - start.const <= step:
            yield start
            return
        name = self.fresh(hint)
        bounds = f"{self.index(start)} to {self.index(stop)} step {self.number(step)}"
        with self.scope(f"scf.for {name} = {bounds} {{"):
            yield Linear.of(name)

    def fold(
        self,
        hint: str,
        extent: int,
        step: int,
        carried: Sequence[tuple[str, str]],
        body: Callable[[Linear, list[str]], list[str]],
    ) -> list[str]:
        """A loop from 0 to `extent` that carries ``(name, type)`` values; gives their last values."""
        names = [name for name, _ in carried]
        if extent <= step:
            return body(Linear(), names)
        if not carried:
            with self.loop(hint, Linear(), Linear((), extent), step) as place:
                body(place, [])
            return []
        iv, result = self.fresh(hint), self.fresh("acc")
        inner = [self.fresh("acc") for _ in carried]
        pairs = ", ".join(f"{a} = {b}" for a, b in zip(inner, names, strict=True))
        types = ", ".join(kind for _, kind in carried)
        head = f"scf.for {iv} = {self.number(0)} to {self.number(extent)} step {self.number(step)}"
        count = f":{len(carried)}" if len(carried) > 1 else ""
        with self.scope(f"{result}{count} = {head} iter_args({pairs}) -> ({types}) {{"):
            ends = body(Linear.of(iv), inner)
            self.line(f"scf.yield {', '.join(ends)} : {types}")
        return [f"{result}#{k}" for k in range(len(carried))] if len(carried) > 1 else [result]

    def constants(self) -> list[str]:
        """Definitions of the constants used."""
        return [f"  {name} = arith.constant {attribute}" for attribute, name in self._constants.items()]
