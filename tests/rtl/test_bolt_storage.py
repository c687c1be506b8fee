"""BOLT's storage units against their models: contents, and the cycle in which everything comes."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import bolt_storage as storage
import bolt_ticks
import numpy as np
import pytest
from bench import PUBLIC

from penstock import rtl
from penstock.sim.rtl.verilator import build

from .conftest import HARNESS, write_sources

SEEDS = (1, 977)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness of all units, with their assertions."""
    texts = {**rtl.sources("common", "bolt"), **rtl.properties("bolt")}
    sources = write_sources(tmp_path_factory.mktemp("bolt"), texts)
    top = "bolt_storage_harness"
    public = write_sources(tmp_path_factory.mktemp("public"), {"public.vlt": PUBLIC})
    harness = HARNESS / f"{top}.sv"
    return build([*public, *sources, harness], top, HARNESS / "vectors_main.cpp").executable


def run(
    model: Path, ticks: list[bolt_ticks.Tick], folder: Path, *, seed: int = 1, slow: int = 0
) -> np.ndarray:
    """Run ticks, which must all be met; what was seen, ``[cycles, words]``."""
    path, shown = bolt_ticks.write(ticks, folder / "run.bin", seed, slow), folder / "out.bin"
    done = subprocess.run([model, path, f"+show={shown}"], capture_output=True, text=True, env=os.environ)
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


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_does_what_its_model_says_when_it_says(model: Path, unit: str, tmp_path: Path) -> None:
    make, size = UNITS[unit]
    run(model, make(random.Random(unit), size).ticks, tmp_path)


def test_hbm_answers_when_it_likes_and_nothing_behind_the_deadline_shows_it(
    model: Path, tmp_path: Path
) -> None:
    ticks = storage.everything(3)
    outs = [run(model, ticks, tmp_path, seed=seed) for seed in SEEDS]
    for raw, steady in (("pm_rvalid", "pm_found"), ("hbm_rvalid", "port_valid")):
        assert (seen(outs[0], raw) != seen(outs[1], raw)).any(), "the seed does not matter"
        assert (seen(outs[0], steady) == seen(outs[1], steady)).all()


def test_an_answer_behind_its_deadline_is_told_and_is_no_data(model: Path, tmp_path: Path) -> None:
    run(model, storage.late(), tmp_path, slow=storage.LATE)


def test_a_clear_wipes_values_whatever_is_under_way(model: Path, tmp_path: Path) -> None:
    run(model, storage.cleared(random.Random(5)), tmp_path)


def test_models_reach_what_is_rare() -> None:
    reached = {"pm_full", "load_error", "load_full", "frame_error", "frame_empty", "pend_error", "merge_over"}
    ticks = [tick for make, size in UNITS.values() for tick in make(random.Random(2), size).ticks]
    missing = {
        name for name in (*reached, "stash_full") if sum(tick.wanted.get(name, 0) for tick in ticks) < 3
    }
    assert not missing
