"""The networks: a policy and value head on a small residual trunk, and a learned model of the game.

Value is a plain regression, of the remaining return against what recent episodes had left at the same
access, in units of their spread. Returns of this game are deterministic, bounded, and differ by percents: a
table by access carries the bulk, and the network only what a state adds to it. (A categorical value over a
transformed support, as in MuZero, is for returns whose range is not known.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .observation import WIDTH
from .tree import MOVES

SMALLEST = 1e-4
"""Least spread of returns, share of the all-slow latency."""


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(torch.relu(self.inner(self.norm(x))))


class Network(nn.Module):
    """Observation [B, WIDTH] and access [B] → move logits [B, 3], value [B].

    Args:
        accesses: of the program; one network plays one program, and knows its accesses by heart.
        width: of the trunk.
        blocks: residual blocks.
    """

    baseline: Tensor
    spread: Tensor

    def __init__(self, accesses: int, width: int = 64, blocks: int = 2) -> None:
        super().__init__()
        self.seen = nn.Linear(WIDTH, width)
        self.access = nn.Embedding(accesses, width)
        self.bias = nn.Embedding(accesses, MOVES + 1)
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.head = nn.Linear(width, MOVES + 1)
        for table in (self.access.weight, self.bias.weight, self.head.weight, self.head.bias):
            nn.init.zeros_(table)
        self.register_buffer("baseline", torch.zeros(accesses))
        self.register_buffer("spread", torch.ones(()))

    def represent(self, seen: Tensor, access: Tensor) -> Tensor:
        """Latent state [B, width]."""
        return self.blocks(torch.relu(self.seen(seen) + self.access(access)))

    def forward(self, seen: Tensor, access: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and value; the value in shares of the all-slow latency."""
        out = self.head(self.represent(seen, access)) + self.bias(access)
        return out[:, :MOVES], self.baseline[access] + self.spread * out[:, MOVES]

    def anchor(self, access: Tensor, remaining: Tensor) -> None:
        """Set the value's table and unit from what earlier episodes had left at each access."""
        count = torch.zeros_like(self.baseline).index_add_(0, access, torch.ones_like(remaining))
        total = torch.zeros_like(self.baseline).index_add_(0, access, remaining)
        mean = total / count.clamp(min=1)
        missing = count == 0
        if bool(missing.any()):  # the nearest access that was met
            met = torch.nonzero(~missing).squeeze(1)
            nearest = (met[None] - torch.arange(len(mean))[:, None]).abs().argmin(1)
            mean = torch.where(missing, mean[met[nearest]], mean)
        self.baseline.copy_(mean)
        off = remaining - mean[access]
        self.spread.copy_(off.square().mean().sqrt().clamp(min=SMALLEST))


class LearnedModel(Network):
    """MuZero's networks (Schrittwieser et al., 2020): the trunk represents, a cell steps, a head predicts.

    Rewards and values are told against the table by access, ``r + table[after] − table[before]``, which adds
    up to the same order of moves. The latent game knows no rules: inside the tree every move is open, and a
    game that is over is a state of value 0 it has to learn.
    """

    def __init__(self, accesses: int, width: int = 64, blocks: int = 2) -> None:
        super().__init__(accesses, width, blocks)
        self.move = nn.Embedding(MOVES, width)
        self.cell = nn.Sequential(nn.Linear(width, width), nn.ReLU(), _Block(width))
        self.reward = nn.Linear(width, 1)
        self.latent_head = nn.Linear(width, MOVES + 1)

    def predict(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and value of a latent state; the tables by access do not reach in here."""
        out = self.latent_head(latent)
        return out[:, :MOVES], out[:, MOVES] * self.spread

    def step(self, latent: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
        """The next latent state and the reward."""
        after = self.cell(latent + self.move(move))
        return after, self.reward(after)[:, 0] * self.spread
