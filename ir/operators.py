"""The operators an Einsum may carry: map operators (values at one point) and reduce operators (folds).

Map and reduce are the two actions of an extended Einsum (FuseMax §II-C). ``exp_sub`` is the paper's
sub-then-exp; the ``_left`` forms merge with EDGE's left-present rule: where the left operand holds its
empty value (−∞ under exp_sub, 0 under div) the point is absent and the result is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class MapOperator:
    """A pointwise operator.

    Attributes:
        name: as written in the notation.
        arity: number of operands.
        evaluate: NumPy reference on broadcast arrays.
        flops: operations charged per point, by class ``add mul div exp max cmp move``.
        kind: ``float`` (float in, float out), ``bool`` (result is i1) or ``same`` (type of the operands).
    """

    name: str
    arity: int
    evaluate: Callable[..., Array]
    flops: dict[str, int]
    kind: str = "float"


@dataclass(frozen=True)
class ReduceOperator:
    """A fold over ranks with its identity, the value of an output point nobody visits (``empty``)."""

    name: str
    identity: float
    fold: Callable[..., Array]
    pairwise: Callable[[Array, Array], Array]


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[np.float64])(x) if np.size(x) else np.asarray(x, np.float64)


def _sigmoid(x: Array) -> Array:
    # Both branches are finite: exp of a non-positive number only.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def _exp_sub_left(a: Array, b: Array) -> Array:
    absent = np.isneginf(a)
    return np.where(absent, 0.0, np.exp(np.where(absent, 0.0, a) - np.where(absent, 0.0, b)))


def _div_left(a: Array, b: Array) -> Array:
    absent = a == 0
    return np.where(absent, 0.0, a / np.where(absent, 1.0, b))


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _leaky(x: Array, slope: Array) -> Array:
    return np.where(x >= 0, x, x * slope)


def _identity(x: Array) -> Array:
    return np.asarray(x)


_ONE_ADD = {"add": 1}
_ONE_MUL = {"mul": 1}
_ONE_DIV = {"div": 1}
_ONE_EXP = {"exp": 1}
_ONE_CMP = {"cmp": 1}
_ONE_MAX = {"max": 1}
_FREE: dict[str, int] = {"move": 1}

_MAPS: tuple[MapOperator, ...] = (
    MapOperator("id", 1, _identity, _FREE, "same"),
    MapOperator("neg", 1, np.negative, _ONE_ADD, "same"),
    MapOperator("abs", 1, np.abs, _ONE_MAX, "same"),
    MapOperator("exp", 1, np.exp, _ONE_EXP),
    MapOperator("expm1", 1, np.expm1, {"exp": 1, "add": 1}),
    MapOperator("log", 1, np.log, _ONE_EXP),
    MapOperator("log1p", 1, np.log1p, {"exp": 1, "add": 1}),
    MapOperator("sqrt", 1, np.sqrt, _ONE_DIV),
    MapOperator("rsqrt", 1, lambda x: 1.0 / np.sqrt(x), {"div": 2}),
    MapOperator("recip", 1, lambda x: 1.0 / np.asarray(x, np.float64), _ONE_DIV),
    MapOperator("tanh", 1, np.tanh, {"exp": 1, "div": 1, "add": 2}),
    MapOperator("erf", 1, _erf, {"exp": 1, "mul": 6, "add": 6}),
    MapOperator("sigmoid", 1, _sigmoid, {"exp": 1, "div": 1, "add": 1}),
    MapOperator("relu", 1, lambda x: np.maximum(x, 0), _ONE_MAX, "same"),
    MapOperator(
        "gelu", 1, lambda x: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))), {"exp": 1, "mul": 9, "add": 7}
    ),
    MapOperator("gelu_tanh", 1, _gelu_tanh, {"exp": 1, "div": 1, "mul": 6, "add": 4}),
    MapOperator("silu", 1, lambda x: x * _sigmoid(x), {"exp": 1, "div": 1, "add": 1, "mul": 1}),
    MapOperator("softplus", 1, _softplus, {"exp": 2, "add": 2}),
    MapOperator("square", 1, np.square, _ONE_MUL, "same"),
    MapOperator("sin", 1, np.sin, _ONE_EXP),
    MapOperator("cos", 1, np.cos, _ONE_EXP),
    MapOperator("floor", 1, np.floor, _ONE_ADD),
    MapOperator("ceil", 1, np.ceil, _ONE_ADD),
    MapOperator("round", 1, np.round, _ONE_ADD),
    MapOperator("sign", 1, np.sign, _ONE_CMP, "same"),
    MapOperator("not", 1, np.logical_not, _ONE_CMP, "bool"),
    MapOperator("is_nan", 1, np.isnan, _ONE_CMP, "bool"),
    MapOperator("to_float", 1, lambda x: np.asarray(x, np.float64), _FREE),
    MapOperator("to_int", 1, lambda x: np.asarray(np.trunc(x), np.int64), _FREE, "int"),
    MapOperator("to_bool", 1, lambda x: np.asarray(x) != 0, _FREE, "bool"),
    MapOperator("add", 2, np.add, _ONE_ADD, "same"),
    MapOperator("sub", 2, np.subtract, _ONE_ADD, "same"),
    MapOperator("mul", 2, np.multiply, _ONE_MUL, "same"),
    MapOperator("div", 2, np.divide, _ONE_DIV),
    MapOperator("div_left", 2, _div_left, {"div": 1, "cmp": 1}),
    MapOperator("max", 2, np.maximum, _ONE_MAX, "same"),
    MapOperator("min", 2, np.minimum, _ONE_MAX, "same"),
    MapOperator("pow", 2, np.power, {"exp": 2, "mul": 1}),
    MapOperator("exp_sub", 2, lambda a, b: np.exp(a - b), {"add": 1, "exp": 1}),
    MapOperator("exp_sub_left", 2, _exp_sub_left, {"add": 1, "exp": 1, "cmp": 1}),
    MapOperator("floordiv", 2, np.floor_divide, _ONE_DIV, "same"),
    MapOperator("mod", 2, np.mod, _ONE_DIV, "same"),
    MapOperator("leaky_relu", 2, _leaky, {"mul": 1, "cmp": 1}),
    MapOperator("eq", 2, np.equal, _ONE_CMP, "bool"),
    MapOperator("ne", 2, np.not_equal, _ONE_CMP, "bool"),
    MapOperator("lt", 2, np.less, _ONE_CMP, "bool"),
    MapOperator("le", 2, np.less_equal, _ONE_CMP, "bool"),
    MapOperator("gt", 2, np.greater, _ONE_CMP, "bool"),
    MapOperator("ge", 2, np.greater_equal, _ONE_CMP, "bool"),
    MapOperator("and", 2, np.logical_and, _ONE_CMP, "bool"),
    MapOperator("or", 2, np.logical_or, _ONE_CMP, "bool"),
    MapOperator("where", 3, np.where, _ONE_CMP, "same"),
)

_REDUCES: tuple[ReduceOperator, ...] = (
    ReduceOperator("sum", 0.0, np.sum, np.add),
    ReduceOperator("prod", 1.0, np.prod, np.multiply),
    ReduceOperator("max", -math.inf, np.max, np.maximum),
    ReduceOperator("min", math.inf, np.min, np.minimum),
    ReduceOperator("any", 0.0, np.any, np.logical_or),
    ReduceOperator("all", 1.0, np.all, np.logical_and),
)

MAPS: dict[str, MapOperator] = {op.name: op for op in _MAPS}
REDUCES: dict[str, ReduceOperator] = {op.name: op for op in _REDUCES}
INFIX: dict[str, str] = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
