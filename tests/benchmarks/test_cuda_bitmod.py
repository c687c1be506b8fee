"""The GPU benchmark of BitMoD weights where there is no GPU: rates, roofs, the kernels emulated."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script(benchmarks: Path) -> ModuleType:
    return import_module("cuda_bitmod")


def test_rates_are_of_the_bytes_as_stored(script: ModuleType) -> None:
    shape = script.Shape.parse("1x4096x4096")
    row = script.row_of(shape, "bitmod4", 8 << 20, 2e-6, 0.0, script.roof_of())
    assert row.bits == 4.0
    assert row.gigabytes_per_s == pytest.approx((8 << 20) / 2e-6 / 1e9)
    assert row.of_roof == pytest.approx((8 << 20) / 2e-6 / 4.8e12)
    twice = script.row_of(shape, "cublas", 32 << 20, 8e-6, 0.0, script.roof_of())
    assert "4.00" in script.text_of([row, twice]).splitlines()[1]


@pytest.mark.parametrize("form", ["bitmod4", "bitmod3"])
def test_what_the_kernel_reads_is_little_more_than_the_codes(script: ModuleType, form: str) -> None:
    shape = script.Shape.parse("1x256x64")
    parts = script.parts_of(script.launches_for(shape, form, "sm_80"), script.weight(shape, form, 0))
    bits = sum(array.nbytes for array in parts.values()) * 8 / (256 * 64)
    assert bits == int(form[-1]) + 16 / 128 + 32 / 256


def test_the_kernels_are_right_in_emulation(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["x", "--emulate", "--json", "--shapes", "9x130x40", "--ways", "bitmod3"]
    )
    assert script.main() == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["error"] < 1e-6  # bf16 tokens are exact in the halves that the tensor cores take
    assert row["microseconds"] is None


def test_without_a_gpu_nothing_is_measured(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["x"])
    assert script.main() == 2
