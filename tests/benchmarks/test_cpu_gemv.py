"""The GEMV benchmark at the smallest size: what it prints about itself is so, and what is missing is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = ["--sizes", "64x256", "--threads", "1", "--rounds", "1", "--cycle-mib", "1", "--json"]


def run(benchmarks: Path, *options: str) -> tuple[list[dict], str]:
    command = [sys.executable, str(benchmarks / "cpu_gemv.py"), *SMALL, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"], done.stderr


@pytest.mark.slow
def test_errors_and_bytes_stand_beside_each_time(benchmarks: Path) -> None:
    rows, said = run(benchmarks, "--only", "penstock fp4 int22")
    assert "left out: llama.cpp: no --ggml library" in said
    assert {row["from"] for row in rows} == {"memory", "cache"}
    for row in rows:
        if not row["way"].startswith("penstock"):
            continue
        assert row["kernel_error"] < 1e-5
        assert 0.05 < row["weight_error"] < 0.15
        assert row["bytes"] * 8 / (64 * 256) == pytest.approx(row["bits_per_weight"], abs=1e-3)
        assert row["copies"] * row["bytes"] >= (1 << 20 if row["from"] == "memory" else 0)


@pytest.mark.slow
def test_a_library_that_is_none_is_left_out_by_name(benchmarks: Path, tmp_path: Path) -> None:
    _, said = run(benchmarks, "--only", "q4_0", "--ggml", str(tmp_path / "libggml.so"))
    assert "left out: llama.cpp q4_0: OSError" in said
