"""BERT (Devlin et al., 2018, arXiv:1810.04805, §3), the encoder of bert-base and MiniLM.

Modules are named as in the public checkpoints, so that their tensors load by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, merge_heads, padding_mask, split_heads


@dataclass(frozen=True)
class BertConfig:
    """Sizes of a BERT; `head` is what stands after the encoder: ``hidden``, ``pooler`` or ``mean``."""

    layers: int
    width: int
    heads: int
    inner: int
    head: str
    attention: str = "sdpa"
    vocabulary: int = 30522
    positions: int = 512
    epsilon: float = 1e-12


class BertEmbeddings(nn.Module):
    """Word, position and token-type embeddings, summed and normalised; every token is of type 0."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocabulary, config.width)
        self.position_embeddings = nn.Embedding(config.positions, config.width)
        self.token_type_embeddings = nn.Embedding(2, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=config.epsilon)

    def forward(self, input_ids: Tensor) -> Tensor:
        """[b, s] token numbers to [b, s, d]."""
        words = self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(words + self.position_embeddings.weight[: input_ids.shape[1]])


class BertSelfAttention(nn.Module):
    """Query, key and value projections and attention over them."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.form = config.attention
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d], before the output projection."""
        query, key, value = (split_heads(to(x), self.heads) for to in (self.query, self.key, self.value))
        return merge_heads(attend(self.form, query, key, value, mask=mask))


class BertOutput(nn.Module):
    """A projection back to the residual stream, added and normalised (post-norm)."""

    def __init__(self, inner: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=config.epsilon)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """[b, s, inner] and [b, s, d] to [b, s, d]."""
        return self.LayerNorm(self.dense(x) + residual)


class BertLayer(nn.Module):
    """Attention and a GELU feed-forward, each followed by `BertOutput`."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = nn.ModuleDict(
            {"self": BertSelfAttention(config), "output": BertOutput(config.width, config)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.width, config.inner)})
        self.output = BertOutput(config.inner, config)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class BertEncoder(nn.Module):
    """The layers, one after another."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(config) for _ in range(config.layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        for layer in self.layer:
            x = layer(x, mask)
        return x


class Bert(nn.Module):
    """input_ids and attention_mask [b, s] int64 to the outputs that `config.head` names.

    ``hidden``: hidden states [b, s, d]. ``pooler``: those, and tanh of the first token's projection, [b, d].
    ``mean``: the mean of the hidden states over the real tokens, scaled to length 1, [b, d].
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        if config.head == "pooler":
            self.pooler = nn.ModuleDict({"dense": nn.Linear(config.width, config.width)})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """See the class."""
        x = self.embeddings(input_ids)
        mask = padding_mask(self.config.attention, attention_mask, x.dtype)
        x = self.encoder(x, mask)
        if self.config.head == "pooler":
            return x, self.pooler["dense"](x[:, 0]).tanh()
        if self.config.head == "mean":
            return _mean_of_tokens(x, attention_mask)
        return x


def _mean_of_tokens(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    weight = attention_mask[:, :, None].to(hidden.dtype)
    mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
    return mean / mean.pow(2).sum(dim=1, keepdim=True).sqrt()
