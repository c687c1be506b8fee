"""The agent as a player beside the others: trained on the program it is asked to map, and on nothing else."""

from __future__ import annotations

import os
import time

from ..players import Budget, Found, Progress
from ..problem import Machine, Problem
from . import curves
from .config import Config
from .run import Point
from .train import train

JOBS, LANES = 2, 32
"""Games a round: pieces for as many processes, and games in each."""


def play(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """Train for as many games as the budget allows, whole rounds; the best game it played.

    Raises:
        InputError: a checkpoint of another run, an unknown engine.
        ToolMissing: Ray is asked for and not installed.
    """
    how = budget.training
    lanes = min(LANES, budget.evaluations)
    jobs = min(JOBS, budget.evaluations // lanes)
    rounds = budget.evaluations // (lanes * jobs)
    config = Config(seed=budget.seed, iterations=rounds, jobs=jobs, lanes=lanes)
    start, points = time.perf_counter(), []

    def told(point: Point) -> None:
        points.append((point, time.perf_counter() - start))

    run = train(
        problem,
        machine,
        config,
        workers=how.workers or os.cpu_count() or 1,
        engine=how.engine,
        checkpoint=how.checkpoint,
        progress=progress,
        told=told,
    )
    if how.curve is not None:
        curves.write(how.curve, run.curve)
    all_slow, best, curve = run.match.game.all_slow_s, 0.0, []
    for point, seconds in points:
        if point.best > best:
            best = point.best
            curve.append((point.episodes, seconds, all_slow / best))
    return Found(run.memory_map(), run.curve[-1].episodes, time.perf_counter() - start, tuple(curve))
