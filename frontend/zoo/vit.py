"""The vision transformer (Dosovitskiy et al., 2020, arXiv:2010.11929, §3.1), class token in front."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, merge_heads, split_heads


@dataclass(frozen=True)
class VitConfig:
    """Sizes of a vision transformer; the feed-forward is four times as wide as the model."""

    layers: int = 12
    width: int = 384
    heads: int = 6
    attention: str = "sdpa"
    image: int = 224
    patch: int = 16
    classes: int = 1000
    epsilon: float = 1e-6


class VitAttention(nn.Module):
    """Attention among all patches."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.form = config.attention
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        query, key, value = (split_heads(to(x), self.heads) for to in (self.query, self.key, self.value))
        return self.output(merge_heads(attend(self.form, query, key, value)))


class VitBlock(nn.Module):
    """Pre-norm attention and GELU feed-forward on a residual stream."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=config.epsilon)
        self.attention = VitAttention(config)
        self.norm2 = nn.LayerNorm(config.width, eps=config.epsilon)
        self.fc1 = nn.Linear(config.width, 4 * config.width)
        self.fc2 = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, s, d] to [b, s, d]."""
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    """image [b, 3, 224, 224] (normalised colours) to logits [b, 1000]."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        patches = (config.image // config.patch) ** 2
        self.patch_embed = nn.Conv2d(3, config.width, kernel_size=config.patch, stride=config.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, config.width))
        self.blocks = nn.ModuleList(VitBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        patches = self.patch_embed(image).flatten(2).transpose(1, 2)
        front = self.cls_token.expand(image.shape[0], -1, -1)
        x = torch.cat((front, patches), dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])
