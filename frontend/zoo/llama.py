"""Llama (Touvron et al., 2023, arXiv:2307.09288, §2.2): RMSNorm, rotary embeddings, SwiGLU and GQA.

Modules are named as in the public checkpoints. With a cache, keys and values of earlier positions are state
of the attention modules, which calls update in place: a call brings the tokens at some positions, and what
stands before them is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, earlier_mask, merge_heads, split_heads


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a Llama.

    Attributes:
        key_heads: number of key and value heads.
        base: of the rotary angles.
        cache: positions whose keys and values are kept, 0 for none.
    """

    layers: int
    width: int
    heads: int
    key_heads: int
    inner: int
    positions: int
    vocabulary: int
    attention: str = "sdpa"
    epsilon: float = 1e-5
    base: float = 10000.0
    cache: int = 0


LLAMA_TINY = LlamaConfig(
    layers=2, width=256, heads=8, key_heads=2, inner=688, positions=1024, vocabulary=1024
)
LLAMA_7B = LlamaConfig(
    layers=32, width=4096, heads=32, key_heads=32, inner=11008, positions=4096, vocabulary=32000
)


class RmsNorm(nn.Module):
    """x scaled to unit mean square over its last axis (Zhang and Sennrich, 2019, arXiv:1910.07467, §3)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """[…, d] to […, d]."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon))


class Rotary(nn.Module):
    """The rotation angles' cosines and sines, [positions, e] (Su et al., 2021, arXiv:2104.09864, §3.2.2)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        size = config.width // config.heads
        self.register_buffer("cos", torch.empty(config.positions, size))
        self.register_buffer("sin", torch.empty(config.positions, size))

    def fill_buffers(self) -> None:
        """Computes both tables in float64 and rounds them once."""
        size = self.cos.shape[1]
        exponent = torch.arange(0, size, 2, dtype=torch.float64) / size
        positions = torch.arange(self.config.positions, dtype=torch.float64)
        angles = torch.outer(positions, self.config.base**-exponent).repeat(1, 2)
        self.cos.copy_(angles.cos())
        self.sin.copy_(angles.sin())

    def forward(self, length: int, positions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The tables of the positions [s], of the first `length` where there are none."""
        if positions is not None:
            return self.cos[positions], self.sin[positions]
        return self.cos[:length], self.sin[:length]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [b, h, s, e] turned by its position's angles [s, e]: the second half of e is the imaginary part."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin


class LlamaAttention(nn.Module):
    """Causal attention over rotated queries and keys, key heads shared by groups of query heads.

    With a cache, over all keys and values [1, g, cache, e] up to each query's own position.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        size = config.width // config.heads
        self.q_proj = nn.Linear(config.width, config.heads * size, bias=False)
        self.k_proj = nn.Linear(config.width, config.key_heads * size, bias=False)
        self.v_proj = nn.Linear(config.width, config.key_heads * size, bias=False)
        self.o_proj = nn.Linear(config.heads * size, config.width, bias=False)
        if config.cache:
            for name in ("keys", "values"):
                kept = torch.empty(1, config.key_heads, config.cache, size)
                self.register_buffer(name, kept, persistent=False)

    def fill_buffers(self) -> None:
        """Nothing is kept at first."""
        for kept in self.buffers(recurse=False):
            kept.zero_()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor | None = None) -> Tensor:
        """[b, s, d] to [b, s, d]; with a cache at positions [s]."""
        form = self.config.attention
        query = rotate(split_heads(self.q_proj(x), self.config.heads), cos, sin)
        key = rotate(split_heads(self.k_proj(x), self.config.key_heads), cos, sin)
        value = split_heads(self.v_proj(x), self.config.key_heads)
        if positions is None:
            return self.o_proj(merge_heads(attend(form, query, key, value, causal=True)))
        self.keys.index_copy_(2, positions, key)
        self.values.index_copy_(2, positions, value)
        mask = earlier_mask(form, positions, self.config.cache, x.dtype)
        return self.o_proj(merge_heads(attend(form, query, self.keys, self.values, mask=mask)))


class LlamaMlp(nn.Module):
    """SwiGLU (Shazeer, 2020, arXiv:2002.05202, §2)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.inner, bias=False)
        self.up_proj = nn.Linear(config.width, config.inner, bias=False)
        self.down_proj = nn.Linear(config.inner, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    """Pre-norm attention and feed-forward on a residual stream."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.width, config.epsilon)
        self.self_attn = LlamaAttention(config)
        self.post_attention_layernorm = RmsNorm(config.width, config.epsilon)
        self.mlp = LlamaMlp(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor | None = None) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, positions)
        return x + self.mlp(self.post_attention_layernorm(x))


class LlamaLayers(nn.Module):
    """The decoder layers alone: hidden_states [b, s, d] (and positions [s]) to hidden states [b, s, d]."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.rotary = Rotary(config)
        self.layers = nn.ModuleList(LlamaLayer(config) for _ in range(config.layers))

    def forward(self, hidden_states: Tensor, positions: Tensor | None = None) -> Tensor:
        """See the class."""
        cos, sin = self.rotary(hidden_states.shape[1], positions)
        for layer in self.layers:
            hidden_states = layer(hidden_states, cos, sin, positions)
        return hidden_states


class Llama(nn.Module):
    """The language model: input_ids [b, s] int64 (and positions [s]) to logits [b, s, vocabulary]."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.decoder = LlamaLayers(config)
        self.norm = RmsNorm(config.width, config.epsilon)
        self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(self, input_ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """See the class."""
        return self.lm_head(self.norm(self.decoder(self.embed_tokens(input_ids), positions)))
