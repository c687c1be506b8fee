"""Attention as people write it: through SDPA, and with score functions of their own."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Sdpa(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, **self.options)


class Masked(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class CappedAlibiWindow(nn.Module):
    """Scores capped by tanh, a slope per head, and a causal window: no library's kernel has all three."""

    def __init__(self, heads: int, cap: float, window: int) -> None:
        super().__init__()
        self.cap, self.window = cap, window
        self.slopes = nn.Parameter(2.0 ** -torch.arange(1, heads + 1).float())

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        scores = self.cap * torch.tanh(scores / self.cap)
        query = torch.arange(q.shape[-2])[:, None]
        key = torch.arange(k.shape[-2])[None, :]
        scores = scores + self.slopes[:, None, None] * (key - query)
        seen = (key <= query) & (query - key < self.window)
        return torch.softmax(scores.masked_fill(~seen, float("-inf")), -1) @ v


class Sigmoided(nn.Module):
    """A gate on the scores, learned per head, in place of their scale."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.linspace(0.5, 1.5, heads))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-1, -2)
        scores = torch.sigmoid(scores * self.gate[:, None, None]) * scores / 8
        return torch.softmax(scores, -1) @ v
