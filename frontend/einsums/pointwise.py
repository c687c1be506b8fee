"""Arithmetic, comparison, logic and choice, point by point."""

from __future__ import annotations

import math

import torch

from ..body import Body, NoForm
from ..tensor import Number, Tensor, literal
from .formula import evaluate
from .table import form

_REST = "(sign(self) * (abs(self) % abs(other)))"
"""What is left of a division towards zero; an infinite divisor leaves everything."""

# Formula over the arguments of the ATen schema; a name without overload stands for all its overloads.
FORMULAS: dict[str, tuple[str, str]] = {
    "aten.abs": ("self", "abs(self)"),
    "aten.neg": ("self", "-self"),
    "aten.exp": ("self", "exp(self)"),
    "aten.exp2": ("self", "exp(self * 0.6931471805599453)"),
    "aten.expm1": ("self", "expm1(self)"),
    "aten.log": ("self", "log(self)"),
    "aten.log2": ("self", "log(self) * 1.4426950408889634"),
    "aten.log10": ("self", "log(self) * 0.4342944819032518"),
    "aten.log1p": ("self", "log1p(self)"),
    "aten.sqrt": ("self", "sqrt(self)"),
    "aten.rsqrt": ("self", "rsqrt(self)"),
    "aten.reciprocal": ("self", "recip(self)"),
    "aten.square": ("self", "square(self)"),
    "aten.sin": ("self", "sin(self)"),
    "aten.cos": ("self", "cos(self)"),
    "aten.tan": ("self", "sin(self) / cos(self)"),
    "aten.sinh": (
        "self",
        "where(abs(self) < 1, (expm1(self) - expm1(-self)) * 0.5,"
        " exp(0.5 * self) * (exp(0.5 * self) * 0.5) - exp(-0.5 * self) * (exp(-0.5 * self) * 0.5))",
    ),
    "aten.cosh": (
        "self", "exp(0.5 * self) * (exp(0.5 * self) * 0.5) + exp(-0.5 * self) * (exp(-0.5 * self) * 0.5)"
    ),
    "aten.tanh": ("self", "tanh(self)"),
    "aten.atanh": ("self", "(log1p(self) - log1p(-self)) * 0.5"),
    "aten.asinh": (  # squares beyond 1e8 add nothing, and overflow
        "self",
        "sign(self) * where(abs(self) < 1e8, log1p(abs(self) + square(self) / (1 + sqrt(square(self) + 1))),"
        " log(abs(self)) + 0.6931471805599453)",
    ),
    "aten.acosh": (
        "self",
        "where(self < 1, nan, where(self < 1e8, log1p((self - 1) + sqrt((self - 1) * (self + 1))),"
        " log(self) + 0.6931471805599453))",
    ),
    "aten.erf": ("self", "erf(self)"),
    "aten.sigmoid": ("self", "sigmoid(self)"),
    "aten.sign": ("self", "where(self > 0, 1, where(self < 0, -1, 0))"),  # of NaN, 0
    "aten.sgn": ("self", "where(self > 0, 1, where(self < 0, -1, 0))"),
    "aten.deg2rad": ("self", "self * 0.017453292519943295"),
    "aten.rad2deg": ("self", "self * 57.29577951308232"),
    "aten.positive": ("self", "id(self)"),
    "aten.add": ("self other alpha", "self + alpha * other"),
    "aten.sub": ("self other alpha", "self - alpha * other"),
    "aten.rsub": ("self other alpha", "other - alpha * self"),
    "aten.mul": ("self other", "self * other"),
    "aten.div.Tensor": ("self other", "self / other"),
    "aten.div.Scalar": ("self other", "self / other"),
    "aten.true_divide": ("self other", "self / other"),
    "aten.remainder": ("self other", "self % other"),
    "aten.fmod": ("self other", _REST),
    "aten.maximum": ("self other", "max(self, other)"),
    "aten.minimum": ("self other", "min(self, other)"),
    "aten.max.other": ("self other", "max(self, other)"),
    "aten.min.other": ("self other", "min(self, other)"),
    "aten.fmax": ("self other", "where(is_nan(self), other, where(is_nan(other), self, max(self, other)))"),
    "aten.fmin": ("self other", "where(is_nan(self), other, where(is_nan(other), self, min(self, other)))"),
    "aten.addcmul": ("self tensor1 tensor2 value", "self + value * (tensor1 * tensor2)"),
    "aten.addcdiv": ("self tensor1 tensor2 value", "self + value * (tensor1 / tensor2)"),
    "aten.lerp": (  # from the nearer end, so that both ends are met
        "self end weight",
        "where(abs(weight) < 0.5, self + weight * (end - self), end - (end - self) * (1 - weight))",
    ),
    "aten.hypot": (  # the larger one is taken out before squaring, so that nothing overflows
        "self other",
        "where(abs(self) == inf or abs(other) == inf, inf, where(self == 0 and other == 0, 0, max(abs(self),"
        " abs(other)) * sqrt(1 + square(min(abs(self), abs(other)) / max(abs(self), abs(other))))))",
    ),
    "aten.logaddexp": (  # equal ones may be infinite
        "self other",
        "where(self == other, self + 0.6931471805599453,"
        " max(self, other) + log1p(exp(min(self, other) - max(self, other))))",
    ),
    "aten.xlogy": ("self other", "where(is_nan(other), other, where(self == 0, 0, self * log(other)))"),
    "aten.heaviside": ("self values", "where(self == 0, values, where(self > 0, 1, 0))"),
    "aten.copysign": ("self other", "where(other < 0 or recip(other) < 0, -abs(self), abs(self))"),
    "aten.eq": ("self other", "self == other"),
    "aten.ne": ("self other", "self != other"),
    "aten.lt": ("self other", "self < other"),
    "aten.le": ("self other", "self <= other"),
    "aten.gt": ("self other", "self > other"),
    "aten.ge": ("self other", "self >= other"),
    "aten.logical_and": ("self other", "self and other"),
    "aten.logical_or": ("self other", "self or other"),
    "aten.logical_not": ("self", "not self"),
    "aten.where.self": ("condition self other", "where(condition, self, other)"),
    "aten.where.ScalarOther": ("condition self other", "where(condition, self, other)"),
    "aten.where.ScalarSelf": ("condition self other", "where(condition, self, other)"),
    "aten.where.Scalar": ("condition self other", "where(condition, self, other)"),
    "aten.masked_fill": ("self mask value", "where(mask, value, self)"),
}  # fmt: skip

