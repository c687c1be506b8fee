"""Map and reduce operators of `ir.operators` as vector code: a table from name to emitter."""

from __future__ import annotations

import math
from collections.abc import Callable

from ....ir.errors import PassError
from ....ir.operators import MAPS
from . import vecmath
from .lanes import BITS, FLOATS, Lanes, Vec, arithmetic

_Emit = Callable[..., Vec]


def _unary(operation: str) -> _Emit:
    return lambda v, x: v.make("u", operation, x)


def _negative(v: Lanes, x: Vec) -> Vec:
    if x.element in FLOATS:
        return v.make("neg", "arith.negf", x)
    return v.sub(v.constant(0, x.element), x)


def _absolute(v: Lanes, x: Vec) -> Vec:
    if x.element == "i1":
        return x
    return v.make("abs", "math.absf" if x.element in FLOATS else "math.absi", x)


def _relu(v: Lanes, x: Vec) -> Vec:
    return x if x.element == "i1" else v.raised(x, 0)


def _sign(v: Lanes, x: Vec) -> Vec:
    if x.element == "i1":
        return x
    zero, one = v.constant(0, x.element), v.constant(1, x.element)
    value = v.select(v.compare("gt", x, zero), one, zero)
    value = v.select(v.compare("lt", x, zero), v.constant(-1, x.element), value)
    return v.select(v.is_nan(x), x, value) if x.element in FLOATS else value


def _maximum(v: Lanes, a: Vec, b: Vec) -> Vec:
    if a.element == "i1":
        return v.add(a, b)
    return v.maximum(a, b) if a.element in FLOATS else v.make("max", "arith.maxsi", a, b)


def _minimum(v: Lanes, a: Vec, b: Vec) -> Vec:
    if a.element == "i1":
        return v.mul(a, b)
    return v.make("min", "arith.minimumf" if a.element in FLOATS else "arith.minsi", a, b)


def _div_left(v: Lanes, a: Vec, b: Vec) -> Vec:
    zero = v.constant(0.0, a.element)
    return v.select(v.compare("eq", a, zero), zero, v.div(a, b))


def _exp_sub_left(v: Lanes, a: Vec, b: Vec, exp: _Emit = vecmath.exp) -> Vec:
    absent = v.compare("eq", a, v.constant(-math.inf, a.element))
    return v.select(absent, v.constant(0.0, a.element), exp(v, v.sub(a, b)))


def _divisor(v: Lanes, b: Vec) -> tuple[Vec, Vec]:
    """A whole divisor without what may trap, in lanes beyond the tensor too, and where it was −1.

    Zero traps, and so does the least number divided by −1, which overflows; both become 1.
    """
    one = v.constant(1, b.element)
    minus = v.compare("eq", b, v.constant(-1, b.element))
    b = v.select(v.compare("eq", b, v.constant(0, b.element)), one, b)
    return v.select(minus, one, b), minus


def _floordiv(v: Lanes, a: Vec, b: Vec) -> Vec:
    if a.element in FLOATS:
        return v.make("floor", "math.floor", v.div(a, b))
    b, minus = _divisor(v, b)
    return v.select(minus, _negative(v, a), v.make("floordiv", "arith.floordivsi", a, b))


def _mod(v: Lanes, a: Vec, b: Vec) -> Vec:
    zero = v.constant(0, a.element)
    b = b if a.element in FLOATS else _divisor(v, b)[0]  # −1 leaves no rest, and neither does 1
    rest = v.make("rem", "arith.remf" if a.element in FLOATS else "arith.remsi", a, b)
    signs = v.make("signs", "arith.xori", v.compare("lt", rest, zero), v.compare("lt", b, zero), element="i1")
    wrong = v.mul(signs, v.compare("ne", rest, zero))
    return v.select(wrong, v.add(rest, b), rest)


def _leaky(v: Lanes, x: Vec, slope: Vec) -> Vec:
    return v.select(v.compare("ge", x, v.constant(0, x.element)), x, v.mul(x, slope))


def _power(v: Lanes, a: Vec, b: Vec) -> Vec:
    return v.make("pow", "math.powf", a, b)


def _recip(v: Lanes, x: Vec) -> Vec:
    return v.div(v.constant(1.0, x.element), x)


