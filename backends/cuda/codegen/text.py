"""CUDA C++ for the parts of Einsums: element types, index expressions, operators, literals."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from textwrap import wrap

from ....ir.einsum import Index, Literal
from ....ir.operators import MAPS

ELEMENTS = {
    "f64": "double",
    "f32": "float",
    "f16": "f16",
    "bf16": "bf16",
    "i64": "long long",
    "i32": "int",
    "i16": "short",
    "i8": "signed char",
    "ui8": "unsigned char",
    "i1": "bool",
}
"""MLIR's name of an element → its type in memory."""

VALUES = {**ELEMENTS, "f16": "float", "bf16": "float"}
"""MLIR's name of an element → the type it is computed in."""

_INFIX = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&&", "or": "||"}
_KEYWORDS = frozenset(
    [
        "and",
        "or",
        "not",
        "xor",
        "if",
        "for",
        "do",
        "int",
        "float",
        "double",
        "char",
        "short",
        "long",
        "bool",
        "auto",
        "new",
        "this",
        "case",
        "const",
        "switch",
        "while",
        "return",
        "struct",
        "class",
        "union",
        "enum",
        "using",
        "namespace",
        "template",
        "public",
        "private",
        "operator",
        "default",
        "delete",
        "goto",
        "signed",
        "unsigned",
        "void",
        "static",
        "inline",
        "extern",
        "try",
        "catch",
        "throw",
        "asm",
        "register",
        "volatile",
        "sizeof",
        "ein",
        "bf16",
        "f16",
        "threadIdx",
        "blockIdx",
        "blockDim",
        "gridDim",
        "warpSize",
        "true",
        "false",
        "nullptr",
        "exp",
        "log",
        "sin",
        "cos",
        "tan",
        "floor",
        "ceil",
    ]
)
_LINE = 100


def index_text(index: Index) -> str:
    """An affine index as C: ``h*64 + e + 16``."""
    parts: list[str] = []
    for rank, coeff in index.terms:
        term = rank if abs(coeff) == 1 else f"{rank} * {abs(coeff)}"
        parts.append(f"{'- ' if coeff < 0 else '+ ' if parts else ''}{term}")
    if index.const or not parts:
        sign = "- " if index.const < 0 else "+ " if parts else ""
        parts.append(f"{sign}{abs(index.const)}")
    return " ".join(parts)


def literal_text(literal: Literal, kind: str) -> str:
    """A constant of a computed type."""
    value = literal.value
    if isinstance(value, bool) or kind == "bool":
        return "true" if value else "false"
    return number_text(value, kind)


def number_text(value: float, kind: str) -> str:
    """A number of a computed type."""
    if kind not in ("float", "double"):
        if math.isinf(value):
            return "-9223372036854775807LL - 1" if value < 0 else "9223372036854775807LL"
        return f"{int(value)}LL" if kind == "long long" else str(int(value))
    if math.isnan(value):
        return "ein::nan()"
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}ein::infinity()"
    return f"{float(value)!r}{'f' if kind == 'float' else ''}"


def operator_text(name: str, operands: Sequence[tuple[str, str]], result: str) -> str:
    """A map operator on C expressions.

    Args:
        name: in `operators.MAPS`.
        operands: expressions, each with its computed type.
        result: computed type of the result.
    """
    texts = [text for text, _ in operands]
    if name in _INFIX:
        return f"({texts[0]} {_INFIX[name]} {texts[1]})"
    if name == "not":
        return f"!{texts[0]}"
    if name == "to_bool":
        return f"({texts[0]} != 0)"
    if name == "to_int":
        return f"static_cast<{result}>({texts[0]})"
    if name == "is_nan":
        return f"ein::is_nan({texts[0]})"
    first = 1 if name == "where" else 0
    cast = [
        text if number < first or kind == result else f"static_cast<{result}>({text})"
        for number, (text, kind) in enumerate(operands)
    ]
    if name in ("id", "to_float"):
        return cast[0]
    infix = {"add": "+", "sub": "-", "mul": "*"}.get(name)
    if infix and result != "bool":
        return f"{_closed(cast[0])} {infix} {_closed(cast[1])}"
    called = {"pow": "power"}.get(name, name)
    return f"ein::{called}({', '.join(cast)})"


def fold_text(name: str, total: str, text: str) -> str:
    """A statement that folds a value into a running one."""
    if name == "sum":
        return f"{total} += {text};"
    if name == "prod":
        return f"{total} *= {text};"
    if name in ("any", "all"):
        return f"{total} = {total} {'||' if name == 'any' else '&&'} {text};"
    return f"{total} = ein::{name}({total}, {text});"


def _closed(text: str) -> str:
    """An operand of an infix operator, in parentheses where it is an expression itself."""
    if re.fullmatch(r"[\w.]+|[\w:]+\([^()]*\)|-?[\d.e+-]+f?|\w+\[[^\]]*\]|widen\([^()]*\)", text):
        return text
    return f"({text})"


def is_costly(name: str) -> bool:
    """Whether an operator is worth being kept rather than done again."""
    return any(kind in MAPS[name].flops for kind in ("exp", "div"))


def comment(lines: Iterable[str]) -> list[str]:
    """Lines of a comment."""
    return [
        f"// {part}".rstrip()
        for line in lines
        for part in wrap(line, _LINE, subsequent_indent="    ") or [""]
    ]


class Names:
    """C identifiers, each given once.

    Args:
        taken: names that are not to be given.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*taken}

    def take(self, wanted: str) -> str:
        """A free identifier like the one wanted."""
        clean = re.sub(r"\W+", "_", wanted).strip("_") or "t"
        clean = f"t{clean}" if clean[0].isdigit() else clean
        name, number = clean, 1
        while name in self._taken or name in _KEYWORDS:
            number += 1
            name = f"{clean}_{number}"
        self._taken.add(name)
        return name
