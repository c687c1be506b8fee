"""The language model's accuracy benchmark: its texts, and training and measuring at the smallest size."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

TEXTS = ["def double(x):\n    return 2 * x\n", "def half(x):\n    return x / 2\n"] * 60


def settings(accuracy_lm: ModuleType, seed: int = 0) -> object:
    sizes = {"vocabulary": 300, "layers": 1, "width": 128, "inner": 128, "heads": 2}
    return accuracy_lm.Settings(steps=12, batch=2, window=16, warmup=2, seed=seed, **sizes)


def test_a_tenth_of_the_files_is_held_out_by_name(accuracy_lm: ModuleType) -> None:
    held = [accuracy_lm.held_out(f"package/module{number}.py") for number in range(2000)]
    assert 0.07 < np.mean(held) < 0.13
    assert accuracy_lm.held_out("ast.py") == accuracy_lm.held_out("ast.py")


def test_only_the_librarys_modules_are_read_in_order(accuracy_lm: ModuleType, tmp_path: Path) -> None:
    for name in ("ast.py", "json/tool.py", "json/tests/test_tool.py", "stranger.py", "encodings/cp037.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    found = list(accuracy_lm.library_files(tmp_path))
    assert found == [("ast.py", "ast.py"), ("json/tool.py", "json/tool.py")]


def test_tokens_stand_for_their_text(accuracy_lm: ModuleType) -> None:
    tokenizer = accuracy_lm.train_tokenizer(TEXTS, 300)
    tokens = accuracy_lm.tokens_of(tokenizer, ["half(é)", " x"])
    assert tokenizer.decode(tokens.tolist()) == "half(é) x"
    assert int(tokens.max()) < 300


def test_windows_are_spread_over_the_tokens(accuracy_lm: ModuleType) -> None:
    windows = accuracy_lm.cut(torch.arange(103), 10, 4)
    assert windows[:, 0].tolist() == [0, 30, 60, 90]
    assert len(accuracy_lm.cut(torch.arange(103), 10, 400)) == 10


def test_the_rate_rises_then_falls_to_a_tenth(accuracy_lm: ModuleType) -> None:
    default = accuracy_lm.Settings()
    rates = [accuracy_lm.rate_at(step, default) for step in range(default.steps)]
    assert max(rates) == 1
    assert rates.index(1) == default.warmup - 1
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)


def test_every_linear_layers_inputs_are_whole_groups(
    accuracy_lm: ModuleType, weight_formats: ModuleType
) -> None:
    model = accuracy_lm.Llama(accuracy_lm.Settings().config())
    weights = weight_formats.matrices(model, embeddings=False)
    assert "lm_head" in weights
    assert all(each.shape[1] % 128 == 0 for each in weights.values())


def test_training_is_reproducible_and_the_checkpoint_is_the_model(
    accuracy_lm: ModuleType, tmp_path: Path
) -> None:
    small, path = settings(accuracy_lm), tmp_path / "model.safetensors"
    model, tokenizer = accuracy_lm.trained(small, TEXTS, path)
    windows = accuracy_lm.cut(accuracy_lm.tokens_of(tokenizer, TEXTS), 16, 20)
    losses = accuracy_lm.nats(model, windows)
    again, _ = accuracy_lm.trained(small, TEXTS, path)
    assert np.array_equal(accuracy_lm.nats(again, windows), losses)
    anew, _ = accuracy_lm.trained(small, TEXTS, None)
    assert np.allclose(accuracy_lm.nats(anew, windows), losses, rtol=1e-4)
    assert losses.mean() < math.log(300)
    with pytest.raises(SystemExit, match="remove it"):
        accuracy_lm.trained(settings(accuracy_lm, seed=1), TEXTS, path)


def test_the_table_is_sorted_and_relative_to_float(accuracy_lm: ModuleType) -> None:
    measured = {"int3": np.log([3.0, 3.0]), "float32": np.log([2.0, 2.0])}
    rows = accuracy_lm.table(measured, {"int3": (3.0625, 0.05), "float32": (32.0, 0.0)})
    assert [row["format"] for row in rows] == ["float32", "int3"]
    assert rows[1]["perplexity"] == pytest.approx(3)
    assert rows[1]["percent"] == pytest.approx(50)
