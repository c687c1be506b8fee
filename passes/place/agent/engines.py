"""Where self-play runs: here, on processes of this machine, or on Ray's workers.

A piece of self-play is a function of weights, config, round and number, so the episodes are the same wherever
and in whatever order pieces run. Workers answer with decisions; observations come back by replaying them.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ....ir.errors import InputError, ToolMissing
from ..game import Game
from ..problem import Machine, Problem
from . import selfplay
from .config import Config
from .episodes import Episode, Match
from .network import LearnedModel, Network

ENGINES = ("local", "ray")

Weights = dict[str, np.ndarray]
Packed = tuple[np.ndarray, np.ndarray]
Task = tuple[Weights, int, int]
"""Weights, round, piece."""


def network_for(problem: Problem, config: Config) -> Network:
    """An untrained network of the kind the config asks for, the same every time."""
    kind = LearnedModel if config.dynamics == "learned" else Network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return kind(max(1, len(problem.accesses)))


class Actor:
    """Plays pieces of one problem's self-play."""

    def __init__(self, problem: Problem, machine: Machine, config: Config) -> None:
        torch.set_num_threads(1)
        self.config = config
        self.match = Match(Game(problem, machine, config.variant))
        self.network = network_for(problem, config)

    def play(self, task: Task) -> list[Packed]:
        """Decisions and targets of every episode of a piece."""
        weights, round_, piece = task
        self.network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        episodes = selfplay.play(self.match, self.network, self.config, round_, piece)
        return [(each.moves.astype(np.int8), each.targets) for each in episodes]


_actor: Actor | None = None


def _start(problem: Problem, machine: Machine, config: Config) -> None:
    global _actor
    _actor = Actor(problem, machine, config)


def _play(task: Task) -> list[Packed]:
    assert _actor is not None
    return _actor.play(task)


def unpack(match: Match, packed: Packed) -> Episode:
    """An episode from its decisions."""
    moves, targets = packed
    return match.episode(moves.astype(np.int64), targets)


Plays = Callable[[Network, int], list[Episode]]
"""Plays all pieces of a round, in order."""


@contextmanager
def spread(match: Match, config: Config, workers: int, engine: str = "local") -> Iterator[Plays]:
    """Self-play on so many workers; with one, in this process.

    Raises:
        InputError: no such engine, or no worker.
        ToolMissing: Ray is asked for and not installed.
    """
    if engine not in ENGINES or workers < 1:
        raise InputError(
            f"engine {engine!r}, {workers} workers",
            where="agent",
            accepted=f"{', '.join(ENGINES)}; 1 worker or more",
        )

    def here(network: Network, round_: int) -> list[Episode]:
        pieces = range(config.jobs)
        return [e for piece in pieces for e in selfplay.play(match, network, config, round_, piece)]

    def there(over: Callable[[list[Task]], list[list[Packed]]]) -> Plays:
        def play(network: Network, round_: int) -> list[Episode]:
            weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
            answers = over([(weights, round_, piece) for piece in range(config.jobs)])
            return [unpack(match, packed) for answer in answers for packed in answer]

        return play

    players = (match.game.problem, match.game.machine, config)
    if engine == "ray":
        with _ray(players, min(workers, config.jobs)) as over:
            yield there(over)
    elif min(workers, config.jobs) == 1:
        yield here
    else:
        context = multiprocessing.get_context("spawn")
        with context.Pool(min(workers, config.jobs), _start, players) as pool:
            yield there(lambda tasks: pool.map(_play, tasks, chunksize=1))


@contextmanager
def _ray(
    players: tuple[Problem, Machine, Config], workers: int
) -> Iterator[Callable[[list[Task]], list[list[Packed]]]]:
    try:
        import ray  # pyright: ignore[reportMissingImports]
        from ray.util import ActorPool  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ToolMissing("Ray is not installed", accepted="pip install 'penstock[explore]'") from error
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, num_cpus=workers)
    try:
        kind = ray.remote(Actor)
        pool = ActorPool([kind.remote(*players) for _ in range(workers)])
        yield lambda tasks: list(pool.map(lambda actor, task: actor.play.remote(task), tasks))
    finally:
        if started:
            ray.shutdown()
