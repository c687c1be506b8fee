"""The benchmark of oblivious maps: every row checked, a peer's program called as it says."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def omap(benchmarks: Path) -> ModuleType:
    return import_module("omap")


def program(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "peer"
    path.write_text(f"#!{sys.executable}\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_both_maps_are_timed_and_checked(
    omap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["omap.py", "--logs", "8", "--accesses", "200", "--rounds", "2", "--json"]
    )
    assert omap.main() == 0
    rows = json.loads(capsys.readouterr().out)["maps"]
    assert [(row["way"], row["log"], row["checked"]) for row in rows] == [
        ("bolt", 8, 600),
        ("path-oram", 8, 600),
    ]
    assert all(row["us"] > 0 and row["init_s"] > 0 for row in rows)


def test_a_wrong_answer_stops_it(omap: ModuleType) -> None:
    given = (np.array([1]), np.array([5], np.uint32), np.zeros((1, 8), np.uint8))
    answers = omap.Answers(np.array([True]), np.ones((1, 8), np.uint8))
    with pytest.raises(AssertionError, match="key 5"):
        omap.check({5: bytes(8)}, given, answers)


def test_a_peers_program_is_called_with_keys_and_accesses(omap: ModuleType, tmp_path: Path) -> None:
    text = (
        'import sys, json\nprint(json.dumps({"us_per_op": float(sys.argv[1]), "init_s": float(sys.argv[2])}))'
    )
    row = omap.foreign(program(tmp_path, text), 16, 100)
    assert (row.way, row.us, row.init_s) == ("ohashmap", 16.0, 100.0)


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "print('fast')", "print('{}')", "print('3')"])
def test_a_program_that_does_otherwise_is_refused(omap: ModuleType, tmp_path: Path, text: str) -> None:
    with pytest.raises(omap.InputError, match="us_per_op"):
        omap.foreign(program(tmp_path, text), 16, 100)
