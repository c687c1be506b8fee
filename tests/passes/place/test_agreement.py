"""Three clocks: the game's return, the verifier's latency and the event simulator's are one number."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from penstock.passes.place.game import VARIANTS, Game
from penstock.passes.place.graphs import GRAPHS, graph
from penstock.passes.place.problem import Machine, Problem
from penstock.passes.place.profiles import machine as profile
from penstock.passes.place.simulate import queued, scheduled
from penstock.passes.place.verify import verify

from .programs import machine, program

RELATIVE = 1e-9


def play(problem: Problem, machine: Machine, variant: str, rng: Random) -> Game:
    """A random episode, half of its moves the boldest there is; the clocks must agree."""
    game, returned = Game(problem, machine, variant), 0.0
    while not game.done:
        legal = np.flatnonzero(game.legal)
        returned += game.step(int(rng.choice(list(legal)) if rng.random() < 0.5 else legal[-1]))
    plan, tolerance = game.memory_map(), RELATIVE * max(game.all_slow_s, 1e-12)
    verdict = verify(problem, machine, plan)
    assert verdict.ok, verdict.faults
    assert verdict.all_slow_s == pytest.approx(game.all_slow_s, abs=tolerance)
    assert game.all_slow_s - returned == pytest.approx(verdict.latency_s, abs=tolerance), "return"
    assert scheduled(problem, machine, plan).latency_s == pytest.approx(verdict.latency_s, abs=tolerance)
    assert queued(problem, machine, plan).latency_s > 0 or verdict.latency_s == 0
    return game


def episodes(count: int, seed: int) -> None:
    rng, backups = Random(seed), 0
    for _ in range(count):
        problem, where = program(rng), machine(rng)
        for variant in VARIANTS:
            backups += len(play(problem, where, variant, rng).backups)
    assert backups > count // 20, "dead ends were not met often enough to be tested"


def test_the_clocks_agree_on_random_programs() -> None:
    episodes(200, seed=1)


@pytest.mark.slow
def test_the_clocks_agree_on_ten_thousand_episodes() -> None:
    episodes(5000, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("share", ["R0.25", "R1.0"])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_clocks_agree_on_the_benchmark(name: str, share: str, variant: str) -> None:
    problem = graph(name)
    rng = Random(3)
    for _ in range(3):
        play(problem, profile(share, problem), variant, rng)


def test_reserve_without_alias_classes_meets_no_dead_end() -> None:
    rng = Random(4)
    for _ in range(150):
        problem, where = program(rng, aliases=False), machine(rng)
        assert not play(problem, where, "reserve", rng).backups
