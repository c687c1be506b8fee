"""The offsets benchmark: its packings have the optimum they claim, its crowds are what they are called."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from penstock.passes.offsets import lower_bound_bytes
from penstock.passes.offsets.search import Search


@pytest.fixture(scope="module")
def offsets(benchmarks: Path) -> ModuleType:
    return import_module("offsets")


@pytest.mark.parametrize("seed", range(5))
def test_tiling_leaves_no_byte_free_and_is_found(offsets: ModuleType, seed: int) -> None:
    buffers = offsets.tiling(60, seed)
    assert len(buffers) == 60
    assert sum(b.size_bytes * b.steps for b in buffers) == offsets.CAPACITY * 1000
    assert lower_bound_bytes(buffers) == offsets.CAPACITY
    with Search(buffers) as search:
        assert search.decide(offsets.CAPACITY).offsets is not None
        assert search.decide(offsets.CAPACITY - 1).proved


@pytest.mark.parametrize("kind", ["exponential", "heavy", "layers"])
def test_crowd_is_of_many_and_the_same_every_time(
    offsets: ModuleType, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offsets, "CROWD", 5000)
    first = offsets.crowd(kind)
    assert len(first) == offsets.CROWD
    assert first == offsets.crowd(kind)
    assert len({b.size_bytes for b in first}) >= 10


def test_what_was_not_solved_is_shown_as_such(offsets: ModuleType) -> None:
    shown = offsets.said([{"instance": "A", "cp_sat_s": float("inf")}, {"instance": "B", "cp_sat_s": 1.5}])
    assert "> limit" in shown.splitlines()[1]
    assert "1.5" in shown.splitlines()[2]
