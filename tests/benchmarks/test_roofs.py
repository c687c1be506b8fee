"""The roofs: every loop gives the number it should, on one thread and on two."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def roofs(benchmarks: Path) -> ModuleType:
    return import_module("roofs")


def test_loops_and_reads_check_themselves(
    roofs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofs, "STEPS", 1000)
    monkeypatch.setattr(roofs, "READ_BYTES", 1 << 20)
    monkeypatch.setattr(roofs, "DEFAULT_L3_BYTES", 1 << 18)
    monkeypatch.setattr(roofs, "detect", lambda: type("Host", (), {"l3_bytes": None}))
    measured = roofs.Roofs(tmp_path, rounds=1)
    assert {loop.name for loop in measured.loops()} >= {"mulps + addps"}
    for threads in (1, 2):
        assert all(measured.loop_flops(loop, threads) > 0 for loop in measured.loops())
        assert measured.read_bytes(threads) > 0
    assert measured.flops("f32", 1) > 0
    assert measured.flops("f8", 1) is None


def test_a_loop_that_does_other_work_is_noticed(
    roofs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofs, "STEPS", 1000)
    monkeypatch.setattr(roofs, "SUMS", roofs.SUMS + 1)
    measured = roofs.Roofs(tmp_path, rounds=1)
    with pytest.raises(SystemExit, match="in place of"):
        measured.flops("f32", 1)
