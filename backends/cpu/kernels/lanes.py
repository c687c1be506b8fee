"""Vector values and the arithmetic on them: the alphabet that operators and elementary functions use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....ir.bfloat16 import encode
from .text import Writer, float_text, vector_type

BITS = {"f32": 32, "f64": 64, "bf16": 16, "i64": 64, "i32": 32, "i1": 1}
FLOATS = ("f32", "f64")
"""Element types that arithmetic is done in. A bf16 is only moved and converted: its bits, as i16."""

_CONVERTED = 8  # lanes: fewer have no instruction of their own in every encoding

SCALEF_LANES = 16
"""Lanes of f32 for which there is an instruction that scales by powers of two (AVX-512)."""

STORED = {"bf16": "i16", "i1": "i8"}
"""What is written to memory for an element type, where that is another type."""


def arithmetic(element: str) -> str:
    """The type in which values of an element type are computed with."""
    return "f32" if element == "bf16" else element


@dataclass(frozen=True)
class Vec:
    """A vector of `Lanes.count` elements: its SSA name and element type."""

    name: str
    element: str


class Lanes:
    """Writes operations on vectors of one length."""

    def __init__(self, writer: Writer, count: int) -> None:
        self.writer = writer
        self.count = count

    def kind(self, element: str) -> str:
        """Vector type of that element."""
        return vector_type(self.count, "i16" if element == "bf16" else element)

    def constant(self, value: float, element: str) -> Vec:
        """The same number in every lane."""
        if element == "bf16":
            text = str(encode(np.float32(value).reshape(1)).view(np.int16)[0])
        elif element in FLOATS:
            text = float_text(float(value), element)
        elif element == "i1":
            text = "true" if value else "false"
        else:
            text = str(int(value))
        name = self.writer.constant(f"dense<{text}> : {self.kind(element)}", f"k_{element}")
        return Vec(name, element)

    def make(self, hint: str, operation: str, *operands: Vec, element: str | None = None) -> Vec:
        """``operation %a, %b : vector type``; the element is the first operand's unless given."""
        own = operands[0].element
        names = ", ".join(operand.name for operand in operands)
        name = self.writer.op(hint, f"{operation} {names} : {self.kind(own)}")
        return Vec(name, element or own)

    def cast(self, operation: str, value: Vec, element: str) -> Vec:
        """``operation %a : from to to``."""
        text = f"{operation} {value.name} : {self.kind(value.element)} to {self.kind(element)}"
        return Vec(self.writer.op("cast", text), element)

    def add(self, a: Vec, b: Vec) -> Vec:
        """Sum (or, on i1)."""
        return self._arith("add", a, b, "arith.ori")

    def sub(self, a: Vec, b: Vec) -> Vec:
        """Difference (exclusive or, on i1)."""
        return self._arith("sub", a, b, "arith.xori")

    def mul(self, a: Vec, b: Vec) -> Vec:
        """Product (and, on i1)."""
        return self._arith("mul", a, b, "arith.andi")

    def _arith(self, name: str, a: Vec, b: Vec, on_bool: str) -> Vec:
        if a.element == "i1":
            return self.make(name, on_bool, a, b)
        return self.make(name, f"arith.{name}{'f' if a.element in FLOATS else 'i'}", a, b)

    def div(self, a: Vec, b: Vec) -> Vec:
        """Quotient of floats."""
        return self.make("div", "arith.divf", a, b)

    def fma(self, a: Vec, b: Vec, c: Vec) -> Vec:
        """a·b + c, rounded once."""
        return self.make("fma", "vector.fma", a, b, c)

    def compare(self, predicate: str, a: Vec, b: Vec) -> Vec:
        """``lt le gt ge eq ne`` (ordered; ne is true on NaN) as i1 lanes."""
        if a.element in FLOATS:
            code = "une" if predicate == "ne" else f"o{predicate}"
            return self.make("cmp", f"arith.cmpf {code},", a, b, element="i1")
        unsigned = "u" if a.element == "i1" else "s"
        code = predicate if predicate in ("eq", "ne") else unsigned + predicate
        return self.make("cmp", f"arith.cmpi {code},", a, b, element="i1")

    def is_nan(self, a: Vec) -> Vec:
        """Whether each lane is NaN."""
        return self.make("nan", "arith.cmpf uno,", a, a, element="i1")

    def select(self, condition: Vec, yes: Vec, no: Vec) -> Vec:
        """Per lane, `yes` where the i1 condition holds."""
        text = f"arith.select {condition.name}, {yes.name}, {no.name}"
        kinds = f"{self.kind('i1')}, {self.kind(yes.element)}"
        return Vec(self.writer.op("sel", f"{text} : {kinds}"), yes.element)

    def both(self, a: Vec | None, b: Vec | None) -> Vec | None:
        """Conjunction of masks; None is all lanes."""
        if a is None or b is None:
            return a or b
        return self.make("mask", "arith.andi", a, b)

    def raised(self, a: Vec, least: float) -> Vec:
        """max(least, a) that keeps a NaN in one instruction."""
        bound = self.constant(least, a.element)
        return self.select(self.compare("gt", bound, a), bound, a)

    def capped(self, a: Vec, most: float) -> Vec:
        """min(most, a) that keeps a NaN in one instruction."""
        bound = self.constant(most, a.element)
        return self.select(self.compare("lt", bound, a), bound, a)

    def maximum(self, a: Vec, b: Vec) -> Vec:
        """The larger of each pair of floats, a NaN kept; of zeros either."""
        larger = self.select(self.compare("gt", a, b), a, b)  # one instruction: b where either is a NaN
        return self.select(self.is_nan(a), a, larger)

    def scaled(self, a: Vec, power: Vec) -> Vec:
        """a·2^⌊power⌋ of `SCALEF_LANES` f32, denormals and infinities included."""
        kind = self.kind("f32")
        lanes, mode = self._every_lane()
        call = f'llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"({a.name}, {power.name}, {a.name}'
        text = f"{call}, {lanes}, {mode}) : ({kind}, {kind}, {kind}, i16, i32) -> {kind}"
        return Vec(self.writer.op("scaled", text), "f32")

    def above_whole(self, a: Vec) -> Vec:
        """a - ⌊a⌋ of `SCALEF_LANES` f32; of infinities 0."""
        kind = self.kind("f32")
        lanes, mode = self._every_lane()
        down = self.writer.constant("1 : i32", "down")
        call = f'llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.ps.512"({a.name}, {down}, {a.name}'
        text = f"{call}, {lanes}, {mode}) : ({kind}, i32, {kind}, i16, i32) -> {kind}"
        return Vec(self.writer.op("above", text), "f32")

    def _every_lane(self) -> tuple[str, str]:
        """What intrinsics with a mask are told besides: all lanes; rounding as set."""
        constant = self.writer.constant
        return constant("-1 : i16", "every"), constant("4 : i32", "as_set")

    def shuffled(self, a: Vec, b: Vec, places: Sequence[int]) -> Vec:
        """Elements of two vectors by place, those of the second counted on."""
        kind = self.kind(a.element)
        text = f"vector.shuffle {a.name}, {b.name} {list(places)} : {kind}, {kind}"
        return Vec(self.writer.op("shuffled", text), a.element)

    def horner(self, x: Vec, coefficients: tuple[float, ...]) -> Vec:
        """The polynomial with these coefficients, highest power first."""
        total = self.constant(coefficients[0], x.element)
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, self.constant(coefficient, x.element))
        return total

    def convert(self, value: Vec, element: str) -> Vec:
        """The value in another element type; floats to integers round toward zero, to i1 is ``!= 0``.

        To bf16 is by way of f32, to nearest with ties to even.
        """
        source = value.element
        if source == element:
            return value
        if source == "bf16":
            return self.convert(self._widened(value), element)
        if element == "bf16":
            return self._narrowed(self.convert(value, "f32"))
        if element == "i1":
            return self.compare("ne", value, self.constant(0, source))
        if element in FLOATS:
            if source in FLOATS:
                return self.cast("arith.extf" if element == "f64" else "arith.truncf", value, element)
            return self.cast("arith.uitofp" if source == "i1" else "arith.sitofp", value, element)
        if source in FLOATS:
            return self.cast("arith.fptosi", value, element)
        if source == "i1":
            return self.cast("arith.extui", value, element)
        return self.cast("arith.extsi" if BITS[source] < BITS[element] else "arith.trunci", value, element)

    def _widened(self, bits: Vec) -> Vec:
        """bf16 as f32: its bits are the upper half."""
        upper = self._half_word(Vec(self._as("arith.extui", bits.name, "i16", "i32"), "i32"), "arith.shli")
        return self.cast("arith.bitcast", upper, "f32")

    def _narrowed(self, x: Vec) -> Vec:
        """f32 rounded to bf16, a NaN kept.

        An instruction set that has the conversion takes denormals for zeros of their sign; without it they
        are rounded like other numbers.
        """
        if self.writer.converts_bf16 and self.count >= _CONVERTED:
            short = self._as("arith.truncf", x.name, "f32", "bf16")
            return Vec(self._as("vector.bitcast", short, "bf16", "i16"), "bf16")
        bits = self.cast("arith.bitcast", x, "i32")
        half = self._half_word(bits, "arith.shrui")
        odd = self.make("odd", "arith.andi", half, self.constant(1, "i32"))
        nearest = self._half_word(self.add(bits, self.add(odd, self.constant(0x7FFF, "i32"))), "arith.shrui")
        quiet = self.make("quiet", "arith.ori", half, self.constant(0x40, "i32"))
        chosen = self.select(self.is_nan(x), quiet, nearest)
        return Vec(self._as("arith.trunci", chosen.name, "i32", "i16"), "bf16")

    def _half_word(self, value: Vec, operation: str) -> Vec:
        """Half a word up or down."""
        return self.make("half", operation, value, self.constant(16, "i32"))

    def _as(self, operation: str, name: str, source: str, target: str) -> str:
        kinds = f"{vector_type(self.count, source)} to {vector_type(self.count, target)}"
        return self.writer.op("cast", f"{operation} {name} : {kinds}")
