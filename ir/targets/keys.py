"""What the keys of a target file may hold: one kind per unit, each with a parser and the words of its error.

Units are part of the key names (``capacity_bytes``, ``clock_hz``), so a kind only has to say which
numbers make sense. A figure that no source gives is written ``"unpublished"`` and read as ``None``:
leaving a key out is an error, and 0 is never a stand-in for "unknown".
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

UNPUBLISHED = "unpublished"

OPERATOR_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "mac": "multiply-accumulate of a contraction, counted as two operations",
        "add": "addition, subtraction, rounding",
        "mul": "multiplication",
        "div": "division, square root, remainder",
        "exp": "transcendental functions",
        "max": "maximum, minimum, absolute value",
        "cmp": "comparison, selection, logic",
    }
)
"""The classes operations are counted in; ``move`` (copies, casts) costs no operation on any target."""


@dataclass(frozen=True)
class NumberType:
    """A number type of arithmetic units: its width and what it is."""

    bits: int
    meaning: str


DTYPES: Mapping[str, NumberType] = MappingProxyType(
    {
        "f64": NumberType(64, "IEEE binary64"),
        "f32": NumberType(32, "IEEE binary32"),
        "tf32": NumberType(19, "19-bit multiplies into binary32 sums"),
        "bf16": NumberType(16, "bfloat16"),
        "f16": NumberType(16, "IEEE binary16"),
        "f8": NumberType(8, "8-bit floats (E4M3, E5M2)"),
        "i64": NumberType(64, "64-bit integers"),
        "i32": NumberType(32, "32-bit integers"),
        "i8": NumberType(8, "8-bit integer weights or operands"),
        "i6": NumberType(6, "6-bit integer weights, 16-bit float activations (BitMoD)"),
        "bitmod4": NumberType(4, "BitMoD-FP4 weights, 16-bit float activations"),
        "bitmod3": NumberType(3, "BitMoD-FP3 weights, 16-bit float activations"),
    }
)
"""Number types of the arithmetic units, as target files name them."""

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_-]*")


class KeyProblem(Exception):
    """A value its key does not take (the loader turns it into a TargetError with file and key)."""


@dataclass(frozen=True)
class Kind:
    """One kind of value: ``accepted`` words for the error message and a parser raising KeyProblem."""

    accepted: str
    parse: Callable[[Any], Any]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise KeyProblem(f"is {value!r}, not a number")
    if not math.isfinite(value):
        raise KeyProblem(f"is {value!r}, not finite")
    if value < 0:
        raise KeyProblem(f"is negative ({value!r})")
    return float(value)


def _positive(value: Any) -> float:
    number = _number(value)
    if number == 0:
        raise KeyProblem("is zero")
    return number


def _whole(value: Any) -> int:
    number = _positive(value)
    if number != int(number):
        raise KeyProblem(f"is {value!r}, not a whole number")
    return int(value)


def _count(value: Any) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else _whole(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise KeyProblem(f"is {value!r}, not text")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME_PATTERN.fullmatch(value):
        raise KeyProblem(f"is {value!r}, not a name")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise KeyProblem(f"is {value!r}, not a list of counts")
    return tuple(_whole(extent) for extent in value)


def _table(value: Any) -> Mapping[str, Mapping[str, float]]:
    """``{class: {dtype: positive number}}`` with known classes and dtypes only."""
    if not isinstance(value, Mapping) or not value:
        raise KeyProblem(f"is {value!r}, not a table")
    rows: dict[str, Mapping[str, float]] = {}
    for operator, by_dtype in value.items():
        if operator not in OPERATOR_CLASSES:
            raise KeyProblem(f"has the unknown operator class {operator!r}")
        if not isinstance(by_dtype, Mapping) or not by_dtype:
            raise KeyProblem(f".{operator} is {by_dtype!r}, not a table of dtypes")
        unknown = [dtype for dtype in by_dtype if dtype not in DTYPES]
        if unknown:
            raise KeyProblem(f".{operator} has the unknown dtype {unknown[0]!r}")
        rows[operator] = MappingProxyType({dtype: _positive(rate) for dtype, rate in by_dtype.items()})
    return MappingProxyType(rows)


def one_of(*choices: str) -> Kind:
    """A kind that takes one of the given words."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise KeyProblem(f"is {value!r}")
        return str(value)

    return Kind("one of " + ", ".join(choices), parse)


def or_unpublished(kind: Kind) -> Kind:
    """The kind, or the word ``"unpublished"``, read as None."""
    return Kind(
        f'{kind.accepted}, or "{UNPUBLISHED}"',
        lambda value: None if value == UNPUBLISHED else kind.parse(value),
    )


_TABLE_WORDS = (
    f"{{class = {{dtype = positive number}}}} with classes {', '.join(OPERATOR_CLASSES)} "
    f"and dtypes {', '.join(DTYPES)}"
)
NAME = Kind("a lower-case name of letters, digits, - and _", _name)
TEXT = Kind("non-empty text", _text)
POSITIVE = Kind("a positive finite number", _positive)
NON_NEGATIVE = Kind("a finite number, zero or more", _number)
WHOLE = Kind("a positive whole number", _whole)
COUNT = Kind("a whole number, zero or more", _count)
SHAPE = Kind("a non-empty list of positive whole numbers", _shape)
TABLE = Kind(_TABLE_WORDS, _table)
BACKEND = one_of("cpu", "cuda", "verilog", "model")
DUPLEX = one_of("half", "full")
ARCHITECTURE = one_of("sm_80", "sm_90a", "sm_100a")
WEIGHTS = one_of("parallel", "serial")


def key(kind: Kind) -> Any:
    """A dataclass field read from the target file key of the same name."""
    return dataclasses.field(metadata={"kind": kind})


def records(entry: type) -> Any:
    """A dataclass field read from an array of tables, one ``entry`` per table."""
    return dataclasses.field(metadata={"entry": entry})
