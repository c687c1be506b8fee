"""Which tensors are proved positive: what may be divided by, and may stand in a running ratio."""

from __future__ import annotations

from ...ir.einsum import Access, Einsum, Literal, Operand
from ...ir.view import Cascade

POSITIVE, NONNEGATIVE, ANY = 2, 1, 0

_ALWAYS = {
    "exp": POSITIVE, "exp_sub": POSITIVE, "sigmoid": POSITIVE, "softplus": POSITIVE,
    "exp_sub_left": NONNEGATIVE, "square": NONNEGATIVE, "abs": NONNEGATIVE, "relu": NONNEGATIVE,
}  # fmt: skip
_KEEPS = ("id", "sqrt", "rsqrt", "recip", "to_float")
_BOTH = ("mul", "div", "min")


def positive(cascade: Cascade) -> frozenset[str]:
    """Tensors above zero at every point, whatever the finite inputs, and so over every part of a rank.

    It says nothing of underflow: ``exp`` of a large negative number is 0 in floating point.
    """
    signs: dict[str, int] = {}
    for einsum in cascade.all:
        name = einsum.output.tensor
        sign = _sign(einsum, signs)
        signs[name] = min(signs.get(name, POSITIVE), sign)
    return frozenset(name for name, sign in signs.items() if sign == POSITIVE)


def _sign(einsum: Einsum, signs: dict[str, int]) -> int:
    """The sign of an Einsum's value; every fold there is keeps it but a sum of nothing."""
    operands = [_of(operand, signs) for operand in einsum.operands]
    if any(len(index.terms) > 1 for access in einsum.accesses for index in access.index):
        return ANY  # at an expression a point may be absent, and an output with it
    if einsum.map in _ALWAYS:
        return _ALWAYS[einsum.map]
    if einsum.map in _KEEPS:
        return operands[0]
    if einsum.map in _BOTH:
        return min(operands)
    if einsum.map in ("add", "max"):
        bound = max(operands)
        return bound if einsum.map == "max" or min(operands) >= NONNEGATIVE else ANY
    if einsum.map == "where":
        return min(operands[1:])
    return ANY


def _of(operand: Operand, signs: dict[str, int]) -> int:
    if isinstance(operand, Access):
        return signs.get(operand.tensor, ANY)
    if isinstance(operand, Literal):
        return POSITIVE if operand.value > 0 else NONNEGATIVE if operand.value == 0 else ANY
    return NONNEGATIVE
