"""Timing by turns: in each round every way has one, so that a drift of the machine falls on all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WARM_ROUNDS = 1


@dataclass(frozen=True)
class Timing:
    """Seconds of the rounds of one way."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)


def take_turns(
    ways: Mapping[str, Callable[[], Any]],
    rounds: int,
    pause: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time each way once a round, after `WARM_ROUNDS` that are not kept.

    A turn is a pause of that many seconds (threads of the turn before spin on the cores for a while, to the
    cost of whoever comes next), one run that is not timed, and one that is, by `clock`.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + WARM_ROUNDS):
        for name, run in ways.items():
            time.sleep(pause)
            run()
            start = clock()
            run()
            seconds = clock() - start
            if turn >= WARM_ROUNDS:
                taken[name].append(seconds)
    return {name: Timing(tuple(seconds)) for name, seconds in taken.items()}
