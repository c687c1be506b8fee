"""The tree search and the lanes it runs on: against brute force, the game itself, and plain formulas."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from penstock.passes.place.agent import lanes, selfplay, tree
from penstock.passes.place.agent.config import Config
from penstock.passes.place.agent.engines import network_for
from penstock.passes.place.agent.episodes import Match
from penstock.passes.place.agent.observation import WIDTH
from penstock.passes.place.agent.train import one_thread
from penstock.passes.place.game import STORED, Game, copied

from ..programs import machine, program

SEEDS = range(40)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with one_thread():
        yield


def match_of(seed: int, variant: str = "reserve") -> Match:
    rng = Random(seed)
    return Match(Game(program(rng), machine(rng), variant))


def best_by_force(game: Game, budget: list[int]) -> float | None:
    """Highest score over every sequence of legal moves; None once the budget of nodes is spent."""
    if game.done:
        return game.score_s
    best = None
    for move in np.flatnonzero(game.legal):
        budget[0] -= 1
        if budget[0] < 0:
            return None
        after = game.clone()
        after.step(int(move))
        found = best_by_force(after, budget)
        if found is None:
            return None
        best = found if best is None else max(best, found)
    return best


def best_by_decisions(match: Match, state, budget: list[int]) -> float | None:
    if state.head[0] >= match.tables.tensor.size:
        return float(state.score_s[0])
    best = None
    for move in np.flatnonzero(state.legal):
        budget[0] -= 1
        if budget[0] < 0:
            return None
        after = copied(state)
        lanes.decide(match.tables, after, move)
        found = best_by_decisions(match, after, budget)
        if found is None:
            return None
        best = found if best is None else max(best, found)
    return best


@pytest.mark.parametrize("variant", ["reserve", "extend"])
def test_obvious_moves_lose_nothing(variant):
    compared = 0
    for seed in SEEDS:
        match = match_of(seed, variant)
        wanted = best_by_force(match.game.clone(), [3000])
        if wanted is None:
            continue
        state = match.game.save()
        lanes.start(match.tables, state)
        found = best_by_decisions(match, state, [3000])
        assert found == pytest.approx(wanted, abs=1e-9 * match.game.all_slow_s), f"seed {seed}"
        compared += 1
    assert compared > 10


@pytest.mark.slow
def test_a_search_with_enough_simulations_plays_the_optimum():
    compared = better_than_nothing = 0
    for seed in SEEDS:
        match = match_of(seed)
        state = match.game.save()
        lanes.start(match.tables, state)
        wanted = best_by_decisions(match, state, [400])
        if wanted is None:
            continue
        config = Config(seed=seed, lanes=1, simulations=400, searched=1.0, scale=1e-4)
        network = network_for(match.game.problem, config)
        episode = selfplay.play(match, network, config, 1, 0)[0]
        scale = match.game.all_slow_s
        assert episode.score * scale == pytest.approx(wanted, abs=1e-9 * scale), f"seed {seed}"
        compared += 1
        better_than_nothing += wanted > 0
    assert compared > 10
    assert better_than_nothing > 5


def test_stacked_games_are_the_game():
    for seed in SEEDS:
        match = match_of(seed, "extend")
        rows = lanes.stack(match.game, 3)
        for name in STORED:
            np.testing.assert_array_equal(getattr(lanes.row(rows, 1), name), getattr(match.game.state, name))
        rng = np.random.default_rng(seed)
        state = lanes.row(rows, 2)
        lanes.start(match.tables, state)
        game = match.game
        while state.head[0] < match.tables.tensor.size:
            spare = match.game.save()
            lanes.copy_state(spare, state)
            move = int(rng.choice(np.flatnonzero(state.legal)))
            game.load(spare)
            assert game.legal[move]
            before = state.score_s[0]
            reward = lanes.decide(match.tables, state, move)
            assert reward == state.score_s[0] - before
            game.step(move)
            lanes.coast(match.tables, game.state)
            assert game.pointer == state.head[0]
            assert game.score_s == state.score_s[0]


def test_halving_shares_simulations_between_the_moves_that_are_left():
    assert tree.halving(1, 4).tolist() == [0, 1, 2, 3]
    assert tree.halving(2, 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert tree.halving(3, 16).tolist()[:10] == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert all(len(tree.halving(moves, 16)) == 16 for moves in range(4))


def test_the_improved_policy_is_the_published_formula():
    rng = np.random.default_rng(0)
    trees = tree.trees(1, 8)
    logits, value, scale = rng.normal(size=3), 0.3, 0.1
    tree.plant(trees, logits[None], np.ones((1, 3), np.bool_), np.array([value]))
    trees.visits[0, 0], trees.total[0, 0] = [2, 1, 0], [0.8, 0.2, 0.0]
    prior = np.exp(logits) / np.exp(logits).sum()
    q = np.array([0.4, 0.2])
    mixed = (value + 3 * (prior[:2] @ q) / prior[:2].sum()) / 4
    wanted = np.exp(logits + np.array([*q, mixed]) / scale)
    found = np.zeros(3)
    tree.improved(trees, 0, 0, scale, found)
    np.testing.assert_allclose(found, wanted / wanted.sum(), rtol=1e-12)


def test_moves_that_are_not_legal_are_never_taken():
    for seed in SEEDS[:12]:
        match = match_of(seed)
        config = Config(seed=seed, lanes=4, simulations=8, searched=0.5)
        network = network_for(match.game.problem, config)
        for episode in selfplay.play(match, network, config, 1, 0):
            made = episode.legal[np.arange(len(episode.moves)), episode.moves]
            assert made.all()
            assert not episode.targets[~episode.legal].any()
            again = match.episode(episode.moves, episode.targets)
            assert again.score == episode.score
            np.testing.assert_array_equal(again.seen, episode.seen)
            np.testing.assert_array_equal(again.remaining, episode.remaining)
            assert episode.seen.shape == (len(episode.moves), WIDTH)
            assert np.isfinite(episode.seen).all()


def test_backed_up_games_replay():
    backed_up = 0
    for seed in range(80):
        match = match_of(seed, "extend")
        config = Config(seed=seed, lanes=2, simulations=0, variant="extend")
        for episode in selfplay.play(match, network_for(match.game.problem, config), config, 0, 0):
            game = match.finish(episode.moves)
            assert game.score_s / match.facts.all_slow_s == episode.score
            backed_up += bool(game.backups)
    assert backed_up > 2
