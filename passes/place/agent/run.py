"""A training run: rounds of self-play and learning on one problem; saved and resumed to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....ir.errors import InputError
from ....ir.files import whole
from ..game import Game
from ..plan import MemoryMap
from ..problem import Machine, Problem, machine_json
from . import demonstrations, learn
from .config import Config
from .engines import Packed, Plays, network_for, spread, unpack
from .episodes import Episode, Match

SCHEMA = 1


@dataclass(frozen=True)
class Point:
    """One round on the learning curve; speed-ups over everything in slow memory."""

    round: int
    episodes: int
    mean: float
    best_of_round: float
    best: float
    greedy: float
    value_error: float
    policy_loss: float


def _speedup(score: float) -> float:
    """Over everything in slow memory, of a return in shares of its latency."""
    return 1.0 / (1.0 - score) if score < 1.0 else float("inf")


class Run:
    """An agent in training.

    Args:
        problem, machine: what it plays.
        config: how.
    """

    def __init__(self, problem: Problem, machine: Machine, config: Config) -> None:
        self.problem, self.machine, self.config = problem, machine, config
        self.match = Match(Game(problem, machine, config.variant))
        self.network = network_for(problem, config)
        self.step = learn.optimiser(self.network, config)
        self.round = 0
        self.replay: list[list[Episode]] = []
        self.elite: list[Episode] = []
        self.curve: list[Point] = []

    def _warm_up(self) -> None:
        """Clone priority insertion, if the config says so."""
        if self.config.warm:
            shown = demonstrations.demonstration(self.match)
            if shown is not None:
                learn.clone(self.network, self.config, shown)

    def advance(self, plays: Plays | None = None) -> Point:
        """One round: play (here, unless told where), keep the best, learn."""
        if self.round == 0:
            self._warm_up()
        if plays is None:
            with spread(self.match, self.config, 1) as here:
                episodes = here(self.network, self.round)
        else:
            episodes = plays(self.network, self.round)
        self.replay = [*self.replay, episodes][-self.config.memory :]
        self._keep(episodes)
        value_error = policy_loss = 0.0
        if len(self.best.moves):  # a program with no decision has nothing to learn
            data = learn.samples([each for round_ in self.replay for each in round_])
            learn.anchor(self.network, data)
            elite = learn.samples(self.elite)
            value_error, policy_loss = learn.improve(
                self.network, self.step, self.config, self.round, data, elite
            )
        scores = [each.score for each in episodes]
        before = self.curve[-1].episodes if self.curve else 0
        point = Point(
            self.round,
            before + len(episodes),
            _speedup(float(np.mean(scores))),
            _speedup(max(scores)),
            _speedup(self.best.score),
            _speedup(scores[0]),
            value_error,
            policy_loss,
        )
        self.curve.append(point)
        self.round += 1
        return point

    @property
    def best(self) -> Episode:
        """The best episode it played.

        Raises:
            InputError: it has not played.
        """
        if not self.elite:
            raise InputError(
                "the agent has not played yet", where=self.problem.name, accepted="1 round or more"
            )
        return self.elite[0]

    def memory_map(self) -> MemoryMap:
        """The best episode as a plan."""
        return self.match.finish(self.best.moves).memory_map()

    def _keep(self, episodes: Sequence[Episode]) -> None:
        """Merge into the elite: best first, earlier first among equals, no game twice."""
        seen: set[bytes] = set()
        merged = []
        for each in sorted([*self.elite, *episodes], key=lambda each: -each.score):
            if each.moves.tobytes() not in seen:
                seen.add(each.moves.tobytes())
                merged.append(each)
        self.elite = merged[: self.config.elite]

    @property
    def key(self) -> str:
        """What a checkpoint belongs to: hash of problem, machine and config, its length left out."""
        config = {name: value for name, value in self.config.to_json().items() if name != "iterations"}
        data = [self.problem.sha256, machine_json(self.machine), config]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write a checkpoint, under a temporary name first; replays bring observations back."""
        data = {
            "schema": SCHEMA,
            "key": self.key,
            "problem": self.problem.name,
            "round": self.round,
            "network": self.network.state_dict(),
            "step": self.step.state_dict(),
            "replay": [[_pack(each) for each in round_] for round_ in self.replay],
            "elite": [_pack(each) for each in self.elite],
            "curve": [vars(point) for point in self.curve],
        }
        with whole(path) as scratch:
            torch.save(data, scratch)

    def load(self, path: str | Path) -> None:
        """Go on from a checkpoint.

        Raises:
            InputError: it is not one, or of another problem, machine or config.
        """
        data = _read(path)
        if data["key"] != self.key:
            raise InputError(
                f"a checkpoint of {data['problem']} with other settings, another machine or program",
                where=str(path),
                accepted=f"one of {self.problem.name} as trained here; or another file name to start anew",
            )
        self.network.load_state_dict(data["network"])
        self.step.load_state_dict(data["step"])
        self.round = data["round"]
        self.replay = [[self._unpack(each) for each in round_] for round_ in data["replay"]]
        self.elite = [self._unpack(each) for each in data["elite"]]
        self.curve = [Point(**point) for point in data["curve"]]

    def _unpack(self, packed: tuple[torch.Tensor, torch.Tensor]) -> Episode:
        arrays: Packed = (packed[0].numpy(), packed[1].numpy())
        return unpack(self.match, arrays)


def _pack(episode: Episode) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(episode.moves.astype(np.int8)), torch.from_numpy(episode.targets)


def _read(path: str | Path) -> dict[str, Any]:
    try:
        data = torch.load(path, weights_only=True)
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), accepted="a checkpoint of the agent") from error
    except Exception as error:  # whatever unpickling a foreign file raises
        raise InputError("not a checkpoint", where=str(path), accepted="a checkpoint of the agent") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError("not a checkpoint of this version", where=str(path), accepted=f"schema {SCHEMA}")
    return data
