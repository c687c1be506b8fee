"""Self-play: many games of one problem in step, a search at some decisions, the policy at the rest.

A piece of self-play is a function of (weights, config, round, piece): nothing else, so that it may run
anywhere and any number of times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from . import lanes, tree
from .config import Config
from .episodes import Episode, Match
from .network import LearnedModel, Network
from .observation import WIDTH
from .tree import MOVES

LOW = -1e9
"""Logit of a move that is not legal."""


@dataclass
class _Views:
    """What a batch of games shows: arrays that are filled again and again."""

    seen: np.ndarray
    access: np.ndarray
    legal: np.ndarray

    @staticmethod
    def of(count: int) -> _Views:
        return _Views(
            np.zeros((count, WIDTH), np.float32),
            np.zeros(count, np.int64),
            np.zeros((count, MOVES), np.bool_),
        )


class Simulator:
    """Leaves of the search from the game itself."""

    def __init__(self, match: Match, network: Network, count: int) -> None:
        self.match, self.network = match, network
        self.views = _Views.of(count)
        self.scratch = lanes.stack(match.game, count)
        self.over = np.zeros(count, np.bool_)
        self.rewards = np.zeros(count)

    def root(self, views: _Views) -> tuple[np.ndarray, np.ndarray]:
        """Logits and values of the games as they stand."""
        return evaluate(self.network, views)

    def leaves(self, roots: lanes.State, searched: tree.Trees) -> None:
        """Grow every tree by the leaf its path ends in."""
        match, views = self.match, self.views
        tree.walk(
            match.tables,
            roots,
            self.scratch,
            match.facts,
            searched,
            views.seen,
            views.access,
            views.legal,
            self.over,
            self.rewards,
        )
        logits, value = evaluate(self.network, views)
        tree.grow(searched, logits, views.legal, value, self.over, self.rewards)


class Dream:
    """Leaves of the search from a learned model; rules and rewards are its own idea of them."""

    def __init__(self, network: LearnedModel, count: int, simulations: int) -> None:
        self.network = network
        width = network.head.in_features
        self.latent = torch.zeros(count, simulations + 1, width)
        self.legal = np.ones((count, MOVES), np.bool_)
        self.over = np.zeros(count, np.bool_)

    def root(self, views: _Views) -> tuple[np.ndarray, np.ndarray]:
        """Logits and values; the root's latent states are kept."""
        with torch.inference_mode():
            access = torch.from_numpy(views.access)
            self.latent[:, 0] = self.network.represent(torch.from_numpy(views.seen), access)
            logits, _ = self.network(torch.from_numpy(views.seen), access)
            _, value = self.network.predict(self.latent[:, 0])
        return logits.double().numpy(), value.double().numpy()

    def leaves(self, roots: lanes.State, searched: tree.Trees) -> None:
        """Grow every tree by one imagined step."""
        games = np.arange(len(self.over))
        last = np.maximum(searched.depth - 1, 0)
        parent, move = searched.path_node[games, last], searched.path_move[games, last]
        with torch.inference_mode():
            before = self.latent[torch.from_numpy(games), torch.from_numpy(parent)]
            after, reward = self.network.step(before, torch.from_numpy(np.maximum(move, 0)))
            logits, value = self.network.predict(after)
            leaf = np.minimum(searched.count, self.latent.shape[1] - 1)
            self.latent[torch.from_numpy(games), torch.from_numpy(leaf)] = after
        tree.grow(
            searched,
            logits.double().numpy(),
            self.legal,
            value.double().numpy(),
            self.over,
            reward.double().numpy(),
        )


def evaluate(network: Network, views: _Views) -> tuple[np.ndarray, np.ndarray]:
    """Logits [B, 3] and values [B], float64."""
    with torch.inference_mode():
        logits, value = network(torch.from_numpy(views.seen), torch.from_numpy(views.access))
    return logits.double().numpy(), value.double().numpy()


def play(match: Match, network: Network, config: Config, round_: int, piece: int) -> list[Episode]:
    """The episodes of one piece of a round."""
    return _Play(match, network, config, round_, piece).run()


class _Play:
    def __init__(self, match: Match, network: Network, config: Config, round_: int, piece: int) -> None:
        self.match, self.network, self.config = match, network.eval(), config
        self.random = np.random.default_rng([config.seed, round_, piece])
        count = config.lanes
        self.games = lanes.stack(match.game, count)
        self.views = _Views.of(count)
        heat = np.geomspace(1.0, max(config.coolest, 1e-3), max(count - 1, 1))
        self.heat = np.append(0.0, heat)[:count]
        self.moves = np.zeros(count, np.int64)
        self.targets = np.zeros((count, MOVES))
        self.searches = config.simulations > 0 and round_ > 0  # no value is known before the first round
        if self.searches:
            self.trees = tree.trees(count, config.simulations)
            self.wanted = tree.schedule(config.simulations)
            if config.dynamics == "learned":
                assert isinstance(network, LearnedModel)
                self.leaves = Dream(network, count, config.simulations)
            else:
                self.leaves = Simulator(match, network, count)

    def run(self) -> list[Episode]:
        match, views = self.match, self.views
        lanes.start_all(match.tables, self.games)
        steps: list[tuple[np.ndarray, ...]] = []
        while True:
            lanes.observe_all(match.tables, self.games, match.facts, views.seen, views.access, views.legal)
            if not views.legal.any():
                break
            gumbels = self.random.gumbel(size=(self.config.lanes, MOVES)) * self.heat[:, None]
            if self.searches and self.random.random() < self.config.searched:
                self._search(gumbels)
            else:
                self._follow(gumbels)
            score = self.games.score_s[:, 0].copy()
            kept = (self.moves, self.targets, views.seen, views.access, views.legal)
            steps.append((*(array.copy() for array in kept), score))
            lanes.decide_all(match.tables, self.games, self.moves)
        return self._episodes(steps)

    def _search(self, gumbels: np.ndarray) -> None:
        scale = self.config.scale * float(self.network.spread)
        logits, value = self.leaves.root(self.views)
        tree.plant(self.trees, logits, self.views.legal, value)
        for at in range(self.config.simulations):
            tree.descend(self.trees, gumbels, self.wanted[:, at], scale)
            self.leaves.leaves(self.games, self.trees)
        tree.conclude(self.trees, gumbels, scale, self.moves, self.targets)

    def _follow(self, gumbels: np.ndarray) -> None:
        logits, _ = evaluate(self.network, self.views)
        legal = self.views.legal
        self.moves[:] = np.where(legal, logits + gumbels, LOW).argmax(1)
        self.moves[~legal.any(1)] = -1
        self.targets[:] = 0.0

    def _episodes(self, steps: list[tuple[np.ndarray, ...]]) -> list[Episode]:
        if not steps:  # a program without a decision
            return [self.match.episode(np.zeros(0, np.int64)) for _ in range(self.config.lanes)]
        moves, targets, seen, access, legal, score = (np.stack(each) for each in zip(*steps, strict=True))
        final = self.games.score_s[:, 0]
        scale = self.match.facts.all_slow_s
        episodes = []
        for b in range(self.config.lanes):
            n = int((moves[:, b] >= 0).sum())
            remaining = ((final[b] - score[:n, b]) / scale).astype(np.float32)
            episodes.append(
                Episode(
                    moves[:n, b].copy(),
                    targets[:n, b].astype(np.float32),
                    seen[:n, b].copy(),
                    access[:n, b].copy(),
                    legal[:n, b].copy(),
                    remaining,
                    float(final[b] / scale),
                )
            )
        return episodes
