"""Training an agent, start to end: rounds on an engine, a checkpoint after each, a bar that says how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..problem import Machine, Problem
from .config import Config
from .engines import spread
from .run import Point, Run

Progress = Callable[[str, float, float | None], None]


def train(
    problem: Problem,
    machine: Machine,
    config: Config | None = None,
    *,
    workers: int = 1,
    engine: str = "local",
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    told: Callable[[Point], None] | None = None,
) -> Run:
    """Train an agent on one program.

    Args:
        problem, machine: what it plays.
        config: how; `Config()` where omitted.
        workers: processes that play; at most one a piece of a round has any use.
        engine: ``local`` processes, or ``ray``.
        checkpoint: file written after every round, and gone on from if it is there.
        progress: takes what is being done, how far, of how much.
        told: takes every new point of the learning curve.

    Raises:
        InputError: a checkpoint that is none or belongs to another run; an unknown engine.
        ToolMissing: Ray is asked for and not installed.
    """
    with one_thread():
        return _train(problem, machine, config or Config(), workers, engine, checkpoint, progress, told)


@contextmanager
def one_thread() -> Iterator[None]:
    """Small batches gain nothing from threads, and their number may change the last bit of a sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    problem: Problem,
    machine: Machine,
    config: Config,
    workers: int,
    engine: str,
    checkpoint: str | Path | None,
    progress: Progress | None,
    told: Callable[[Point], None] | None,
) -> Run:
    run = Run(problem, machine, config)
    if checkpoint is not None and Path(checkpoint).exists():
        run.load(checkpoint)
    total, first, begun = run.config.iterations, run.round, time.perf_counter()
    with spread(run.match, run.config, workers, engine) as plays:
        while run.round < total:
            point = run.advance(plays)
            if checkpoint is not None:
                run.save(checkpoint)
            if told is not None:
                told(point)
            if progress is not None:
                each = (time.perf_counter() - begun) / (run.round - first)
                left = each * (total - run.round)
                progress(f"agent: {point.best:.4f}x, {left:.0f} s left", run.round, total)
    return run
