"""Normalisations: mean, centred square, reciprocal root, then scale and shift."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..body import Body, NoForm
from ..tensor import Tensor, size_of
from .reduction import against, fold, points
from .table import form


def _root(body: Body, spread: Tensor, epsilon: float) -> Tensor:
    return body.map("rsqrt", body.map("add", spread, float(epsilon), name="VE"), name="R")


def centred(body: Body, x: Tensor, dims: Sequence[int], epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Values with mean 0 and variance 1 over dimensions; beside them the mean and the reciprocal root."""
    x = body.materialised(x)
    count = float(points(x, dims))
    mean = body.map("div", fold(body, x, dims, "sum", name="S"), count, name="MU")
    away = against(body, "sub", x, mean, dims, "XC")
    squares = fold(body, away, dims, "sum", operator="square", name="SQ")
    root = _root(body, body.map("div", squares, count, name="VAR"), epsilon)
    return against(body, "mul", away, root, dims, "XN"), mean, root


def affine_map(body: Body, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """x·weight + bias, either of which may be missing."""
    if weight is not None:
        x = body.map("mul", x, body.cast(weight, x.dtype), name="XW" if bias is not None else None)
    return x if bias is None else body.map("add", x, body.cast(bias, x.dtype))


def _last(x: Tensor, shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(range(len(x.shape) - len(shape), len(x.shape)))


@form("aten.layer_norm.default")
def layer_norm(
    body: Body, x: Tensor, shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    epsilon: float = 1e-5, cudnn: bool = False,
) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 over the last dimensions."""
    return affine_map(body, centred(body, x, _last(x, shape), epsilon)[0], weight, bias)


@form("aten.native_layer_norm.default")
def native_layer_norm(
    body: Body, x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Layer norm with the mean and the reciprocal root it used."""
    normal, mean, root = centred(body, x, _last(x, shape), epsilon)
    kept = (*x.shape[: len(x.shape) - len(shape)], *[1] * len(shape))
    return affine_map(body, normal, weight, bias), body.reshape(mean, kept), body.reshape(root, kept)


@form("aten.rms_norm.default")
def rms_norm(
    body: Body, x: Tensor, shape: Sequence[int], weight: Tensor | None = None, epsilon: float | None = None
) -> Tensor:
    """Root mean square 1 over the last dimensions."""
    dims = _last(x, shape)
    x = body.materialised(x)
    squares = fold(body, x, dims, "sum", operator="square", name="SQ")
    mean = body.map("div", squares, float(points(x, dims)), name="MS")
    tiny = torch.finfo(x.dtype).eps if epsilon is None else epsilon
    return affine_map(body, against(body, "mul", x, _root(body, mean, tiny), dims, "XN"), weight, None)


def _per_channel(body: Body, vector: Tensor | None, x: Tensor) -> Tensor | None:
    if vector is None:
        return None
    return body.reshape(vector, (x.shape[1], *[1] * (len(x.shape) - 2)))


@form("aten.group_norm.default")
def group_norm(
    body: Body, x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    epsilon: float = 1e-5, cudnn: bool = True,
) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 over each group of channels."""
    spatial = size_of(x.shape[2:])
    split = body.reshape(x, (x.shape[0], groups, x.shape[1] // groups, spatial), ("b", "g", "c", "x"))
    normal = body.reshape(centred(body, split, (2, 3), epsilon)[0], x.shape)
    return affine_map(body, normal, _per_channel(body, weight, x), _per_channel(body, bias, x))


@form("aten.batch_norm.default", "aten.cudnn_batch_norm.default")
def batch_norm(
    body: Body, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None,
    variance: Tensor | None, training: bool, momentum: float, epsilon: float, cudnn: bool = False,
) -> Tensor:  # fmt: skip
    """Per channel, with the running statistics of training."""
    if training or mean is None or variance is None:
        return _own_statistics(body, x, weight, bias, epsilon)
    root = _root(body, variance, epsilon)
    scale = root if weight is None else body.map("mul", root, weight, name="SC")
    moved = body.map("mul", mean, scale, name="MS")
    shift = body.map("neg", moved, name="SH") if bias is None else body.map("sub", bias, moved, name="SH")
    return affine_map(body, x, _per_channel(body, scale, x), _per_channel(body, shift, x))


def _own_statistics(
    body: Body, x: Tensor, weight: Tensor | None, bias: Tensor | None, epsilon: float
) -> Tensor:
    dims = [0, *range(2, len(x.shape))]
    normal = centred(body, x, dims, epsilon)[0]
    return affine_map(body, normal, _per_channel(body, weight, x), _per_channel(body, bias, x))


@form("aten._native_batch_norm_legit_no_training.default")
def native_batch_norm(
    body: Body, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor,
    momentum: float, epsilon: float,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Batch norm as PyTorch's decompositions write it; the statistics it also returns are not used."""
    return (batch_norm(body, x, weight, bias, mean, variance, False, momentum, epsilon),)


@form("aten.instance_norm.default")
def instance_norm(
    body: Body, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None,
    variance: Tensor | None, use_input_stats: bool, momentum: float, epsilon: float, cudnn: bool = False,
) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 over the spatial dimensions of each channel."""
    if not use_input_stats:
        return batch_norm(body, x, weight, bias, mean, variance, False, momentum, epsilon)
    normal = centred(body, x, range(2, len(x.shape)), epsilon)[0]
    return affine_map(body, normal, _per_channel(body, weight, x), _per_channel(body, bias, x))


@form("aten.cosine_similarity.default")
def cosine_similarity(body: Body, x: Tensor, y: Tensor, dim: int = 1, epsilon: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors."""
    if x.shape != y.shape:
        raise NoForm("vectors of unequal shape")
    dot = fold(body, body.map("mul", x, y), dim, "sum", name="XY")
    norms = [body.map("sqrt", fold(body, each, dim, "sum", operator="square")) for each in (x, y)]
    left, right = (body.map("max", each, float(epsilon)) for each in norms)
    return body.map("div", dot, body.map("mul", left, right))
