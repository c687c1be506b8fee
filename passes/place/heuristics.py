"""The players that are there to be compared with: heuristics, and evolution over orders."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from . import msa, playouts, search
from .board import Board, Desk
from .effort import SLICES, Budget, Clock, Found, Patience, Player, Progress, parts, tell
from .game import Game
from .plan import MemoryMap
from .problem import Machine, Problem

POPULATION = 20
RANDOM_GAMES = 20


def all_slow(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """Everything in slow memory."""
    desk, clock = Desk(problem, machine), Clock()
    plan = desk.memory_map(desk.empty())
    clock.note([plan.latency_s])
    return clock.found(plan)


def random(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The best of some random games; ``mean_s`` is their mean."""
    game, clock, plans = Game(problem, machine), Clock(), []
    for number in range(RANDOM_GAMES):
        seed = (budget.seed * RANDOM_GAMES + number) % (1 << 32)
        clock.note([playouts.play_random(game.tables, game.state, seed)])
        plans.append(game.memory_map())
    mean = float(np.mean([plan.latency_s for plan in plans]))
    return clock.found(fastest(plans), mean_s=mean)


def greedy(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The move that saves most at once."""
    game, clock = Game(problem, machine), Clock()
    clock.note([playouts.play_greedy(game.tables, game.state)])
    return clock.found(game.memory_map())


def insertion(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """Tensors by benefit / √size, kept if the latency does not rise."""
    clock = Clock()
    game, curve = playouts.insertion(problem, machine)
    clock.note(curve)
    return clock.found(game.memory_map())


def assignment(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """XLA's memory-space assignment, with repacking."""
    desk, clock = Desk(problem, machine), Clock()
    run = msa.Assignment(desk)
    plan = desk.memory_map(run.run(), repacks=run.repacks)
    clock.note([plan.latency_s])
    return clock.found(plan)


def orders(desk: Desk, game: Game, seed: int) -> np.ndarray:
    """A population [P, classes]: by priority, in XLA's order, and by chance."""
    generator = np.random.default_rng(seed)
    known = [playouts.by_priority(game), msa.priorities(desk)]
    chance = [generator.permutation(desk.classes) for _ in range(POPULATION - len(known))]
    return np.array([*known, *chance])


def evolution(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """Evolution over orders that best fit decodes, a stay lasting as long as its tensor lives."""
    return _evolved("evolution", problem, machine, budget, progress)


def evicting(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The same with the decoder of ruin and recreate: stays may end early, and tensors come back."""
    return _evolved("evolution-evict", problem, machine, budget, progress)


def _evolved(
    name: str, problem: Problem, machine: Machine, budget: Budget, progress: Progress | None
) -> Found:
    """From the plans of greedy and insertion, the heuristics' orders and random ones."""
    desk, clock = Desk(problem, machine), Clock()
    plans = played((greedy, insertion), problem, machine, budget, clock)
    best = desk.empty()
    evolve(
        desk, best, name == "evolution", budget.evaluations - clock.evaluations, clock, budget, name, progress
    )
    return clock.found(fastest([*plans, desk.memory_map(best)]))


def evolve(
    desk: Desk,
    best: Board,
    whole: bool,
    evaluations: int,
    clock: Clock,
    budget: Budget,
    name: str = "",
    progress: Progress | None = None,
) -> None:
    """Evolution from the heuristics' orders and random ones; ``best`` takes the best plan.

    Args:
        desk: the problem.
        best: an empty board.
        whole: stays last as long as their tensors live.
        evaluations: how many.
        clock, budget: where they are noted, and the seed.
        name, progress: of whom to tell, and whom.
    """
    population = orders(desk, Game(desk.problem, desk.machine), budget.seed)
    fitness, patience = np.full(len(population), np.inf), Patience(clock, budget.depth)
    for part, count in enumerate(parts(evaluations)):
        seed = (budget.seed * SLICES + part) % (1 << 32)
        clock.note(search.evolve(desk, best, population, fitness, whole, seed, count))
        tell(progress, name, clock, budget)
        if patience.ends():
            return


def played(
    players: Iterable[Player], problem: Problem, machine: Machine, budget: Budget, clock: Clock
) -> list[MemoryMap]:
    """The plans of some players, their evaluations noted."""
    plans = []
    for player in players:
        found = player(problem, machine, budget, None)
        clock.note([each[2] for each in found.curve] + [np.inf] * (found.evaluations - len(found.curve)))
        plans.append(found.plan)
    return plans


def fastest(plans: Iterable[MemoryMap]) -> MemoryMap:
    """The plan of least latency."""
    return min(plans, key=lambda plan: plan.latency_s)
