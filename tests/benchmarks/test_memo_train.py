"""Ways to train side by side: rows of a small model, and gradients of ours beside plain autograd's."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="what is expected here is said of a CPU")
def test_rows_of_a_small_model(
    benchmarks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memo_train = import_module("memo_train")
    sizes = (
        "--layers",
        "3",
        "--width",
        "64",
        "--heads",
        "2",
        "--seq",
        "128",
        "--steps",
        "1",
        "--threads",
        "1",
    )
    ways = ("--ways", "plain,memo_1,offload_activations")
    monkeypatch.setattr(sys, "argv", ["memo_train.py", *sizes, *ways, "--json"])
    assert memo_train.main() == 0
    plain, ours, absent = json.loads(capsys.readouterr().out)["rows"]
    assert plain["peak_mib"] > 0
    assert ours["loss"] == plain["loss"]
    assert ours["gradient_difference"] == 0
    assert (ours["alpha"], plain["host_mib"]) == (1, 0)
    # One layer of three is copied: 16 tensors and more of 128 tokens of 64 numbers, 32 KiB each.
    assert ours["host_mib"] > 0.5
    assert "needs a GPU's streams" in absent["error"]


@pytest.mark.parametrize("row", [{"error": "killed"}, {"gradient_difference": float("nan")}])
def test_it_fails_where_ours_fails_or_departs(
    row: dict[str, object], benchmarks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo_train = import_module("memo_train")
    monkeypatch.setattr(memo_train, "rows_of", lambda *_: [{"way": "memo_0", **row}])
    monkeypatch.setattr(sys, "argv", ["memo_train.py"])
    assert memo_train.main() == 1


def test_a_way_that_is_not_there_is_refused(
    benchmarks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memo_train = import_module("memo_train")
    monkeypatch.setattr(sys, "argv", ["memo_train.py", "--ways", "plain,best"])
    with pytest.raises(SystemExit) as ended:
        memo_train.main()
    assert ended.value.code == 2
    assert "no way best" in capsys.readouterr().err