# Operands come in the output's element type.
_SAME: dict[str, _Emit] = {
    "id": lambda v, x: x,
    "to_float": lambda v, x: x,
    "neg": _negative,
    "abs": _absolute,
    "exp": vecmath.exp,
    "expm1": vecmath.expm1,
    "log": vecmath.log,
    "log1p": _unary("math.log1p"),
    "sqrt": _unary("math.sqrt"),
    "rsqrt": vecmath.rsqrt,
    "recip": _recip,
    "tanh": vecmath.tanh,
    "erf": vecmath.erf,
    "sigmoid": vecmath.sigmoid,
    "relu": _relu,
    "gelu": vecmath.gelu,
    "gelu_tanh": vecmath.gelu_tanh,
    "silu": vecmath.silu,
    "softplus": vecmath.softplus,
    "square": lambda v, x: v.mul(x, x),
    "sin": _unary("math.sin"),
    "cos": _unary("math.cos"),
    "floor": _unary("math.floor"),
    "ceil": _unary("math.ceil"),
    "round": _unary("math.roundeven"),
    "sign": _sign,
    "add": lambda v, a, b: v.add(a, b),
    "sub": lambda v, a, b: v.sub(a, b),
    "mul": lambda v, a, b: v.mul(a, b),
    "div": lambda v, a, b: v.div(a, b),
    "div_left": _div_left,
    "max": _maximum,
    "min": _minimum,
    "pow": _power,
    "exp_sub": lambda v, a, b: vecmath.exp(v, v.sub(a, b)),
    "exp_sub_left": _exp_sub_left,
    "floordiv": _floordiv,
    "mod": _mod,
    "leaky_relu": _leaky,
}
# Likewise, for results of which nothing but bf16 is made.
_COARSE: dict[str, _Emit] = {
    "exp": vecmath.exp_coarse,
    "exp_sub": lambda v, a, b: vecmath.exp_coarse(v, v.sub(a, b)),
    "exp_sub_left": lambda v, a, b: _exp_sub_left(v, a, b, vecmath.exp_coarse),
}
# Operands in the widest type among them; the result is i1.
_COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
# Operands as i1.
_LOGIC: dict[str, _Emit] = {
    "and": lambda v, a, b: v.mul(a, b),
    "or": lambda v, a, b: v.add(a, b),
    "not": lambda v, x: v.sub(x, v.constant(1, "i1")),
    "to_bool": lambda v, x: x,
}


def widest(elements: list[str]) -> str:
    """The element type a mixed comparison is made in."""
    elements = [arithmetic(element) for element in elements]
    for element in ("f64", "f32", "i64", "i32"):
        if element in elements:
            return element
    return "i1"


def emit_map(v: Lanes, name: str, operands: list[Vec], element: str, coarse: bool = False) -> Vec:
    """The map operator on vectors; the result has element type `element`.

    `coarse` leaves it the precision of bf16, where that saves something.

    Raises:
        PassError: the operator has no code.
    """
    if name == "where":
        condition, yes, no = operands
        return v.select(v.convert(condition, "i1"), v.convert(yes, element), v.convert(no, element))
    if name in _COMPARE:
        common = widest([operand.element for operand in operands])
        a, b = (v.convert(operand, common) for operand in operands)
        return v.convert(v.compare(name, a, b), element)
    if name in _LOGIC:
        return v.convert(_LOGIC[name](v, *(v.convert(operand, "i1") for operand in operands)), element)
    if name == "is_nan":
        value = v.convert(operands[0], arithmetic(operands[0].element))
        return v.convert(v.is_nan(value) if value.element in FLOATS else v.constant(0, "i1"), element)
    if name == "to_int":
        return v.convert(v.convert(operands[0], "i64"), element)
    if name not in _SAME:
        raise PassError(f"map operator '{name}' has no vector code", accepted=", ".join(MAPS))
    number = element if name == "id" else arithmetic(element)
    working = number if MAPS[name].kind != "float" or number in FLOATS else "f64"
    emit = _COARSE.get(name, _SAME[name]) if coarse else _SAME[name]
    value = emit(v, *(v.convert(operand, working) for operand in operands))
    return v.convert(value, element)


def literal_element(value: float, others: list[str], output: str) -> str:
    """Element type a literal is written in: that of its company when it is exact there."""
    common = widest(others) if others else arithmetic(output)
    if isinstance(value, bool):
        return common if others else "i1"
    if common in FLOATS or (common != "i1" and float(value).is_integer()):
        return common
    return "f32" if output not in FLOATS else output


def identity(v: Lanes, reduce: str, element: str) -> Vec:
    """The reduction's identity: what an output point nobody visits holds."""
    if reduce in ("max", "min") and element not in FLOATS:
        low = -(1 << (BITS[element] - 1)) if element != "i1" else 0
        high = (1 << (BITS[element] - 1)) - 1 if element != "i1" else 1
        return v.constant(low if reduce == "max" else high, element)
    values = {"sum": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf, "any": 0.0, "all": 1.0}
    return v.constant(values[reduce], element)


_FOLDS: dict[str, _Emit] = {
    "sum": lambda v, a, b: v.add(a, b),
    "prod": lambda v, a, b: v.mul(a, b),
    "max": _maximum,
    "min": _minimum,
    "any": lambda v, a, b: v.add(a, b),
    "all": lambda v, a, b: v.mul(a, b),
}


def fold(v: Lanes, reduce: str, a: Vec, b: Vec) -> Vec:
    """One step of the reduction."""
    return _FOLDS[reduce](v, a, b)


def fold_element(reduce: str, element: str) -> str:
    """Element type the reduction is carried in."""
    return "i1" if reduce in ("any", "all") else arithmetic(element)


def across(v: Lanes, reduce: str, value: Vec) -> Vec:
    """The reduction over the lanes of one vector, as a vector of one lane, by halving."""
    while v.count > 1:
        half = Lanes(v.writer, v.count // 2)
        low = v.shuffled(value, value, range(half.count))
        high = v.shuffled(value, value, range(half.count, v.count))
        value, v = fold(half, reduce, low, high), half
    return value