# Only for floating-point numbers; integers are whole already.
_ROUNDING: dict[str, str] = {
    "aten.floor": "floor(self)",
    "aten.ceil": "ceil(self)",
    "aten.round.default": "round(self)",
    "aten.trunc": "where(self < 0, ceil(self), floor(self))",
    "aten.fix": "where(self < 0, ceil(self), floor(self))",
    "aten.frac": "self - where(self < 0, ceil(self), floor(self))",
}


def register(formulas: dict[str, tuple[str, str]], kind: str) -> None:
    """Enter formulas in the table of forms, under the module that lists them."""
    for op, (names, text) in formulas.items():
        _register(op, tuple(names.split()), text, kind)


def _register(op: str, names: tuple[str, ...], text: str, kind: str) -> None:
    @form(op)
    def formula(body: Body, *arguments: object, **options: object) -> Tensor:
        given = {**dict(zip(names, arguments, strict=False)), **options}
        for factor in ("alpha", "value"):  # only by name, and 1 unless given
            if factor in names:
                given.setdefault(factor, 1)
        return evaluate(body, text, given)

    formula.__module__ = kind


def _register_rounding() -> None:
    for op, text in _ROUNDING.items():

        @form(op)
        def rounding(body: Body, x: Tensor, text: str = text) -> Tensor:
            return evaluate(body, text, {"self": x}) if x.dtype.is_floating_point else x


