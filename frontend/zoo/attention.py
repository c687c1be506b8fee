"""Attention as the zoo's models write it: one SDPA call, or its matmuls and softmax written out.

Both forms compute softmax(q·kᵀ/√e + mask)·v (Vaswani et al., 2017, arXiv:1706.03762, §3.2.1) over
heads-first tensors [batch, heads, length, head size]; fewer key heads than query heads are shared by
groups (GQA, Ainslie et al., 2023, arXiv:2305.13245, §2.2).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(
    form: str, query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Attention in the form asked for, ``sdpa`` or ``explicit``; the result is shaped like the query.

    Args:
        form: how it is written.
        query: [b, h, p, e].
        key: [b, g, m, e], where g divides h.
        value: [b, g, m, e].
        mask: what `padding_mask` or `earlier_mask` of the same form made.
        causal: whether position p sees only m ≤ p.
    """
    if form == "sdpa":
        grouped = query.shape[1] != key.shape[1]
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=grouped
        )
    return _explicit(query, key, value, mask, causal)


def padding_mask(form: str, attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask [b, 1, 1, m] of a padded batch from the 1/0 integers [b, m].

    Boolean (true: attend) for SDPA; for the explicit form additive, 0 or the most negative value of `dtype`.
    """
    expanded = attention_mask[:, None, None, :]
    if form == "sdpa":
        return expanded != 0
    return (1.0 - expanded.to(dtype)) * torch.finfo(dtype).min


def earlier_mask(form: str, positions: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """The mask [p, m] by which a query at positions[p] sees only m ≤ positions[p], for m below `length`.

    Boolean (true: attend) for SDPA; for the explicit form additive, 0 or minus infinity.
    """
    seen = torch.arange(length, device=positions.device) <= positions[:, None]
    if form == "sdpa":
        return seen
    return torch.where(seen, 0.0, -math.inf).to(dtype)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[b, s, heads·e] as [b, heads, s, e]."""
    batch, length, width = x.shape
    return x.view(batch, length, heads, width // heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """[b, heads, s, e] as [b, s, heads·e]: the way back."""
    batch, heads, length, size = x.shape
    return x.transpose(1, 2).reshape(batch, length, heads * size)


def _explicit(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = _repeat_heads(key, groups), _repeat_heads(value, groups)
    scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(query.shape[-1])
    if causal:
        length = query.shape[2]
        hidden = torch.full((length, length), -math.inf, dtype=query.dtype, device=query.device)
        scores = scores + hidden.triu(1)
    if mask is not None:
        scores = scores + mask
    return torch.matmul(torch.softmax(scores, dim=-1), value)


def _repeat_heads(x: Tensor, times: int) -> Tensor:
    batch, heads, length, size = x.shape
    wide = x[:, :, None].expand(batch, heads, times, length, size)
    return wide.reshape(batch, heads * times, length, size)
