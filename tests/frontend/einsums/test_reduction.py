"""Folds, softmax, norms and order give what PyTorch gives, in float64."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ..raised import assert_same, integers, notation, tensors, upstream_functions

FOLDS = ["sum", "mean", "amax", "amin", "var", "std", "logsumexp"]


@pytest.mark.parametrize("name", FOLDS)
def test_fold(name: str) -> None:
    fold = getattr(torch, name)
    assert_same(
        lambda x: (fold(x, dim=1), fold(x, dim=-1, keepdim=True), fold(x, dim=(0, 2))), *tensors("2,3,4")
    )


CASES = {
    "over everything": lambda x: (x.sum(), x.mean(), x.max(), x.min(), x.var(), x.std(), x.prod()),
    "products": lambda x: (x.prod(1), x.prod(0, keepdim=True)),
    "corrections": lambda x: (
        torch.var(x, dim=1, correction=0),
        torch.var_mean(x, dim=1),
        torch.std_mean(x, dim=(0, 1)),
        x.var(unbiased=False),
    ),
    "norms": lambda x: (
        x.norm(),
        x.norm(dim=1),
        x.norm(p=1, dim=1),
        torch.linalg.vector_norm(x, ord=math.inf, dim=1),
        torch.linalg.vector_norm(x, ord=3, dim=0),
        F.normalize(x, dim=-1),
    ),
    "extrema and places": lambda x: (
        x.max(1), x.min(-1, keepdim=True), x.argmax(), x.argmin(1), x.argmax(-1, keepdim=True),
        x.aminmax(dim=1),
    ),
    "truth": lambda x: ((x > 0).any(), (x > 0).all(), (x > 0).any(1), (x > 0).all(0, keepdim=True)),
    "counts": lambda x: (torch.count_nonzero(x > 0), (x > 0).sum(-1), (x > 0).sum(dtype=torch.float64)),
    "softmax": lambda x: (F.softmax(x, -1), F.softmax(x, 0), F.log_softmax(x, 1), F.softmin(x, -1)),
    "softmax of masked rows": lambda x: F.softmax(torch.where(x > 0, x, -math.inf), -1),
    "logsumexp of nothing": lambda x: torch.logsumexp(x.abs() * -math.inf, 1),
    "prefixes": lambda x: (x.cumsum(1), x.cumsum(0), x.cumprod(1), x.logcumsumexp(1)),
    "order": lambda x: (
        x.sort(-1), x.sort(0, descending=True), x.argsort(1), x.topk(3), x.topk(2, 0, largest=False)
    ),
    "middle": lambda x: (x.median(1), x.kthvalue(2, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    made = assert_same(CASES[case], *tensors("3,5"))
    assert not upstream_functions(made)


def test_integers() -> None:
    x = integers(4, "3,5")
    assert_same(
        lambda x: (x.sum(), x.sum(1), x.cumsum(-1), x.max(), x.prod(1), torch.sort(x, stable=True)), x
    )


NORMS = {
    "layer norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), ("2,3,4", "4", "4")),
    "layer norm, scale only": (lambda x, w: F.layer_norm(x, (4,), w), ("2,4", "4")),
    "layer norm of two ranks": (lambda x: F.layer_norm(x, (3, 4)), ("2,3,4",)),
    "RMS norm": (lambda x, w: F.rms_norm(x, (4,), w, 1e-6), ("2,3,4", "4")),
    "RMS norm, plain": (lambda x: F.rms_norm(x, (4,)), ("2,3,4",)),
    "group norm": (lambda x, w, b: F.group_norm(x, 2, w, b), ("2,4,3,3", "4", "4")),
    "instance norm": (lambda x: F.instance_norm(x), ("2,3,4,4",)),
    "batch norm": (lambda x, m, v, w, b: F.batch_norm(x, m, v.abs(), w, b), ("2,3,4,4", "3", "3", "3", "3")),
}


@pytest.mark.parametrize("case", NORMS)
def test_norm(case: str) -> None:
    function, shapes = NORMS[case]
    assert not upstream_functions(assert_same(function, *tensors(*shapes)))


def test_layer_norm_makes_two_folds_without_views() -> None:
    made = assert_same(lambda x: F.layer_norm(x, (4,)), *tensors("2,3,4"))
    assert [text for text in notation(made) if "sum[" in text] == [
        "S[b,s] = sum[d] Tensors0[b,s,d]",
        "SQ[b,s] = sum[d] square(XC[b,s,d])",
    ]
    assert "tensor.expand_shape" not in str(made.module)
