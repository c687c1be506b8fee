"""The GPT that MEMO trains: its skeletal tensors and its operations, by formula (sections 2.1 and 3.2).

A layer's tensors are counted in units of b·s·h elements of two bytes; attention is causal and counted half.
Models that are traced are counted by their graphs instead: these formulas hold for this block only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ELEMENT_BYTES = 2
UNITS: Mapping[str, int] = MappingProxyType(
    {
        "input": 1,
        "input norm": 1,
        "q": 1,
        "k": 1,
        "v": 1,
        "attention": 1,
        "attention residual": 1,
        "post-attention norm": 1,
        "h to 4h": 4,
        "gelu": 4,
    }
)
"""Skeletal tensors of a layer, in b·s·h elements (figure 4)."""
ALWAYS = ("input", "attention")
"""Swapped whole (section 4.1)."""
FORWARD_H, RECOMPUTE_H = 24, 16
"""Operations of linear layers over s·h²: a forward (QKV 6, dense 2, MLP 16); recomputing has no 4h to h."""
ATTENTION = 2
"""Operations of causal attention over s²·h."""
BACKWARD = 2
"""A backward's operations over a forward's (section 1)."""


@dataclass(frozen=True)
class Gpt:
    """A model of table 2.

    Attributes:
        layers, width, heads, vocabulary: n, h, heads and vocabulary.
        gpus: it is trained on in the experiments; 13B, 30B and 65B as far as could be made out.
    """

    layers: int
    width: int
    heads: int
    gpus: int
    vocabulary: int = 50257

    @property
    def parameters(self) -> int:
        """Weights of the linear layers and of the embedding; norms and biases are left out."""
        return 12 * self.layers * self.width**2 + self.vocabulary * self.width

    def skeletal_bytes(self, tokens: int) -> int:
        """Of one layer: 32·b·s·h."""
        return sum(UNITS.values()) * ELEMENT_BYTES * tokens * self.width

    def always_bytes(self, tokens: int) -> int:
        """Of what is swapped whole in one layer."""
        return sum(UNITS[name] for name in ALWAYS) * ELEMENT_BYTES * tokens * self.width

    def token_bytes(self, tokens: int) -> int:
        """Of what is split by tokens in one layer."""
        return self.skeletal_bytes(tokens) - self.always_bytes(tokens)

    def forward_flops(self, tokens: int) -> int:
        """Of one layer's forward."""
        return FORWARD_H * tokens * self.width**2 + ATTENTION * tokens**2 * self.width

    def attention_flops(self, tokens: int) -> int:
        """Of attention in one layer's forward."""
        return ATTENTION * tokens**2 * self.width

    def recompute_flops(self, tokens: int) -> int:
        """Of recomputing all that is split by tokens in one layer."""
        return RECOMPUTE_H * tokens * self.width**2

    def step_flops(self, tokens: int) -> int:
        """Of a step without recomputing: 6·s·P + 6·n·h·s²."""
        return 6 * tokens * self.parameters + 6 * self.layers * self.width * tokens**2


GPTS: Mapping[str, Gpt] = MappingProxyType(
    {
        "7b": Gpt(32, 4096, 32, 8),
        "13b": Gpt(40, 5120, 40, 16),
        "30b": Gpt(48, 7168, 56, 32),
        "65b": Gpt(80, 8192, 64, 64),
    }
)
"""Table 2."""
