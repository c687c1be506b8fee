"""What players may spend, and how they account for it.

An evaluation is a whole plan priced, or a whole game played.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ...ir.errors import InputError
from .plan import MemoryMap
from .problem import Machine, Problem

Progress = Callable[[str, float, float | None], None]
EVALUATIONS = 2000
SLICES = 20
"""Parts a search runs in, to show progress."""
GAIN = 1e-5
"""What a part must find, relative, to have found anything."""


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
class Depth:
    """When the hybrid leaves off before its evaluations are spent: by what it found, never by the clock.

    Attributes:
        near: relative distance to the proved bound at which a plan is good enough; 0: it does not ask.
        patience: parts of a search in a row that may gain less than `GAIN`.
        cells: instructions × tensors of the largest problem that is stated as a program.
        node_cells: nodes × cells of that program.
        mended: neighbourhoods at most where it is not solved in them.
        idle: of those in a row that find nothing better.
    """

    near: float
    patience: int
    cells: int
    node_cells: int
    mended: int
    idle: int


FULL = Depth(0.0, SLICES, 80_000, 400_000, 40, 10)
"""Everything that may help: a minute where the program meets its limit, ten to twenty seconds of it there."""
QUICK = Depth(1e-3, 5, 4_000, 100_000, 0, 0)
"""A few seconds: the program where it takes no longer."""
EFFORTS: Mapping[str, tuple[Depth, int]] = {"quick": (QUICK, 20_000), "full": (FULL, EVALUATIONS)}
"""How far by name, and of how many evaluations where nobody says: those of the searches are cheap."""


@dataclass(frozen=True)
class Budget:
    """How much a player may do.

    Attributes:
        evaluations: plans priced or games played.
        seed: of what is random.
        training: where it learns, if it does.
        pinned: tensors to hold in fast memory all their lives; the hybrid alone takes them.
        depth: where the hybrid leaves off.
    """

    evaluations: int = EVALUATIONS
    seed: int = 0
    training: Training = Training()
    pinned: tuple[int, ...] = ()
    depth: Depth = FULL

    @classmethod
    def of(
        cls, player: str, effort: str, evaluations: int = 0, seed: int = 0, training: Training | None = None
    ) -> Budget:
        """A player's budget by the name of an effort, which the hybrid alone has; 0 evaluations: the usual.

        Raises:
            InputError: no such effort.
        """
        if effort not in EFFORTS:
            raise InputError(f"no effort {effort!r}", where="memory map", accepted=", ".join(EFFORTS))
        depth, usual = EFFORTS[effort if player == "hybrid" else "full"]
        return cls(evaluations or usual, seed, training or Training(), depth=depth)


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

    def gained(self, before: float) -> bool:
        """Whether the best latency is lower than it was, by more than `GAIN`."""
        return self.best < before * (1 - GAIN)

    def found(self, plan: MemoryMap, **extra: float) -> Found:
        """A plan with what it took."""
        seconds = time.perf_counter() - self.start
        return Found(plan, self.evaluations, seconds, tuple(self.curve), extra)


Player = Callable[[Problem, Machine, Budget, Progress | None], Found]


def parts(evaluations: int) -> list[int]:
    """A number of evaluations in slices."""
    bounds = np.linspace(0, max(evaluations, 0), SLICES + 1).astype(int)
    return [int(count) for count in np.diff(bounds) if count]


class Patience:
    """How long a search goes on without finding anything.

    Args:
        clock: the best it found.
        depth: how many parts may gain nothing.
    """

    def __init__(self, clock: Clock, depth: Depth) -> None:
        self.clock, self.most, self.idle, self.best = clock, depth.patience, 0, clock.best

    def ends(self) -> bool:
        """Whether the part that has just run is the last."""
        self.idle = 0 if self.clock.gained(self.best) else self.idle + 1
        self.best = self.clock.best
        return self.idle >= self.most


def tell(progress: Progress | None, name: str, clock: Clock, budget: Budget) -> None:
    """Say how far a player is."""
    if progress is not None:
        progress(f"{name}: {clock.best * 1e6:.1f} µs", clock.evaluations, budget.evaluations)
