"""The language models of BitMoD's figures 7 and 8 (section V-A): sizes in their public configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ....ir.errors import InputError
from .matmul import Matmul
from .rules import PUBLISHED, Rules

CONTEXT = 256
"""Tokens of the prompt (section V-A): all at once when discriminating, in the cache when generating."""


@dataclass(frozen=True)
class Llm:
    """Sizes of a decoder; every linear layer counts, the output matrix too.

    Attributes:
        hidden: width of the model.
        layers: how many.
        heads, kv_heads: of queries, and of keys and values.
        ffn: width of the feed-forward layer.
        gated: it has three matrices, not two.
        vocabulary: rows of the output matrix.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    gated: bool
    vocabulary: int

    @property
    def head_size(self) -> int:
        """Width of a head."""
        return self.hidden // self.heads

    @property
    def linears(self) -> Mapping[str, tuple[int, int]]:
        """Channels and inputs of each linear layer of one decoder layer."""
        kv = self.kv_heads * self.head_size
        up = {"gate": (self.ffn, self.hidden)} if self.gated else {}
        return {
            "query": (self.hidden, self.hidden),
            "key": (kv, self.hidden),
            "value": (kv, self.hidden),
            "output": (self.hidden, self.hidden),
            **up,
            "up": (self.ffn, self.hidden),
            "down": (self.hidden, self.ffn),
        }


LLMS: Mapping[str, Llm] = MappingProxyType(
    {
        "opt-1.3b": Llm(2048, 24, 32, 32, 8192, False, 50272),  # facebook/opt-1.3b
        "phi-2": Llm(2560, 32, 32, 32, 10240, False, 51200),  # microsoft/phi-2
        "yi-6b": Llm(4096, 32, 32, 4, 11008, True, 64000),  # 01-ai/Yi-6B
        "llama-2-7b": Llm(4096, 32, 32, 32, 11008, True, 32000),  # meta-llama/Llama-2-7b-hf
        "llama-2-13b": Llm(5120, 40, 40, 40, 13824, True, 32000),  # meta-llama/Llama-2-13b-hf
        "llama-3-8b": Llm(4096, 32, 32, 8, 14336, True, 128256),  # meta-llama/Meta-Llama-3-8B
    }
)
"""In the order of the figures."""


def llm(name: str) -> Llm:
    """A model of the figures.

    Raises:
        InputError: no such model.
    """
    if name not in LLMS:
        raise InputError(f"no model {name!r}", accepted=", ".join(LLMS))
    return LLMS[name]


def matmuls(model: Llm, *, tokens: int, context: int = CONTEXT, rules: Rules = PUBLISHED) -> list[Matmul]:
    """All matrix products of one forward pass of a batch of one.

    Args:
        model: its sizes.
        tokens: T, new ones; `context` of them when a prompt is read, 1 when a token is generated.
        context: positions attended to.
        rules: how attention is counted.
    """
    found = [
        Matmul(name, tokens, channels, inputs, count=model.layers)
        for name, (channels, inputs) in model.linears.items()
    ]
    found.append(Matmul("lm_head", tokens, model.vocabulary, model.hidden))
    attention = _as_linear if rules.attention_as_linear else _by_head
    return [*found, *attention(model, tokens, context)]


def _by_head(model: Llm, tokens: int, context: int) -> list[Matmul]:
    """Queries that share a key-value head are more tokens for it."""
    rows = model.heads // model.kv_heads * tokens
    sizes = {"qk": (context, model.head_size), "av": (model.head_size, context)}
    return [
        Matmul(name, rows, channels, inputs, True, model.kv_heads, model.layers)
        for name, (channels, inputs) in sizes.items()
    ]


def _as_linear(model: Llm, tokens: int, context: int) -> list[Matmul]:
    """As the simulator had it: the queries, or the scores, in the place of the weights."""
    kv = model.kv_heads * model.head_size
    return [
        Matmul("qk", model.heads * tokens, tokens, model.hidden, True, 1, model.layers, kv),
        Matmul("av", tokens, model.heads * tokens, context, True, 1, model.layers, kv),
    ]
