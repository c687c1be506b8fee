"""The tables of plans: every row whole, and no row where the general choice is slower than the paper's."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest


def test_tables_are_whole_on_small_models(
    benchmarks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    swap_plans = import_module("swap_plans")
    monkeypatch.setattr(swap_plans, "MODELS", {"gpt2": ("zoo:gpt2-small", 1)})
    monkeypatch.setattr(swap_plans, "MEMORY", {"gpt2": 1024})
    monkeypatch.setattr(swap_plans, "GRID", {"gpt2": (4, 20, (16, 48), (1, 4), (5.0, 50.0))})
    monkeypatch.setattr(sys, "argv", ["swap_plans.py", "--layers", "4", "--json"])
    assert swap_plans.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["layers"] for row in found["memory"]] == [4]
    for row in found["memory"]:
        assert 1 <= row["monolithic"] <= row["bi-level"]
    gains = [row["faster, %"] for row in found["policies"]]
    assert len(gains) == 8
    assert max(gain for gain in gains if gain is not None) > 1
