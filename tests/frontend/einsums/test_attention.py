"""Attention in every way of writing it, down to the Einsums and their numbers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ..raised import assert_same, notation, tensors

attend = F.scaled_dot_product_attention
_PADDING = torch.tensor([[[[True, True, True, False, False, True, True]]], [[[True] * 7]]])

CASES = {
    "plain": (attend, ("2,3,5,4", "2,3,7,4", "2,3,7,6")),
    "causal": (lambda q, k, v: attend(q, k, v, is_causal=True), ("2,3,5,4", "2,3,5,4", "2,3,5,4")),
    "causal, more keys": (lambda q, k, v: attend(q, k, v, is_causal=True), ("1,3,5,4", "1,3,8,4", "1,3,8,4")),
    "own scale, one batch rank": (lambda q, k, v: attend(q, k, v, scale=0.3), ("2,5,4", "2,6,4", "2,6,4")),
    "no batch": (attend, ("5,4", "7,4", "7,3")),
    "shared keys": (attend, ("2,3,5,4", "1,3,7,4", "1,3,7,4")),
    "padding mask": (lambda q, k, v: attend(q, k, v, _PADDING), ("2,3,5,4", "2,3,7,4", "2,3,7,4")),
    "additive mask": (attend, ("2,3,5,4", "2,3,7,4", "2,3,7,4", "5,7")),
    "nothing to attend to": (
        lambda q, k, v: attend(q, k, v, torch.zeros(2, 1, 1, 7, dtype=torch.bool)),
        ("2,3,5,4", "2,3,7,4", "2,3,7,4"),
    ),
    "grouped": (lambda q, k, v: attend(q, k, v, enable_gqa=True), ("2,6,5,4", "2,2,7,4", "2,2,7,4")),
    "grouped, causal": (
        lambda q, k, v: attend(q, k, v, is_causal=True, enable_gqa=True),
        ("2,6,5,4", "2,2,5,4", "2,2,5,4"),
    ),
    "grouped, masked per head": (
        lambda q, k, v, m: attend(q, k, v, m, enable_gqa=True),
        ("2,6,5,4", "2,2,7,4", "2,2,7,4", "2,6,5,7"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_attention(case: str) -> None:
    function, shapes = CASES[case]
    assert_same(function, *tensors(*shapes))


def test_the_cascade_is_the_papers() -> None:
    made = assert_same(
        lambda q, k, v: attend(q, k, v, is_causal=True), *tensors("1,2,5,4", "1,2,5,4", "1,2,5,4")
    )
    assert notation(made) == [
        "QK[b,h,p,m] = sum[e] mul(Tensors0[b,h,p,e], Tensors1[b,h,m,e])",
        "QKS[b,h,p,m] = mul(QK[b,h,p,m], 0.5)",
        "CM[p,m] = le(@m, @p)",
        "QKM[b,h,p,m] = where(CM[p,m], QKS[b,h,p,m], -inf)",
        "GM[b,h,p] = max[m] QKM[b,h,p,m]",
        "SN[b,h,p,m] = exp_sub_left(QKM[b,h,p,m], GM[b,h,p])",
        "SD[b,h,p] = sum[m] SN[b,h,p,m]",
        "A[b,h,p,m] = div_left(SN[b,h,p,m], SD[b,h,p])",
        "ScaledDotProductAttention[b,h,p,f] = sum[m] mul(A[b,h,p,m], Tensors2[b,h,m,f])",
    ]


def test_written_out_attention() -> None:
    def explicit(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) + mask
        return F.softmax(scores, dim=-1) @ v

    assert_same(explicit, *tensors("2,3,5,4", "2,3,7,4", "2,3,7,4", "5,7"))


def test_repeated_keys_and_rotary_embedding() -> None:
    def turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        half = x.shape[-1] // 2
        return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin

    def attention(q, k, v, cos, sin):
        keys, values = (
            x[:, :, None].expand(-1, -1, 3, -1, -1).reshape(1, 6, 5, 4) for x in (turned(k, cos, sin), v)
        )
        return attend(turned(q, cos, sin), keys, values, is_causal=True)

    assert_same(attention, *tensors("1,6,5,4", "1,2,5,4", "1,2,5,4", "5,4", "5,4"))
