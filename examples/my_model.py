"""A model for the command line: `penstock compile examples/my_model.py:build -o mine`.

The callable returns the module and example inputs; their shapes are those compiled for.
"""

from __future__ import annotations

import torch


class Attention(torch.nn.Module):
    """Softmax attention written out, as a paper would: penstock finds the one-pass form by itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = torch.nn.Linear(width, width)
        self.keys = torch.nn.Linear(width, width)
        self.values = torch.nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (layer(x).view(shape).transpose(1, 2) for layer in (self.queries, self.keys, self.values))
        scores = q @ k.transpose(-2, -1) / shape[-1] ** 0.5
        return (torch.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(batch, length, width)


def build() -> tuple[torch.nn.Module, tuple[torch.Tensor, ...]]:
    torch.manual_seed(0)
    return Attention(width=64, heads=4).eval(), (torch.randn(1, 129, 64),)
