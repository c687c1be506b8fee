"""Attentions to time: sizes and kinds, as PyTorch modules, and what float64 makes of some of their rows."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

CAP, WINDOW = 20.0, 1024
_ROWS, _HEADS = 64, 3  # that the error is taken of


@dataclass(frozen=True)
class Shape:
    """An attention's size and kind: ``""``, ``c`` (causal) or ``s`` (a score function of its own)."""

    text: str
    batch: int
    heads: int
    length: int
    size: int
    kind: str

    @staticmethod
    def parse(text: str) -> Shape:
        """The shape written on the command line."""
        kind = text[-1] if text[-1:] in ("c", "s") else ""
        try:
            batch, heads, length, size = (int(word) for word in text.removesuffix(kind).split("x"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text}: not BATCHxHEADSxLENGTHxSIZE[c|s]") from None
        return Shape(text, batch, heads, length, size, kind)

    @property
    def pairs(self) -> int:
        """Pairs of a query and a key that see each other, in one head."""
        full = self.length * (self.length + 1) // 2
        if self.kind == "s":
            beyond = max(0, self.length - WINDOW)
            return full - beyond * (beyond + 1) // 2
        return full if self.kind == "c" else self.length**2

    @property
    def flops(self) -> int:
        """Of both products, where the mask lets something through."""
        return 4 * self.batch * self.heads * self.size * self.pairs

    @property
    def dims(self) -> tuple[int, int, int, int]:
        """Of queries, keys and values."""
        return self.batch, self.heads, self.length, self.size


class OwnScores(torch.nn.Module):
    """A score function in plain PyTorch: capped, a slope per head, a causal window."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.slopes = torch.nn.Parameter(slopes_of(heads))

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        scores = CAP * torch.tanh(scores / CAP)
        query = torch.arange(q.shape[-2])[:, None]
        key = torch.arange(k.shape[-2])[None, :]
        scores = scores + self.slopes[:, None, None] * (key - query)
        seen = (key <= query) & (query - key < WINDOW)
        return torch.softmax(scores.masked_fill(~seen, float("-inf")), -1) @ v


class Plain(torch.nn.Module):
    """torch's SDPA."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)


def slopes_of(heads: int) -> torch.Tensor:
    """ALiBi's slopes, a geometric series."""
    return 2.0 ** (-8.0 * torch.arange(1, heads + 1).float() / heads)


def reference(shape: Shape, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> dict[tuple[int, int], Any]:
    """Rows in float64 by (batch, head): where they are, and what they hold."""
    found = {}
    rows = torch.linspace(0, shape.length - 1, min(_ROWS, shape.length), device=q.device).long().unique()
    key = torch.arange(shape.length, device=q.device)[None, :]
    slopes = slopes_of(shape.heads).double()
    for number in np.linspace(0, shape.batch * shape.heads - 1, _HEADS).astype(int):
        at = divmod(int(number), shape.heads)
        scores = q[at][rows].double() @ k[at].double().T * shape.size**-0.5
        if shape.kind == "s":
            scores = CAP * torch.tanh(scores / CAP) + slopes[at[1]].item() * (key - rows[:, None]).double()
            scores = scores.masked_fill(rows[:, None] - key >= WINDOW, float("-inf"))
        if shape.kind:
            scores = scores.masked_fill(key > rows[:, None], float("-inf"))
        found[at] = rows, torch.softmax(scores, -1) @ v[at].double()
    return found


def error_of(out: torch.Tensor, wanted: Mapping[tuple[int, int], Any]) -> float:
    """‖out − ref‖ / ‖ref‖ over the rows of the reference."""
    got = torch.cat([out[at][rows].double() for at, (rows, _) in wanted.items()])
    ref = torch.cat([values for _, values in wanted.values()])
    return float(torch.linalg.vector_norm(got - ref) / torch.linalg.vector_norm(ref))
