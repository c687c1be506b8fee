"""Folds over ranks: sum, mean, extrema, variance, norms, any and all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ..body import Body
from ..tensor import Number, Tensor, distinct, size_of
from .formula import evaluate
from .table import form


def places(dims: Sequence[int] | int | None, count: int) -> tuple[int, ...]:
    """Dimensions counted from the front; all of them when none are named."""
    if dims is None or (not isinstance(dims, int) and not dims):
        return tuple(range(count))
    listed = [dims] if isinstance(dims, int) else list(dims)
    return tuple(sorted(dim % count for dim in listed)) if count else ()


def fold(
    body: Body, x: Tensor, dims: Sequence[int] | int | None, reduce: str, *, keepdim: bool = False,
    operator: str = "id", name: str | None = None,
) -> Tensor:  # fmt: skip
    """Fold dimensions of a tensor, optionally after a unary operator; kept ones have extent 1."""
    ranks = distinct(x.rank_names)
    gone = places(dims, len(x.shape))
    if not gone:
        return x if operator == "id" else body.map(operator, x)
    kept = [rank for place, rank in enumerate(ranks) if place not in gone]
    over = [ranks[place] for place in gone]
    kind = x.dtype if operator == "id" else None
    x = body.materialised(x)
    result = body.einsum(kept, operator, x.at(ranks), reduce=reduce, over=over, dtype=kind, name=name)
    if not keepdim:
        return result
    shape = [1 if place in gone else extent for place, extent in enumerate(x.shape)]
    units = ("u" if place in gone else rank for place, rank in enumerate(ranks))
    return body.reshape(result, shape, distinct(units))


def against(
    body: Body,
    operator: str,
    x: Tensor,
    folded: Tensor,
    dims: Sequence[int] | int | None,
    name: str | None = None,
) -> Tensor:
    """Every element combined with what its row folded to: ``XC[b,s,d] = sub(X[b,s,d], MU[b,s])``."""
    ranks = distinct(x.rank_names)
    gone = places(dims, len(x.shape))
    kept = [rank for place, rank in enumerate(ranks) if place not in gone]
    return body.einsum(ranks, operator, x.at(ranks), folded.at(kept), dtype=x.dtype, name=name)


def points(x: Tensor, dims: Sequence[int] | int | None) -> int:
    """How many elements fold into one."""
    return size_of(x.shape[place] for place in places(dims, len(x.shape)))


@form("aten.sum")
def total(
    body: Body, x: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False, *,
    dtype: torch.dtype | None = None,
) -> Tensor:  # fmt: skip
    """The sum."""
    return fold(body, body.cast(x, body.dtype), dims, "sum", keepdim=keepdim)


@form("aten.mean")
def mean(
    body: Body, x: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False, *,
    dtype: torch.dtype | None = None,
) -> Tensor:  # fmt: skip
    """The sum over the number of terms."""
    x = body.cast(x, body.dtype)
    return body.map("div", fold(body, x, dims, "sum", keepdim=keepdim, name="S"), float(points(x, dims)))


@form("aten.prod.default", "aten.prod.dim_int")
def product(
    body: Body, x: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """The product."""
    return fold(body, body.cast(x, body.dtype), dim, "prod", keepdim=keepdim)


@form("aten.amax.default", "aten.max.default")
def amax(body: Body, x: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The largest."""
    return fold(body, x, dims, "max", keepdim=keepdim)


