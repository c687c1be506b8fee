"""Bundles on a real device: outputs beside the interpreter's and the CPU's, graphs, states, profiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock.backends.cuda.device import Device
from penstock.ir.errors import ToolMissing

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def device() -> Device:
    try:
        found = Device()
    except ToolMissing as missing:
        pytest.skip(str(missing))
    if found.capability != (9, 0):
        pytest.skip(f"compute capability {found.capability}, the bundles are for 9.0")
    return found


def distances(got: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {
        name: float(np.linalg.norm(got[name] - wanted[name]) / np.linalg.norm(wanted[name]))
        for name in wanted
    }


@pytest.mark.parametrize(
    ("model", "shapes", "options", "bound"),
    [
        ("zoo:llama-tiny", {"s": [5, 64]}, {}, 1e-2),
        ("zoo:llama-tiny", {"s": [7]}, {"precision": "fp32"}, 1e-5),
        ("zoo:llama-tiny", {"s": [1, 9]}, {"quantize": "bitmod4", "precision": "fp32"}, 1e-5),
        ("zoo:llama-tiny", {"s": [3]}, {"quantize": "bitmod3", "precision": "fp32"}, 1e-5),
        ("zoo:llama-tiny", {"s": [1, 9]}, {"quantize": "bitmod4"}, 1e-2),
        ("zoo:minilm-l6", {"s": [32, 128]}, {}, 1e-2),
        ("zoo:gpt2-small,layers=2", {"s": [512]}, {}, 1e-2),
        ("zoo:bert-base,layers=2", {"s": [512]}, {}, 1e-2),
        ("zoo:resnet50", {}, {}, 5e-2),
        ("zoo:vit-small,layers=2", {}, {}, 1e-2),
    ],
)
def test_a_bundle_is_what_the_cpu_says(
    model: str, shapes: dict[str, list[int]], options: dict[str, Any], bound: float, tmp_path: Path
) -> None:
    on_gpu = penstock.compile(model, target="h200", shapes=shapes, out=tmp_path / "gpu", **options)
    options = {"precision": "bf16", **options}
    on_cpu = penstock.compile(model, shapes=shapes, out=tmp_path / "cpu", **options)
    for seed in range(2):
        inputs = on_gpu.example_inputs(seed)
        assert max(distances(on_gpu.run(inputs), on_cpu.run(inputs)).values()) < bound


def test_rows_without_numbers_stay_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(256, 256), nn.GELU(), nn.LayerNorm(256)).eval()
    bundle = penstock.compile(model, (torch.zeros(130, 256),), target="h200", out=tmp_path / "b")
    x = torch.randn(130, 256)
    x[3, 7], x[129, 0] = float("nan"), float("inf")
    (name,) = (spec.name for spec in bundle.files.entries["main"].inputs)
    (got,) = bundle.run({name: x.numpy()}).values()
    wanted = model(x).detach().numpy()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
    held = np.isfinite(wanted)
    assert np.linalg.norm(got[held] - wanted[held]) / np.linalg.norm(wanted[held]) < 1e-2


def test_a_profile_has_every_step(tmp_path: Path) -> None:
    bundle = penstock.compile("zoo:llama-tiny", target="h200", shapes={"s": [16]}, out=tmp_path / "b")
    rows = bundle.run(bundle.example_inputs(), profile=True)["profile"]
    assert len(rows) == 31
    assert all(0 < row["ms"] < 100 for row in rows)
