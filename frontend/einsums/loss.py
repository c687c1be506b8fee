"""Losses whose decomposition would store what one number of each row is read of."""

from __future__ import annotations

import torch

from .. import upstream
from ..body import Body, NoForm
from ..tensor import Tensor
from .formula import evaluate
from .reduction import against, fold
from .table import form

_NONE, _MEAN = 0, 1
"""PyTorch's numbers of reductions; 2 is the sum."""


@form("aten.cross_entropy_loss.default")
def cross_entropy(
    body: Body,
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: int = _MEAN,
    ignored: int = -100,
    smoothing: float = 0.0,
) -> Tensor:
    """log Σ exp(x − max) − (x[target] − max) of each row: the target's logit is read, log-softmax not stored.

    Raises:
        NoForm: classes are weighted, targets smoothed or probabilities.
    """
    if weight is not None or smoothing or target.dtype.is_floating_point:
        raise NoForm("weighted classes, smoothed targets or probabilities")
    dim = 1 if len(x.shape) > 1 else 0
    x = body.materialised(body.cast(x, body.dtype))
    seen = body.map("ne", target, ignored, dtype=torch.bool)
    safe = body.map("where", seen, target, 0, dtype=target.dtype)
    rest = iter(range(len(target.shape)))
    places: list[upstream.Place] = [
        upstream.At(safe, tuple(range(len(target.shape)))) if axis == dim else next(rest)
        for axis in range(len(x.shape))
    ]
    chosen = upstream.gather(body, x, places, target.shape)
    largest = fold(body, x, dim, "max", name="GM")
    total = fold(body, against(body, "exp_sub", x, largest, dim, "SN"), dim, "sum", name="SD")
    given = {"total": total, "chosen": chosen, "largest": largest, "seen": seen}
    loss = evaluate(body, "where(seen, log(total) - (chosen - largest), 0)", given)
    if reduction == _NONE:
        return loss
    summed = fold(body, loss, None, "sum", name="S")
    if reduction != _MEAN:
        return summed
    count = fold(body, body.cast(seen, torch.int64), None, "sum", name="N")
    return body.map("div", summed, body.cast(count, body.dtype))
