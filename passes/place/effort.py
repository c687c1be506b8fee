"""What players may spend, and how they account for it.

An evaluation is a whole plan priced, or a whole game played.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .plan import MemoryMap
from .problem import Machine, Problem

Progress = Callable[[str, float, float | None], None]
EVALUATIONS = 2000
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
    """How much a player may do.

    Attributes:
        evaluations: plans priced or games played.
        seed: of what is random.
        training: where it learns, if it does.
        pinned: tensors to hold in fast memory all their lives; the hybrid alone takes them.
    """

    evaluations: int = EVALUATIONS
    seed: int = 0
    training: Training = Training()
    pinned: tuple[int, ...] = ()


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


class Clock:
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
        """A plan with what it took."""
        seconds = time.perf_counter() - self.start
        return Found(plan, self.evaluations, seconds, tuple(self.curve), extra)


Player = Callable[[Problem, Machine, Budget, Progress | None], Found]


def parts(evaluations: int) -> list[int]:
    """A number of evaluations in slices."""
    bounds = np.linspace(0, max(evaluations, 0), SLICES + 1).astype(int)
    return [int(count) for count in np.diff(bounds) if count]


def tell(progress: Progress | None, name: str, clock: Clock, budget: Budget) -> None:
    """Say how far a player is."""
    if progress is not None:
        progress(f"{name}: {clock.best * 1e6:.1f} µs", clock.evaluations, budget.evaluations)
