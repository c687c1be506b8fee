"""The players by name: each maps a problem, and says how much it evaluated and how it got there.

An evaluation is a whole plan priced, or a whole game played. Every plan is judged by the verifier before it
is handed out. The hybrid is the best of the heuristics' plans, improved by ruin and recreate within what is
left of the same budget, so it is never worse than any of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ...ir.errors import InputError, PlanError
from . import msa, playouts, search
from .board import Board, Desk
from .bound import lower_bound_s
from .exact import solve_exactly
from .game import Game
from .neighbourhood import improve
from .plan import MemoryMap
from .problem import Machine, Problem
from .simulate import queued
from .verify import verify

Progress = Callable[[str, float, float | None], None]
EVALUATIONS = 2000
POPULATION = 20
RANDOM_GAMES = 20
HEAT = 0.0005
"""Relative tolerance for worse plans at the start of ruin and recreate."""
ROUNDS = 12
"""Neighbourhoods that are solved."""
EXACT_S = 20.0
"""Time limit of CP-SAT."""
SLICES = 20
"""Parts a search runs in, to show progress."""


@dataclass(frozen=True)
class Training:
    """Where a player that learns does so.

    Attributes:
        engine: ``local`` processes, or ``ray``.
        workers: processes; 0: as many as there are cores. The result does not depend on them.
        checkpoint: file to write after every round, and to go on from.
        curve: file for the learning curve: .json, .svg or .png.
    """

    engine: str = "local"
    workers: int = 0
    checkpoint: str | None = None
    curve: str | None = None


@dataclass(frozen=True)
class Budget:
    """How much a player may do: evaluations, the seed of what is random, and where it learns, if it does."""

    evaluations: int = EVALUATIONS
    seed: int = 0
    training: Training = Training()


@dataclass(frozen=True)
class Found:
    """What a player found.

    Attributes:
        plan: the mapping.
        evaluations: plans priced or games played.
        seconds: wall time.
        curve: (evaluations, seconds, latency) wherever the best latency fell.
        extra: the player's own figures.
    """

    plan: MemoryMap
    evaluations: int
    seconds: float
    curve: tuple[tuple[int, float, float], ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)


class _Clock:
    """Notes evaluations and the best latency."""

    def __init__(self) -> None:
        self.start, self.evaluations, self.best = time.perf_counter(), 0, np.inf
        self.curve: list[tuple[int, float, float]] = []

    def note(self, latencies: np.ndarray | list[float]) -> None:
        """Latencies of a batch of evaluations that ends now."""
        begun = self.curve[-1][1] if self.curve else 0.0
        now = time.perf_counter() - self.start
        for number, latency in enumerate(latencies, 1):
            self.evaluations += 1
            if latency < self.best:
                self.best = float(latency)
                at = begun + (now - begun) * number / len(latencies)
                self.curve.append((self.evaluations, at, self.best))

    def found(self, plan: MemoryMap, **extra: float) -> Found:
        seconds = time.perf_counter() - self.start
        return Found(plan, self.evaluations, seconds, tuple(self.curve), extra)


def all_slow(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """Everything in slow memory."""
    desk, clock = Desk(problem, machine), _Clock()
    plan = desk.memory_map(desk.empty())
    clock.note([plan.latency_s])
    return clock.found(plan)


def random(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The best of some random games; ``mean_s`` is their mean."""
    game, clock, plans = Game(problem, machine), _Clock(), []
    for number in range(RANDOM_GAMES):
        seed = (budget.seed * RANDOM_GAMES + number) % (1 << 32)
        clock.note([playouts.play_random(game.tables, game.state, seed)])
        plans.append(game.memory_map())
    mean = float(np.mean([plan.latency_s for plan in plans]))
    return clock.found(min(plans, key=lambda plan: plan.latency_s), mean_s=mean)


