"""GPT-2 (Radford et al., 2019, "Language Models are Unsupervised Multitask Learners", §2.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, merge_heads, split_heads


@dataclass(frozen=True)
class Gpt2Config:
    """Sizes of a GPT-2; the feed-forward is four times as wide as the model."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    attention: str = "sdpa"
    vocabulary: int = 50257
    positions: int = 1024
    epsilon: float = 1e-5


class Gpt2Attention(nn.Module):
    """Causal attention; one projection makes query, key and value side by side."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.form = config.attention
        self.heads = config.heads
        self.width = config.width
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        projected = self.c_attn(x)
        query, key, value = (
            split_heads(projected[:, :, part * self.width : (part + 1) * self.width], self.heads)
            for part in range(3)
        )
        return self.c_proj(merge_heads(attend(self.form, query, key, value, causal=True)))


class Gpt2Mlp(nn.Module):
    """The feed-forward, with the tanh form of GELU."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.width, 4 * config.width)
        self.c_proj = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Gpt2Block(nn.Module):
    """Pre-norm attention and feed-forward on a residual stream."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=config.epsilon)
        self.attn = Gpt2Attention(config)
        self.ln_2 = nn.LayerNorm(config.width, eps=config.epsilon)
        self.mlp = Gpt2Mlp(config)

    def forward(self, x: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2(nn.Module):
    """input_ids [b, s] int64 to logits [b, s, vocabulary]; the output matrix is the embedding itself."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocabulary, config.width)
        self.wpe = nn.Embedding(config.positions, config.width)
        self.h = nn.ModuleList(Gpt2Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width, eps=config.epsilon)

    def forward(self, input_ids: Tensor) -> Tensor:
        """See the class."""
        x = self.wte(input_ids) + self.wpe.weight[: input_ids.shape[1]]
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)
