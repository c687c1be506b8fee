"""BOLT's storage units against their models: contents, and the cycle in which everything comes."""

from __future__ import annotations

import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bolt_storage as storage
import bolt_ticks
import mutate_bolt
import numpy as np
import pytest
from mutants import Edit
from mutate import Ready, argued
from mutation_command import TARGET
from mutation_report import Verdict, summary

SEEDS = (1, 977)


PART = mutate_bolt.PARTS["storage"]
PER_MODULE, SEED = 5, 2


@dataclass(frozen=True)
class Model:
    """The harness of all units and their assertions, mutants asleep in it by number from 1."""

    ready: Ready
    edits: list[Edit]

    @property
    def executable(self) -> Path:
        """The model."""
        return self.ready.executable


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    edits = PART.edits(PER_MODULE, SEED)
    readies, left, _ = mutate_bolt.built(PART, edits, tmp_path_factory.mktemp("bolt_storage"))
    return Model(readies[0], left)


def run(
    model: Model, ticks: list[bolt_ticks.Tick], folder: Path, *, seed: int = 1, slow: int = 0
) -> np.ndarray:
    """Run ticks, which must all be met; what was seen, ``[cycles, words]``."""
    path, shown = bolt_ticks.write(ticks, folder / "run.bin", seed, slow), folder / "out.bin"
    done = subprocess.run(
        [model.executable, path, f"+show={shown}"], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return np.fromfile(shown, np.uint32).reshape(len(ticks), -1)


def seen(out: np.ndarray, name: str) -> np.ndarray:
    """A one-bit output over time."""
    at = sum(width for width in list(bolt_ticks.OUTPUTS.values())[: list(bolt_ticks.OUTPUTS).index(name)])
    return out[:, at // 32] >> np.uint32(at % 32) & 1


UNITS = {
    "position_map": (storage.position_map, 200),
    "port": (storage.port, 2000),
    "loads": (storage.loads, 900),
    "frames": (storage.frames, 2000),
    "pending": (storage.pending, 600),
    "stash": (storage.stash, 800),
    "merges": (storage.merges, 300),
}


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_does_what_its_model_says_when_it_says(model: Model, unit: str, tmp_path: Path) -> None:
    make, size = UNITS[unit]
    run(model, make(random.Random(unit), size).ticks, tmp_path)


@pytest.mark.slow
def test_hbm_answers_when_it_likes_and_nothing_behind_the_deadline_shows_it(
    model: Model, tmp_path: Path
) -> None:
    ticks = storage.everything(3)
    outs = [run(model, ticks, tmp_path, seed=seed) for seed in SEEDS]
    for raw, steady in (("pm_rvalid", "pm_found"), ("hbm_rvalid", "port_valid")):
        assert (seen(outs[0], raw) != seen(outs[1], raw)).any(), "the seed does not matter"
        assert (seen(outs[0], steady) == seen(outs[1], steady)).all()


@pytest.mark.slow
def test_an_answer_behind_its_deadline_is_told_and_is_no_data(model: Model, tmp_path: Path) -> None:
    run(model, storage.late(), tmp_path, slow=storage.LATE)


@pytest.mark.slow
def test_a_clear_wipes_values_whatever_is_under_way(model: Model, tmp_path: Path) -> None:
    run(model, storage.cleared(random.Random(5)), tmp_path)


def test_models_reach_what_is_rare() -> None:
    reached = {"pm_full", "load_error", "load_full", "frame_error", "frame_empty", "pend_error", "merge_over"}
    ticks = [tick for make, size in UNITS.values() for tick in make(random.Random(2), size).ticks]
    missing = {
        name for name in (*reached, "stash_full") if sum(tick.wanted.get(name, 0) for tick in ticks) < 3
    }
    assert not missing


@pytest.mark.slow
def test_nearly_every_mutant_is_noticed(model: Model) -> None:
    def one(pair: tuple[int, Edit]) -> Verdict:
        return mutate_bolt.judged(PART, *pair, [model.ready])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(one, enumerate(model.edits, 1)))
    verdicts = argued(verdicts, PART.texts(), mutate_bolt.HERE / PART.equivalent)
    left = [str(verdict.edit) for verdict in verdicts if verdict.outcome == "survived"]
    assert summary(verdicts)["killed_of_not_equivalent"] >= TARGET, left
