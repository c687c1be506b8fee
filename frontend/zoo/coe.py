"""A Composition of Experts in miniature: a router and experts of one shape (SN40L, MICRO 2024, section II).

Every expert is a small Llama with weights of its own; the router is one of the same shape that names an
expert from the last token of a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .initialise import initialise
from .llama import Llama, LlamaConfig, LlamaLayers, RmsNorm
from .spec import parse_composition

VOCABULARY = 128


def shape_of(width: int) -> LlamaConfig:
    """Sizes of every expert and of the router; 32 wide, an expert takes 77 KiB in float32."""
    return LlamaConfig(
        layers=1,
        width=width,
        heads=4,
        key_heads=2,
        inner=width * 11 // 4,
        positions=64,
        vocabulary=VOCABULARY,
    )


class Router(nn.Module):
    """input_ids [b, s] int64 to the scores of the experts [b, experts]; the highest is asked."""

    def __init__(self, config: LlamaConfig, experts: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.decoder = LlamaLayers(config)
        self.norm = RmsNorm(config.width, config.epsilon)
        self.head = nn.Linear(config.width, experts, bias=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        """See the class."""
        return self.head(self.norm(self.decoder(self.embed_tokens(input_ids)))[:, -1])


@dataclass(frozen=True)
class Composition:
    """The models of a composition; each is made when it is asked for.

    Attributes:
        count: of the experts.
        shape: of all of them.
        seed: of the router's weights; expert i has those of seed + 1 + i.
    """

    count: int
    shape: LlamaConfig
    seed: int

    @classmethod
    def of(cls, spec: str) -> Composition:
        """The composition that ``zoo:coe[,key=value…]`` names.

        Raises:
            InputError: an unknown option or value.
        """
        options = parse_composition(spec)
        return cls(int(options["experts"]), shape_of(int(options["width"])), int(options["seed"]))

    def router(self) -> nn.Module:
        """The router."""
        return _filled(Router(self.shape, self.count), self.seed)

    def expert(self, number: int) -> nn.Module:
        """One expert."""
        return _filled(Llama(self.shape), self.seed + 1 + number)

    def experts(self) -> Iterator[nn.Module]:
        """All of them, one after another."""
        return (self.expert(number) for number in range(self.count))


def prompts(count: int, length: int, seed: int) -> Tensor:
    """Random prompts, [count, length] int64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(VOCABULARY, (count, length), generator=generator)


def _filled(module: nn.Module, seed: int) -> nn.Module:
    with torch.no_grad():
        initialise(module, seed)
    return module.eval().requires_grad_(False)