@form("aten.amin.default", "aten.min.default")
def amin(body: Body, x: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The smallest."""
    return fold(body, x, dims, "min", keepdim=keepdim)


@form("aten.aminmax.default")
def aminmax(body: Body, x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest and the largest."""
    return fold(body, x, dim, "min", keepdim=keepdim), fold(body, x, dim, "max", keepdim=keepdim)


@form("aten.any")
def any_true(body: Body, x: Tensor, dims: Sequence[int] | int | None = None, keepdim: bool = False) -> Tensor:
    """Whether one is true."""
    return fold(body, body.cast(x, torch.bool), dims, "any", keepdim=keepdim)


@form("aten.all")
def all_true(body: Body, x: Tensor, dims: Sequence[int] | int | None = None, keepdim: bool = False) -> Tensor:
    """Whether all are true."""
    return fold(body, body.cast(x, torch.bool), dims, "all", keepdim=keepdim)


@form("aten.count_nonzero")
def count_nonzero(body: Body, x: Tensor, dims: Sequence[int] | int | None = None) -> Tensor:
    """How many are not zero."""
    return fold(body, body.cast(body.cast(x, torch.bool), torch.int64), dims, "sum")


def moments(
    body: Body, x: Tensor, dims: Sequence[int] | int | None, correction: Number, keepdim: bool
) -> tuple[Tensor, Tensor]:
    """Variance and mean over dimensions: the mean first, then the mean squared distance from it."""
    x = body.materialised(x)
    count = points(x, dims)
    center = body.map("div", fold(body, x, dims, "sum", name="S"), float(count), name="MU")
    away = against(body, "sub", x, center, dims, "XC")
    squares = fold(body, away, dims, "sum", operator="square", name="SQ")
    spread = body.map("div", squares, float(max(count - correction, 0)), name="VAR")
    if not keepdim:
        return spread, center
    gone = places(dims, len(x.shape))
    shape = [1 if place in gone else extent for place, extent in enumerate(x.shape)]
    return body.reshape(spread, shape), body.reshape(center, shape)


def _correction(unbiased: bool | None, correction: Number | None) -> Number:
    if correction is not None:
        return correction
    return 0 if unbiased is False else 1


@form("aten.var.correction", "aten.var.dim", "aten.var.default")
def variance(
    body: Body, x: Tensor, dims: Sequence[int] | bool | None = None, unbiased: bool | None = None,
    keepdim: bool = False, *, correction: Number | None = None,
) -> Tensor:  # fmt: skip
    """Mean squared distance from the mean."""
    if isinstance(dims, bool):  # aten.var.default(x, unbiased)
        dims, unbiased = None, dims
    return moments(body, x, dims, _correction(unbiased, correction), keepdim)[0]


@form("aten.std.correction", "aten.std.dim", "aten.std.default")
def deviation(
    body: Body, x: Tensor, dims: Sequence[int] | bool | None = None, unbiased: bool | None = None,
    keepdim: bool = False, *, correction: Number | None = None,
) -> Tensor:  # fmt: skip
    """Square root of the variance."""
    return body.map("sqrt", variance(body, x, dims, unbiased, keepdim, correction=correction))


@form("aten.var_mean.correction", "aten.var_mean.dim")
def variance_mean(
    body: Body, x: Tensor, dims: Sequence[int] | None = None, unbiased: bool | None = None,
    keepdim: bool = False, *, correction: Number | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean."""
    return moments(body, x, dims, _correction(unbiased, correction), keepdim)


@form("aten.std_mean.correction", "aten.std_mean.dim")
def deviation_mean(
    body: Body, x: Tensor, dims: Sequence[int] | None = None, unbiased: bool | None = None,
    keepdim: bool = False, *, correction: Number | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean."""
    spread, center = moments(body, x, dims, _correction(unbiased, correction), keepdim)
    return body.map("sqrt", spread), center


@form("aten.linalg_vector_norm.default")
def vector_norm(
    body: Body, x: Tensor, order: Number = 2, dims: Sequence[int] | None = None, keepdim: bool = False, *,
    dtype: torch.dtype | None = None,
) -> Tensor:  # fmt: skip
    """The p-norm over dimensions."""
    x = body.cast(x, body.dtype)
    if order == 2:
        return body.map("sqrt", fold(body, x, dims, "sum", keepdim=keepdim, operator="square"))
    if order in (1, math.inf, -math.inf):
        reduce = {1: "sum", math.inf: "max", -math.inf: "min"}[order]
        return fold(body, x, dims, reduce, keepdim=keepdim, operator="abs")
    if order == 0:
        return fold(body, body.cast(body.map("ne", x, 0.0), x.dtype), dims, "sum", keepdim=keepdim)
    powers = evaluate(body, "pow(abs(self), order)", {"self": x, "order": float(order)})
    sums = fold(body, powers, dims, "sum", keepdim=keepdim)
    return evaluate(body, "pow(self, order)", {"self": sums, "order": 1.0 / order})


@form("aten.norm.ScalarOpt_dim", "aten.norm.Scalar", "aten.norm.ScalarOpt_dim_dtype")
def norm(
    body: Body, x: Tensor, order: Number | None = 2, dims: Sequence[int] | None = None, keepdim: bool = False,
    **_: object,
) -> Tensor:  # fmt: skip
    """The p-norm, under its older name."""
    return vector_norm(body, x, 2 if order is None else order, dims, keepdim)
