"""Training runs: they improve, repeat, resume to the bit, and refuse what is not theirs."""

from __future__ import annotations

import sys
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from penstock.ir.errors import InputError, ToolMissing
from penstock.passes.place import playouts
from penstock.passes.place.agent import curves
from penstock.passes.place.agent.config import Config
from penstock.passes.place.agent.demonstrations import demonstration
from penstock.passes.place.agent.engines import spread
from penstock.passes.place.agent.run import Run
from penstock.passes.place.agent.train import one_thread, train
from penstock.passes.place.graphs import graph
from penstock.passes.place.players import Budget, Training, solve
from penstock.passes.place.profiles import machine as of_profile
from penstock.passes.place.verify import verify

from ..programs import machine, program

SMALL = Config(iterations=3, jobs=2, lanes=4, simulations=4, steps=3, batch=16, cloning_steps=5)
UNET = graph("unet")
HALF = of_profile("R0.5", UNET)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with one_thread():
        yield


def facts(run: Run) -> dict[str, object]:
    return {
        "curve": run.curve,
        "best": run.best.moves.tolist(),
        "weights": {name: tensor.tolist() for name, tensor in run.network.state_dict().items()},
    }


@pytest.mark.parametrize("dynamics", ["true", "learned"])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, dynamics):
    config = replace(SMALL, dynamics=dynamics)
    whole = train(UNET, HALF, config)
    path = tmp_path / "run.pt"
    train(UNET, HALF, replace(config, iterations=1), checkpoint=path)
    train(UNET, HALF, replace(config, iterations=2), checkpoint=path)
    resumed = train(UNET, HALF, config, checkpoint=path)
    assert facts(resumed) == facts(whole)
    assert [point.round for point in resumed.curve] == [0, 1, 2]
    assert [each.name for each in tmp_path.iterdir()] == ["run.pt"]


def test_a_seed_repeats_and_another_differs():
    one, two = (train(UNET, HALF, SMALL) for _ in range(2))
    assert facts(one) == facts(two)
    other = train(UNET, HALF, replace(SMALL, seed=1))
    assert facts(other)["weights"] != facts(one)["weights"]


@pytest.mark.slow
def test_processes_play_the_same_games():
    here, there = train(UNET, HALF, SMALL), train(UNET, HALF, SMALL, workers=2)
    assert facts(here) == facts(there)


@pytest.mark.slow
def test_ray_plays_the_same_games():
    pytest.importorskip("ray")
    here, there = train(UNET, HALF, SMALL), train(UNET, HALF, SMALL, workers=2, engine="ray")
    assert facts(here) == facts(there)


def test_the_warm_start_plays_insertions_game():
    run = Run(UNET, HALF, replace(Config(), iterations=1, lanes=2, steps=0, simulations=0))
    shown, _ = playouts.insertion(UNET, HALF)
    found = demonstration(run.match)
    assert found is not None
    assert found.score == shown.score_s / shown.all_slow_s
    point = run.advance()
    assert point.greedy == pytest.approx(shown.all_slow_s / shown.latency_s, rel=1e-9)


def test_training_without_a_warm_start_improves_on_chance():
    config = Config(iterations=5, lanes=32, warm=False)
    run = train(UNET, HALF, config)
    assert run.curve[-1].mean > run.curve[0].mean
    assert run.curve[-1].best >= run.curve[0].best
    plan = run.memory_map()
    verdict = verify(UNET, HALF, plan)
    assert verdict.ok, verdict.faults
    assert run.curve[-1].best == pytest.approx(verdict.all_slow_s / verdict.latency_s, rel=1e-9)


def test_the_agent_beats_the_insertion_it_starts_from():
    run = train(UNET, HALF, Config(iterations=4))
    assert run.curve[-1].best > solve(UNET, HALF, "insertion").speedup * 1.001


def test_every_random_program_gets_a_plan_the_verifier_accepts():
    for seed in range(25):
        rng = Random(seed)
        problem, where = program(rng), machine(rng)
        variant = "extend" if seed % 2 else "reserve"
        run = train(problem, where, replace(SMALL, iterations=2, variant=variant))
        verdict = verify(problem, where, run.memory_map())
        assert verdict.ok, (seed, verdict.faults)
        saved = 1 - verdict.latency_s / verdict.all_slow_s if verdict.all_slow_s else 0.0
        assert run.best.score == pytest.approx(saved, abs=1e-9)


def test_the_player_keeps_to_its_budget_and_writes_its_curve(tmp_path):
    where = Training(workers=1, curve=str(tmp_path / "curve.svg"))
    found = solve(UNET, HALF, "agent", Budget(70, 0, where))
    assert found.found.evaluations == 64
    assert found.speedup > 1.0
    assert (tmp_path / "curve.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_curve_is_written_as_json(tmp_path):
    run = train(UNET, HALF, replace(SMALL, iterations=1))
    curves.write(tmp_path / "curve.json", run.curve)
    assert '"best_of_round"' in (tmp_path / "curve.json").read_text(encoding="utf-8")


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    train(UNET, HALF, replace(SMALL, iterations=1), checkpoint=path)
    with pytest.raises(InputError, match="other settings, another machine or program"):
        train(UNET, of_profile("R0.25", UNET), SMALL, checkpoint=path)
    with pytest.raises(InputError, match="other settings"):
        train(UNET, HALF, replace(SMALL, seed=3), checkpoint=path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a checkpoint"):
        train(UNET, HALF, SMALL, checkpoint=path)
    torch.save({"schema": 99}, path)
    with pytest.raises(InputError, match="schema 1"):
        train(UNET, HALF, SMALL, checkpoint=path)


def test_decisions_of_another_game_are_refused():
    run = Run(UNET, HALF, SMALL)
    with pytest.raises(InputError, match="does not end"):
        run.match.episode(np.zeros(1, np.int64))
    with pytest.raises(InputError, match="is not legal"):
        run.match.episode(np.full(500, 7))
    with pytest.raises(InputError, match="has not played"):
        run.memory_map()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lanes": 0}, "lanes 0"),
        ({"dynamics": "guessed"}, "true, learned"),
        ({"searched": 1.5}, "shares from 0 to 1"),
        ({"scale": 0.0}, "a scale above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        Config(**change)


def test_a_missing_ray_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    run = Run(UNET, HALF, SMALL)
    with (
        pytest.raises(ToolMissing, match=r"penstock\[explore\]"),
        spread(run.match, SMALL, 2, "ray"),
    ):
        pass
    with pytest.raises(InputError, match="local, ray"), spread(run.match, SMALL, 2, "slurm"):
        pass