def greedy(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The move that saves most at once."""
    game, clock = Game(problem, machine), _Clock()
    clock.note([playouts.play_greedy(game.tables, game.state)])
    return clock.found(game.memory_map())


def insertion(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """Tensors by benefit / √size, kept if the latency does not rise."""
    clock = _Clock()
    game, curve = playouts.insertion(problem, machine)
    clock.note(curve)
    return clock.found(game.memory_map())


def assignment(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """XLA's memory-space assignment, with repacking."""
    desk, clock = Desk(problem, machine), _Clock()
    run = msa.Assignment(desk)
    plan = desk.memory_map(run.run(), repacks=run.repacks)
    clock.note([plan.latency_s])
    return clock.found(plan)


def _orders(desk: Desk, game: Game, seed: int) -> np.ndarray:
    """A population: by priority, in XLA's order, and by chance."""
    generator = np.random.default_rng(seed)
    known = [playouts.by_priority(game), msa.priorities(desk)]
    chance = [generator.permutation(desk.classes) for _ in range(POPULATION - len(known))]
    return np.array([*known, *chance])


def evolution(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """Evolution over orders that best fit decodes, from the heuristics' orders and random ones."""
    desk, clock, best = Desk(problem, machine), _Clock(), None
    best, work = desk.empty(), desk.empty()
    orders = _orders(desk, Game(problem, machine), budget.seed)
    fitness = np.full(len(orders), np.inf)
    for part, count in enumerate(_parts(budget.evaluations)):
        curve = np.zeros(count)
        seed = (budget.seed * SLICES + part) % (1 << 32)
        search.evolve(desk.tables, desk.lists, work, best, orders, fitness, seed, _NO_BOOK, curve)
        clock.note(curve)
        _tell(progress, "evolution", clock, budget)
    return clock.found(desk.memory_map(best))


def hybrid(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The best heuristic's plan, improved by ruin and recreate; all within one budget."""
    desk, clock = Desk(problem, machine), _Clock()
    plans, best = _heuristics_and_recreated(desk, clock, budget, progress)
    return clock.found(min([*plans, desk.memory_map(best)], key=lambda each: each.latency_s))


def neighbourhoods(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The hybrid, then some rounds of large-neighbourhood search by CP-SAT, an evaluation each.

    Alias classes of several members are left to the hybrid.
    """
    desk, clock = Desk(problem, machine), _Clock()
    plans, best = _heuristics_and_recreated(desk, clock, budget, progress)
    if not desk.tables.shared.any():
        for number in range(ROUNDS):
            clock.note(improve(desk, best, 1, budget.seed * ROUNDS + number))
            if progress is not None:
                progress(f"neighbourhoods: {clock.best * 1e6:.1f} µs", number + 1, ROUNDS)
    return clock.found(min([*plans, desk.memory_map(best)], key=lambda each: each.latency_s))


def _heuristics_and_recreated(
    desk: Desk, clock: _Clock, budget: Budget, progress: Progress | None
) -> tuple[list[MemoryMap], Board]:
    """The heuristics' plans, and the board that ruin and recreate makes of the best order or assignment."""
    problem, machine = desk.problem, desk.machine
    plans = []
    for player in (all_slow, greedy, insertion, assignment):
        found = player(problem, machine, budget, None)
        clock.note([each[2] for each in found.curve] + [np.inf] * (found.evaluations - len(found.curve)))
        plans.append(found.plan)
    starts: list[tuple[float, Board]] = [(plans[-1].latency_s, msa.Assignment(desk).run())]
    for order in _orders(desk, Game(problem, machine), budget.seed):
        board = desk.empty()
        starts.append((search.decode(desk.tables, desk.lists, board, order, _NO_BOOK), board))
    clock.note([latency for latency, _ in starts])
    start = min(starts, key=lambda start: start[0])[1]
    return plans, _recreate(desk, start, clock, budget, progress)


def _recreate(desk: Desk, board: Board, clock: _Clock, budget: Budget, progress: Progress | None) -> Board:
    """The best plan that ruin and recreate finds from one, with the evaluations left."""
    best, work = desk.empty(), desk.empty()
    search.copy_to(best, board)
    worth, height = search.measures(desk)
    parts = _parts(budget.evaluations - clock.evaluations)
    for part, count in enumerate(parts):
        curve = np.zeros(count)
        seed = (budget.seed * SLICES + part) % (1 << 32)
        heat = HEAT * np.array([1 - part / len(parts), 1 - (part + 1) / len(parts)])
        search.ruin_and_recreate(
            desk.tables, desk.lists, board, best, work, worth, height, heat, seed, _NO_BOOK, curve
        )
        clock.note(curve)
        _tell(progress, "hybrid", clock, budget)
    return best


def exact(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """CP-SAT from the hybrid's plan on; ``proved_s`` is its bound, ``optimal`` 1 where the plan meets it."""
    first, clock = hybrid(problem, machine, budget, progress), _Clock()
    if progress is not None:
        progress("exact: CP-SAT", 0, None)
    desk = Desk(problem, machine)
    solved = solve_exactly(desk, start=first.plan, time_limit_s=EXACT_S, seed=budget.seed)
    made = desk.memory_map(solved.board)
    clock.note([first.plan.latency_s] * first.evaluations + [made.latency_s])
    plan = min(first.plan, made, key=lambda each: each.latency_s)
    return clock.found(plan, proved_s=solved.bound_s, optimal=float(solved.optimal))


_NO_BOOK = np.zeros((0, 0))


def _parts(evaluations: int) -> list[int]:
    """A budget in slices."""
    bounds = np.linspace(0, max(evaluations, 0), SLICES + 1).astype(int)
    return [int(count) for count in np.diff(bounds) if count]


def _tell(progress: Progress | None, name: str, clock: _Clock, budget: Budget) -> None:
    if progress is not None:
        progress(f"{name}: {clock.best * 1e6:.1f} µs", clock.evaluations, budget.evaluations)


PLAYERS: Mapping[str, Callable[[Problem, Machine, Budget, Progress | None], Found]] = {
    "all-slow": all_slow,
    "random": random,
    "greedy": greedy,
    "insertion": insertion,
    "msa": assignment,
    "evolution": evolution,
    "hybrid": hybrid,
    "lns": neighbourhoods,
    "exact": exact,
}


def _agent(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    from .agent.player import play  # brings PyTorch along

    return play(problem, machine, budget, progress)


TRAINED: Mapping[str, Callable[[Problem, Machine, Budget, Progress | None], Found]] = {"agent": _agent}
"""Players that learn a program before they map it, which takes minutes."""


@dataclass(frozen=True)
class Result:
    """A player's plan with everything that judges it.

    Attributes:
        player, found: who, and what.
        all_slow_s, bound_s: latencies of no mapping and of any.
        queued_s: latency with copies that queue, beside the plan's own.
    """

    player: str
    found: Found
    all_slow_s: float
    bound_s: float
    queued_s: float

    @property
    def latency_s(self) -> float:
        """Of the plan."""
        return self.found.plan.latency_s

    @property
    def speedup(self) -> float:
        """Over everything in slow memory; 1 for a program that takes no time."""
        return self.all_slow_s / self.latency_s if self.latency_s else 1.0


def solve(
    problem: Problem,
    machine: Machine,
    player: str = "hybrid",
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Result:
    """Let a player map a problem, and have the verifier judge its plan.

    Raises:
        InputError: no such player, or a budget below 1 evaluation.
        PlanError: the verifier refuses the plan, which is a mistake of ours.
    """
    known = {**PLAYERS, **TRAINED}
    if player not in known:
        raise InputError(f"no player {player!r}", where="memory map", accepted=", ".join(known))
    allowed = budget or Budget()
    if allowed.evaluations < 1 or allowed.seed < 0:
        raise InputError(
            f"{allowed.evaluations} evaluations, seed {allowed.seed}",
            where="memory map",
            accepted="1 evaluation or more, a seed from 0 up",
        )
    found = known[player](problem, machine, allowed, progress)
    verdict = verify(problem, machine, found.plan)
    if not verdict.ok:
        raise PlanError(f"{player}'s plan breaks a rule: {verdict.faults[0]}", where=problem.name)
    return Result(
        player,
        found,
        verdict.all_slow_s,
        lower_bound_s(problem, machine),
        queued(problem, machine, found.plan).latency_s,
    )
