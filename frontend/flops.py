"""Operations of ATen's products, forward and backward; a multiply-accumulate is two.

Attention is counted by its mask: half of all pairs where it is causal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

BACKWARD_PRODUCTS = 2.5
"""Products of attention's backward over those of its forward: five, of which one is the forward's anew."""

Count = Callable[[Sequence[Any], Mapping[str, Any]], int]


def _mm(args: Sequence[Any], _: Mapping[str, Any]) -> int:
    left, right = args[-2:]
    return 2 * left.numel() * right.shape[-1]


def _addmm(args: Sequence[Any], _: Mapping[str, Any]) -> int:
    return _mm(args[1:3], {})


def _attention(causal_at: int) -> Count:
    def count(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        query, key, value = args[:3]
        return _pairs(query, key, value, bool(kwargs.get("is_causal", _at(args, causal_at))))

    return count


def _attention_backward(causal_at: int) -> Count:
    def count(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        query, key, value = args[1:4]
        causal = bool(kwargs.get("is_causal", _at(args, causal_at)))
        return int(BACKWARD_PRODUCTS * _pairs(query, key, value, causal))

    return count


def _at(args: Sequence[Any], place: int) -> Any:
    return args[place] if place < len(args) else False


def _pairs(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> int:
    """Of both products of attention; query [batch, heads, length, size], key and value likewise."""
    batch, heads, length, size = query.shape
    pairs = batch * heads * length * key.shape[-2]
    return 2 * pairs * (size + value.shape[-1]) // (2 if causal else 1)


ATTENTION = {
    "_scaled_dot_product_flash_attention_for_cpu": 4,
    "_scaled_dot_product_flash_attention": 4,
    "_scaled_dot_product_efficient_attention": 6,
    "_scaled_dot_product_cudnn_attention": 6,
}
"""Fused attention → place of ``is_causal`` among its arguments."""
_BACKWARD = {
    "_scaled_dot_product_flash_attention_for_cpu_backward": 7,
    "_scaled_dot_product_flash_attention_backward": 11,
    "_scaled_dot_product_efficient_attention_backward": 11,
    "_scaled_dot_product_cudnn_attention_backward": 14,
}
_COUNTS: Mapping[str, Count] = {
    "mm": _mm,
    "bmm": _mm,
    "addmm": _addmm,
    "baddbmm": _addmm,
    **{name: _attention(at) for name, at in ATTENTION.items()},
    **{name: _attention_backward(at) for name, at in _BACKWARD.items()},
}


def flops(op: torch._ops.OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Operations of one call; 0 for what is no product."""
    count = _COUNTS.get(name(op))
    return count(args, kwargs) if count else 0


def name(op: torch._ops.OpOverload) -> str:
    """``aten.mm.default`` as ``mm``."""
    return op._schema.name.rpartition("::")[2]
