"""Sources to cubins for every architecture, what they take of a multiprocessor, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.backends.cuda import nvrtc
from penstock.backends.cuda.build import hold
from penstock.backends.cuda.cubins import compile_source
from penstock.backends.cuda.kernel import ARCHS, Kernel
from penstock.backends.cuda.resources import Resources, read_cubin, read_report
from penstock.ir.errors import BundleError, PassError, ToolMissing

pytest.importorskip("cuda.bindings.nvrtc", reason="penstock[cuda] is not installed")

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


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize("arch", ARCHS)
def test_report_and_cubin_say_the_same(arch: str) -> None:
    made = compile_source("k", SOURCE, arch)
    used, figures = made.resources["k"], read_cubin(made.cubin)["k"]
    assert (used.registers, used.stack_bytes) == (figures.registers, figures.stack_bytes)
    assert 8 <= used.registers <= 64
    assert (used.spill_bytes, used.static_shared_bytes) == (0, 8)


def test_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_source("k", SOURCE, "sm_80")
    monkeypatch.setattr(nvrtc.Nvrtc, "compile", None)
    assert compile_source("k", SOURCE, "sm_80") == first


def test_warnings_and_errors_are_refused_with_their_lines() -> None:
    with pytest.raises(PassError, match=r"k\.cu\(5\)") as warned:
        compile_source("k", SOURCE.replace("float sum = 0.0f;", "float sum = 0.0f, idle;"), "sm_80")
    assert "warning" in str(warned.value)
    with pytest.raises(PassError, match="does not compile") as failed:
        compile_source("k", SOURCE.replace("sum += x[i]", "sum += z[i]"), "sm_80")
    assert '"z" is undefined' in str(failed.value)


def test_a_missing_compiler_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    nvrtc.library.cache_clear()
    monkeypatch.setattr(nvrtc, "import_module", absent)
    with pytest.raises(ToolMissing, match=r"penstock\[cuda\]"):
        nvrtc.library()


def test_spills_are_read_and_refused() -> None:
    log = """ptxas info    : Compiling entry function 'k' for 'sm_90a'
ptxas         .     96 bytes stack frame, 40 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 255 registers, used 3 barriers, 512 bytes smem"""
    used = read_report(log)["k"]
    assert used == Resources(255, 64, 96, 512, 3)
    kernel = Kernel("k", "", "sm_80", (1, 1, 1), (512, 1, 1), 0, ())
    with pytest.raises(PassError, match="spills 64 bytes"):
        hold(kernel, used, "sm_90a")
    with pytest.raises(PassError, match="512 threads of 255 registers"):
        hold(kernel, Resources(255, 0, 0, 0, 0), "sm_90a")
    with pytest.raises(PassError, match="bytes of shared memory"):
        hold(Kernel("k", "", "sm_80", (1, 1, 1), (32, 1, 1), 1 << 20, ()), Resources(8, 0, 0, 0, 0), "sm_90a")


def test_no_cubin() -> None:
    with pytest.raises(BundleError, match="no 64-bit ELF"):
        read_cubin(b"text")
