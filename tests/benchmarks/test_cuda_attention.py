"""The GPU benchmark of attention where there is no GPU: shapes, counts, references, the kernel emulated."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F


@pytest.fixture(scope="module")
def script(benchmarks: Path) -> ModuleType:
    return import_module("cuda_attention")


def test_counted_pairs_are_those_the_mask_lets_through(script: ModuleType) -> None:
    query, key = torch.arange(3000)[:, None], torch.arange(3000)[None, :]
    seen = key <= query
    assert script.Shape.parse("1x1x3000x64c").pairs == int(seen.sum())
    assert script.Shape.parse("1x1x3000x64s").pairs == int((seen & (query - key < script.WINDOW)).sum())
    assert script.Shape.parse("2x3x100x64").flops == 4 * 2 * 3 * 64 * 100 * 100


def test_the_reference_is_attention(script: ModuleType) -> None:
    shape = script.Shape.parse("2x2x90x64c")
    q, k, v = (torch.randn(shape.dims) for _ in range(3))
    wanted = script.reference(shape, q, k, v)
    out = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), is_causal=True)
    assert script.error_of(out, wanted) < 1e-12
    assert script.error_of(out * 1.1, wanted) == pytest.approx(0.1)


def test_the_reference_has_the_modules_own_scores(script: ModuleType) -> None:
    shape = script.Shape.parse("1x3x1200x16s")
    q, k, v = (torch.randn(shape.dims, dtype=torch.float64) for _ in range(3))
    with torch.no_grad():
        out = script.OwnScores(3).double()(q, k, v)
    assert script.error_of(out, script.reference(shape, q, k, v)) < 1e-12


def test_rates_come_from_times_and_the_roof(script: ModuleType) -> None:
    shape = script.Shape.parse("1x1x1000x64")
    row = script.row_of(shape, "penstock", 1e-3, 0.0, roof=1e12)
    assert row.tflops == pytest.approx(4 * 64 * 1e6 / 1e-3 / 1e12)
    assert row.of_roof == pytest.approx(0.256)
    assert script.roof_of() == pytest.approx(989e12, rel=1e-3)


@pytest.mark.slow
def test_the_kernel_is_right_in_emulation(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--emulate", "--json", "--shapes", "1x2x140x64s"])
    assert script.main() == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["error"] < script.BOUND
    assert row["milliseconds"] is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["x"])
    assert script.main() == 2
    assert "no GPU" in capsys.readouterr().err


def test_a_shape_that_is_none_is_refused(script: ModuleType) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="BATCHxHEADS"):
        script.Shape.parse("4x16x64")
