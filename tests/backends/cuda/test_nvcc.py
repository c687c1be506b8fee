"""Cubins by a toolkit's nvcc: the same code where it is there; what is asked of it, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import penstock
from penstock.backends.cuda.cubins import OPTIONS, compile_source
from penstock.backends.cuda.nvcc import Nvcc
from penstock.backends.cuda.resources import read_cubin
from penstock.ir.errors import InputError, PassError, ToolMissing

SOURCE = """
#include "fold.cuh"
extern "C" __global__ void __launch_bounds__(64) k(const float* x, float* y, int n) {
    __shared__ float partial[2];
    float sum = 0.0f;
    for (int i = threadIdx.x; i < n; i += 64) sum += x[i];
    sum = fold::block<fold::sum, 64>(sum, partial);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;
}
"""
RECORDER = """#!{python}
import json, pathlib, sys
if sys.argv[1:] == ["--version"]:
    print("Cuda compilation tools, release {release}, V{release}.88")
    raise SystemExit
here = {{path.name for path in pathlib.Path(".").iterdir()}}
pathlib.Path({told!r}).write_text(json.dumps([sys.argv[1:], sorted(here)]))
pathlib.Path("k.cubin").write_bytes(b"code")
print("ptxas info    : Compiling entry function 'k' for 'sm_90a'", file=sys.stderr)
print("ptxas info    : Used 31 registers, used 1 barriers, 8 bytes smem", file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path / "cache"))


def recorder(folder: Path, release: str) -> Path:
    """A program that says it is nvcc and writes down how it was called, into ``told``."""
    program = folder / "nvcc"
    text = RECORDER.format(python=sys.executable, release=release, told=str(folder / "told"))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return program


def real() -> Nvcc:
    try:
        return Nvcc(True, "sm_90a")
    except ToolMissing as missing:
        pytest.skip(str(missing))


def test_a_toolkit_makes_what_runs_like_nvrtc_s() -> None:
    made = compile_source("k", SOURCE, "sm_90a", real())
    used, figures = made.resources["k"], read_cubin(made.cubin)["k"]
    assert (used.registers, used.stack_bytes) == (figures.registers, figures.stack_bytes)
    assert (used.spill_bytes, used.static_shared_bytes) == (0, 8)
    with pytest.raises(PassError, match=r"k\.cu\(6\)"):
        compile_source("k", SOURCE.replace("sum += x[i]", "sum += z[i]"), "sm_90a", real())
    with pytest.raises(PassError, match="compiles with warnings"):
        compile_source("k", SOURCE.replace("float sum = 0.0f;", "float sum = 0.0f, idle;"), "sm_90a", real())


def test_what_nvcc_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = recorder(tmp_path, "13.0")
    made = compile_source("k", SOURCE, "sm_90a", Nvcc(program, "sm_90a"))
    command, files = json.loads((tmp_path / "told").read_text())
    assert command == ["--cubin", "--gpu-architecture=sm_90a", *OPTIONS, "-o", "k.cubin", "k.cu"]
    assert {"k.cu", "fold.cuh"} <= set(files)
    assert (made.cubin, made.resources["k"].registers) == (b"code", 31)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "told").unlink()
    source = SOURCE.replace("64", "32")
    assert compile_source("k", source, "sm_90a", Nvcc("./nvcc", "sm_90a")).cubin == b"code"
    assert (tmp_path / "told").exists(), "a path is taken from the folder it was given in"


def test_the_version_is_held_to_the_architecture(tmp_path: Path) -> None:
    program = recorder(tmp_path, "12.4")
    assert Nvcc(program, "sm_90a").version == "12.4.88"
    with pytest.raises(ToolMissing, match=r"12\.4\.88 is too old for sm_100a.*12\.8 or newer"):
        Nvcc(program, "sm_100a")
    with pytest.raises(ToolMissing, match="too old"):
        Nvcc(recorder(tmp_path, "11.8"), "sm_80")


def test_no_nvcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolMissing, match=r"No such file.*NVRTC"):
        Nvcc(tmp_path / "nvcc", "sm_80")
    with pytest.raises(ToolMissing, match="no version as nvcc"):
        Nvcc("true", "sm_80")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("penstock.backends.cuda.nvcc._TOOLKIT", tmp_path / "nvcc")
    monkeypatch.setattr("penstock.backends.cuda.nvcc._PACKAGE", "no-such-package")
    with pytest.raises(ToolMissing, match=r"no nvcc.*PATH"):
        Nvcc(True, "sm_80")


def test_a_bundle_says_what_compiled_it(tmp_path: Path) -> None:
    compiler = real()
    model, given = nn.Linear(16, 16), (torch.ones(2, 16),)
    bundle = penstock.compile(model, given, target="h200", nvcc=True, out=tmp_path / "b")
    assert bundle.manifest["tools"]["nvcc"] == compiler.version
    assert "nvrtc" not in bundle.manifest["tools"]
    with pytest.raises(InputError, match="no CUDA for cpu"):
        penstock.compile(model, given, nvcc=True)