# Truth values of floating-point numbers, and what they are of any other.
_CLASSES: dict[str, tuple[str, bool]] = {
    "aten.isnan": ("is_nan(self)", False),
    "aten.isinf": ("abs(self) == inf", False),
    "aten.isfinite": ("abs(self) < inf", True),
    "aten.isposinf": ("self == inf", False),
    "aten.isneginf": ("self == -inf", False),
}


def _register_classes() -> None:
    for op, (text, otherwise) in _CLASSES.items():

        @form(op)
        def kind(body: Body, x: Tensor, text: str = text, otherwise: bool = otherwise) -> Tensor:
            if not x.dtype.is_floating_point:
                return literal(otherwise, torch.bool, x.shape)
            return evaluate(body, text, {"self": x})


register(FORMULAS, __name__)
_register_rounding()
_register_classes()


@form("aten.signbit")
def signbit(body: Body, x: Tensor) -> Tensor:
    """Whether a number is negative; −0.0 is, as its reciprocal tells."""
    return evaluate(
        body, "self < 0 or recip(self) < 0" if x.dtype.is_floating_point else "self < 0", {"self": x}
    )


@form("aten.isclose")
def isclose(
    body: Body, x: Tensor, y: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Equal, or a finite distance apart that the tolerances allow."""
    text = "self == other or (abs(self - other) <= atol + rtol * abs(other) and abs(self - other) < inf)"
    if equal_nan and x.dtype.is_floating_point:
        text += " or (is_nan(self) and is_nan(other))"
    return evaluate(body, text, {"self": x, "other": y, "rtol": rtol, "atol": atol})


@form("aten.logical_xor")
def logical_xor(body: Body, x: Tensor, y: Tensor) -> Tensor:
    """True where exactly one is."""
    return body.map("ne", body.cast(x, torch.bool), body.cast(y, torch.bool))


_BITWISE = {"and": "self and other", "or": "self or other", "xor": "(not self) != (not other)"}


def _register_bitwise() -> None:
    for name, text in _BITWISE.items():

        @form(f"aten.bitwise_{name}", f"aten.__{name}__")
        def bitwise(body: Body, x: Tensor | Number, y: Tensor | Number, text: str = text) -> Tensor:
            if body.dtype != torch.bool:
                raise NoForm("bits of integers")
            return evaluate(body, text, {"self": x, "other": y})


_register_bitwise()


@form("aten.bitwise_not")
def bitwise_not(body: Body, x: Tensor) -> Tensor:
    """Negation of a truth value, -x - 1 of an integer."""
    return evaluate(body, "not self" if x.dtype == torch.bool else "-self - 1", {"self": x})


_SHIFTS = {"left": "self * factor", "right": "self // factor"}


def _register_shifts() -> None:
    for side, text in _SHIFTS.items():
        names = (f"aten.bitwise_{side}_shift.Tensor_Scalar", f"aten.__{side[0]}shift__.Scalar")

        @form(*names)
        def shift(body: Body, x: Tensor, bits: Number, text: str = text) -> Tensor:
            return evaluate(body, text, {"self": x, "factor": 2 ** int(bits)})


_register_shifts()


# Floating-point numbers are rounded down exactly, as Python does: 1 // 0.1 is 9, although 1 / 0.1 is 10.
_DIVISIONS: dict[str | None, tuple[str, str]] = {
    None: ("self / other", "self / other"),
    "floor": (
        "where(other == 0, self / other, round((self - REST) / other)"
        " - where(REST != 0 and (REST < 0) != (other < 0), 1, 0))".replace("REST", _REST),
        "self // other",
    ),
    "trunc": (
        "where(self / other < 0, ceil(self / other), floor(self / other))",
        "where((self < 0) != (other < 0), -(abs(self) // abs(other)), abs(self) // abs(other))",
    ),
}


@form("aten.div.Tensor_mode", "aten.div.Scalar_mode")
def div_mode(body: Body, x: Tensor, y: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """Division, rounded down or towards zero."""
    fractions, whole = _DIVISIONS[rounding_mode]
    return evaluate(body, fractions if body.dtype.is_floating_point else whole, {"self": x, "other": y})


@form("aten.floor_divide")
def floor_divide(body: Body, x: Tensor, y: Tensor | Number) -> Tensor:
    """Division rounded down."""
    return div_mode(body, x, y, rounding_mode="floor")


@form("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def power(body: Body, x: Tensor | Number, y: Tensor | Number) -> Tensor:
    """Powers; small whole exponents are products, halves are roots."""
    products: dict[Number, str] = {
        1: "id(self)",
        2: "square(self)",
        3: "square(self) * self",
        4: "square(square(self))",
    }
    roots: dict[Number, str] = {
        0.5: "sqrt(self)",
        -0.5: "rsqrt(self)",
        -1: "recip(self)",
        -2: "recip(square(self))",
    }
    text = "pow(self, other)"
    if not body.dtype.is_floating_point:
        return _whole_power(body, x, y)
    if not isinstance(y, Tensor):
        text = {**products, **roots}.get(y, text)
        if y == 0:
            return literal(1, body.dtype, body.shape)
    return evaluate(body, text, {"self": x, "other": y})


def _whole_power(body: Body, x: Tensor | Number, y: Tensor | Number) -> Tensor:
    """Powers of whole numbers by squaring, bit by bit of the exponent; they wrap around as products do.

    An exponent that is data is read up to 63; what lies beyond overflows for every base but −1, 0 and 1.
    """
    result: Tensor = literal(1, body.dtype, body.shape)
    base, rest = (each if isinstance(each, Tensor) else literal(each, body.dtype) for each in (x, y))
    for _ in range(6 if isinstance(y, Tensor) else int(y).bit_length()):
        step = {"result": result, "base": base, "rest": rest}
        result = evaluate(body, "where(rest % 2 == 1, result * base, result)", step)
        base, rest = evaluate(body, "base * base", step), evaluate(body, "rest // 2", step)
    if not isinstance(y, Tensor):
        return result
    text = "where(y >= 0, result, where(x == 1, 1, where(x == -1, 1 - 2 * (y % 2), 0)))"
    return evaluate(body, text, {"result": result, "x": x, "y": y})


@form("aten.clamp", "aten.clip", "aten.hardtanh", "aten.clamp_min")
def clamp(
    body: Body, x: Tensor, low: Tensor | Number | None = None, high: Tensor | Number | None = None
) -> Tensor:
    """Values held between two bounds, either of which may be missing."""
    text = "self"
    if low is not None:
        text = f"max({text}, low)"
    if high is not None:
        text = f"min({text}, high)"
    return evaluate(body, text, {"self": x, "low": low, "high": high})


@form("aten.clamp_max")
def clamp_max(body: Body, x: Tensor, high: Tensor | Number) -> Tensor:
    """Values held below a bound."""
    return evaluate(body, "min(self, high)", {"self": x, "high": high})


@form("aten.nan_to_num.default")
def nan_to_num(
    body: Body, x: Tensor, nan: Number | None = None, high: Number | None = None, low: Number | None = None
) -> Tensor:
    """NaN and infinities replaced by finite numbers."""
    if not x.dtype.is_floating_point:
        return x
    most = torch.finfo(x.dtype).max
    bounds = {
        "nan_value": 0.0 if nan is None else nan,
        "high": most if high is None else high,
        "low": -most if low is None else low,
    }
    text = "where(is_nan(self), nan_value, where(self == inf, high, where(self == -inf, low, self)))"
    return evaluate(body, text, {"self": x, **bounds})


@form("aten.logit.default")
def logit(body: Body, x: Tensor, epsilon: float | None = None) -> Tensor:
    """Log of the odds, of values held away from 0 and 1."""
    text = "log(self / (1 - self))"
    if epsilon is not None:
        text = text.replace("self", "min(max(self, low), high)")
    return evaluate(body, text, {"self": x, "low": epsilon, "high": 1 - (epsilon or 0)})


@form("aten.round.decimals")
def round_decimals(body: Body, x: Tensor, *, decimals: int = 0) -> Tensor:
    """Rounding to a number of decimals."""
    return evaluate(body, "round(self * scale) / scale", {"self": x, "scale": math.pow(10.0, decimals)})
