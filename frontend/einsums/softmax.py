"""Softmax and its relatives, in the numerically stable form (FuseMax Eq. 22-25): max, exp, sum, divide."""

from __future__ import annotations

from ..body import Body
from ..tensor import Tensor, literal
from .formula import evaluate
from .reduction import against, fold
from .table import form


def stable(body: Body, x: Tensor, dim: int, suffix: str = "") -> Tensor:
    """Numerators over their sum. A row of −∞ gives NaN (``_left``: zeros, as attention wants)."""
    if not x.shape:
        return literal(1, x.dtype)
    x = body.materialised(x)
    largest = fold(body, x, dim, "max", name="GM")
    numerator = against(body, f"exp_sub{suffix}", x, largest, dim, "SN")
    return against(body, f"div{suffix}", numerator, fold(body, numerator, dim, "sum", name="SD"), dim)


@form("aten.softmax.int", "aten._softmax.default")
def softmax(body: Body, x: Tensor, dim: int, *_: object, **__: object) -> Tensor:
    """Positive weights that add up to one."""
    return stable(body, body.cast(x, body.dtype), dim)


@form("aten._safe_softmax.default")
def safe_softmax(body: Body, x: Tensor, dim: int, *_: object, **__: object) -> Tensor:
    """Softmax whose fully masked rows are zero."""
    return stable(body, body.cast(x, body.dtype), dim, "_left")


@form("aten.log_softmax.int", "aten._log_softmax.default")
def log_softmax(body: Body, x: Tensor, dim: int, *_: object, **__: object) -> Tensor:
    """Logarithm of softmax, without the division."""
    x = body.materialised(body.cast(x, body.dtype))
    largest = fold(body, x, dim, "max", name="GM")
    numerator = against(body, "exp_sub", x, largest, dim, "SN")
    denominator = fold(body, numerator, dim, "sum", name="SD")
    shifted = against(body, "sub", x, largest, dim, "SH")
    return against(body, "sub", shifted, body.map("log", denominator, name="LSD"), dim)


@form("aten.logsumexp.default")
def logsumexp(body: Body, x: Tensor, dims: list[int], keepdim: bool = False) -> Tensor:
    """Logarithm of a sum of exponentials."""
    x = body.materialised(body.cast(x, body.dtype))
    largest = fold(body, x, dims, "max", name="GM")
    finite = evaluate(body, "where(abs(self) == inf, 0, self)", {"self": largest})
    numerator = against(body, "exp_sub", x, finite, dims, "SN")
    denominator = fold(body, numerator, dims, "sum", name="SD")
    result = body.map("add", body.map("log", denominator, name="LSD"), finite)
    return body.reshape(result, body.shape)
