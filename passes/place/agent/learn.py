"""Learning from episodes: values from what was left, policies from searches and from the best games."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .config import Config
from .episodes import Episode
from .network import LearnedModel, Network
from .selfplay import LOW

UNROLL = 3
"""Moves the learned model is unrolled in training."""


@dataclass(frozen=True)
class Samples:
    """Decisions of many episodes, one after another."""

    seen: Tensor
    access: Tensor
    legal: Tensor
    moves: Tensor
    targets: Tensor
    remaining: Tensor
    last: Tensor  # whether it is its game's last

    def __len__(self) -> int:
        return len(self.moves)


def samples(episodes: Sequence[Episode]) -> Samples:
    """The decisions of episodes."""

    def joined(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(each, name) for each in episodes]))

    last = np.concatenate([np.arange(len(each.moves)) == len(each.moves) - 1 for each in episodes])
    parts = {name: joined(name) for name in ("seen", "access", "legal", "moves", "targets", "remaining")}
    return Samples(**parts, last=torch.from_numpy(last))


def optimiser(network: Network, config: Config) -> torch.optim.Adam:
    """Adam."""
    return torch.optim.Adam(network.parameters(), lr=config.rate)


def anchor(network: Network, data: Samples) -> None:
    """Tell values against what these episodes had left."""
    with torch.no_grad():
        network.anchor(data.access, data.remaining)


def imitation(network: Network, data: Samples, at: Tensor, doubt: float) -> Tensor:
    """Cross-entropy against the moves that were made, a share of doubt spread over the legal ones."""
    logits, _ = network(data.seen[at], data.access[at])
    legal = data.legal[at]
    log = functional.log_softmax(logits.masked_fill(~legal, LOW), dim=1)
    made = log.gather(1, data.moves[at][:, None])[:, 0]
    any_ = (log * legal).sum(1) / legal.sum(1)
    return -((1.0 - doubt) * made + doubt * any_).mean()


def value_and_policy(network: Network, data: Samples, at: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error of the value, in spreads; cross-entropy against the searches' policies."""
    logits, value = network(data.seen[at], data.access[at])
    error = ((value - data.remaining[at]) / network.spread).square().mean()
    log = functional.log_softmax(logits.masked_fill(~data.legal[at], LOW), dim=1)
    targets = data.targets[at]
    searched = targets.sum()
    return error, -(targets * log).sum() / searched.clamp(min=1.0)


def dreams(network: LearnedModel, data: Samples, at: Tensor) -> Tensor:
    """Error of the learned model, unrolled along the moves that were made."""
    latent = network.represent(data.seen[at], data.access[at])
    over = torch.zeros(len(at), dtype=torch.bool)
    total = torch.zeros(())
    spread = network.spread
    for step in range(UNROLL + 1):
        logits, value = network.predict(latent)
        anchored = torch.where(over, 0.0, data.remaining[at] - network.baseline[data.access[at]])
        total = total + ((value - anchored) / spread).square().mean()
        log = functional.log_softmax(logits, dim=1)
        total = total - (data.targets[at] * log * ~over[:, None]).sum() / len(at)
        if step == UNROLL:
            break
        latent, reward = network.step(latent, data.moves[at])
        ending = over | data.last[at]
        after = torch.where(ending, at, at + 1)
        left = torch.where(ending, 0.0, data.remaining[after] - network.baseline[data.access[after]])
        real = torch.where(over, 0.0, anchored - left)
        total = total + ((reward - real) / spread).square().mean()
        at, over = after, ending
    return total / (UNROLL + 1)


def clone(network: Network, config: Config, shown: Episode) -> None:
    """The warm start: the policy of a game that was shown. Its value is learned from play."""
    data = samples([shown])
    random = torch.Generator().manual_seed(config.seed)
    step = optimiser(network, config)
    for _ in range(config.cloning_steps):
        at = torch.randint(len(data), (config.batch,), generator=random)
        loss = imitation(network, data, at, config.doubt)
        step.zero_grad()
        loss.backward()
        step.step()


def improve(
    network: Network,
    step: torch.optim.Optimizer,
    config: Config,
    round_: int,
    data: Samples,
    elite: Samples,
) -> tuple[float, float]:
    """One round of learning; the mean value error (spreads²) and policy cross-entropy."""
    network.train()
    random = torch.Generator().manual_seed(config.seed * 1_000_003 + round_)
    totals = np.zeros(2)
    for _ in range(config.steps):
        at = torch.randint(len(data), (config.batch,), generator=random)
        few = torch.randint(len(elite), (max(1, config.batch // 4),), generator=random)
        error, policy = value_and_policy(network, data, at)
        loss = error + policy + config.imitation * imitation(network, elite, few, config.doubt)
        if isinstance(network, LearnedModel):
            loss = loss + dreams(network, data, at)
        step.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        step.step()
        totals += error.item(), policy.item()
    count = max(config.steps, 1)
    return float(totals[0] / count), float(totals[1] / count)
