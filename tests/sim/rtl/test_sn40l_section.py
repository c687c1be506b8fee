"""Transformer blocks through the fabric's RTL: bit for bit, near the interpreter, in the model's cycles.

All of them run on one Verilated model, which is built once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from penstock import api
from penstock.backends.verilog.sn40l import Compiled, emit_section
from penstock.backends.verilog.sn40l.mesh import Mesh
from penstock.backends.verilog.sn40l.place import place
from penstock.backends.verilog.sn40l.route import route
from penstock.blocks import Block, Recorded, placed, quantized, recognise
from penstock.ir.errors import BundleError, InputError, VerifyError
from penstock.ir.targets import load
from penstock.ir.targets.fabric import Machine
from penstock.passes.stages import addresses, map_stages, place_regions
from penstock.sim.rtl.designs import load as load_design
from penstock.sim.rtl.record import record_run, runs_from_json
from penstock.sim.rtl.simulate import simulate
from penstock.sim.rtl.sn40l_section.design import SectionDesign, SectionResult
from penstock.sim.rtl.window import Window

Make = Callable[..., Block]
SMALL = load("sn40l-small")


def emit(folder: Path, block: Block, seed: int = 0) -> Path:
    compiled, _ = placed("block", block.stages, SMALL, seed, block.scheme)
    given = block.raised.params, block.recorded.arrays, block.reference, block.quantized
    return emit_section(folder, compiled, *given)


def run(folder: Path, **settings: Any) -> SectionResult:
    result = simulate(folder, **settings)
    assert isinstance(result, SectionResult)
    return result


def holds(result: SectionResult) -> None:
    assert result.bit_exact, f"{result.mismatches} of {result.results} differ"
    assert result.relative_error < 1e-6
    assert abs(result.cycles_model / result.cycles_rtl - 1) <= 0.05, (result.cycles_rtl, result.cycles_model)
    assert result.ok


def test_a_design_says_what_is_wrong_with_it(tmp_path: Path, bert_block: Make) -> None:
    folder = emit(tmp_path / "design", bert_block())
    design = load_design(folder)
    assert isinstance(design, SectionDesign)
    assert design.section.tiles == 2
    assert len(design.figures) == 11 + 3 * 15 + 2 * 16, "totals, three counters a PCU, two a PMU"
    with pytest.raises(InputError, match="not driven by cocotb"):
        design.job()
    assert "3 packets were lost" in design.failure({"errors": 0, "strays": 3})
    (folder / "memory.bin").write_bytes(b"short")
    with pytest.raises(BundleError, match="5 bytes"):
        simulate(folder)
    description = folder / "design.json"
    description.write_text(description.read_text().replace('"loaded"', '"other"'))
    with pytest.raises(BundleError, match=r"design\.json has no 'loaded'"):
        simulate(folder)


def test_a_driver_is_told_of_waveforms_and_tells_what_it_wrote(tmp_path: Path, bert_block: Make) -> None:
    design = load_design(emit(tmp_path / "design", bert_block()))
    path = tmp_path / "wave.fst"
    assert design.trace_arguments(path, Window.of("20:30"))[:6] == [
        *("--trace", str(path), "--trace-first", "20", "--trace-end", "30")
    ]
    assert "--trace-end" not in design.trace_arguments(path, None)
    whole = {"cycles": 100, "trace_first": 0, "trace_cycles": 101, "trace_full": 0}
    assert design.trace_note(whole) == ""
    some = {**whole, "trace_first": 20, "trace_cycles": 10}
    assert design.trace_note(some) == "cycles 20 to 30 of 100; --trace-window A:B shows others"
    full = {**whole, "trace_cycles": 50, "trace_full": 1}
    assert "cycles 0 to 50 of 100, where it had 512 MiB" in design.trace_note(full)
    with pytest.raises(InputError, match="--trace-window"):
        simulate(design.folder, window=Window(0, 5))


@pytest.mark.parametrize("text", ["", "5", "5:5", "9:3", "a:b", "-1:4", "1:2:3"])
def test_what_is_no_window_of_cycles_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--trace-window"):
        Window.of(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [
        {"tokens": 8, "width": 32, "heads": 2, "inner": 96, "tiles": 2},
        {"tokens": 32, "width": 64, "heads": 4, "inner": 192, "tiles": 3},
        {"tokens": 16, "width": 48, "heads": 3, "inner": 80, "tiles": 2},
    ],
    ids=str,
)
def test_a_block_streams_through_the_fabric(tmp_path: Path, bert_block: Make, sizes: dict[str, int]) -> None:
    result = run(emit(tmp_path / "design", bert_block(**sizes)))
    holds(result)
    assert all(0 < share <= 1 for share in result.busy.values())
    assert result.bandwidth["hbm"] > 0
    assert result.bandwidth["ddr"] == 0


@pytest.mark.slow
def test_another_place_on_the_mesh_gives_the_same_bits(tmp_path: Path, bert_block: Make) -> None:
    holds(run(emit(tmp_path / "design", bert_block(), seed=5)))


@pytest.mark.slow
def test_a_quantized_layer_runs_on_a_bitmod_array(tmp_path: Path) -> None:
    """On a mesh of eight nodes, which builds fast; benchmarks/sn40l_quantized.py runs whole blocks.

    A whole group and a short one; the error is that of activations in half precision.
    """
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Linear(200, 48), nn.GELU()).eval()
    block = quantized(recognise(Recorded("block", linear, {"input": torch.randn(3, 16, 200)})), "bitmod4")
    machine = replace(Machine.of(SMALL), pcus=2, bitmod_pcus=2, pmus=2, agcus=4)
    mesh = Mesh(rows=2, cols=4, agcu_cols=(0, 3), bitmod_cols=(1, 2))
    section = map_stages("block", block.stages, machine, 3, block.scheme)
    nodes = place(section, mesh)
    places = addresses(place_regions(section, SMALL))
    compiled = Compiled(section, machine, mesh, nodes, route(section, mesh, nodes), places)
    given = block.raised.params, block.recorded.arrays, block.reference, block.quantized
    result = run(emit_section(tmp_path / "design", compiled, *given))
    assert result.bit_exact, f"{result.mismatches} of {result.results} differ"
    assert result.relative_error < 4e-4
    assert result.ok, result.text()


@pytest.mark.slow
def test_a_run_is_kept_and_a_limit_ends_it(tmp_path: Path, bert_block: Make) -> None:
    folder = emit(tmp_path / "design", bert_block())
    result = run(folder)
    record_run(tmp_path / "sim.json", result)
    assert runs_from_json(json.loads((tmp_path / "sim.json").read_text())) == (result,)
    assert "PMU banks" in result.text()
    with pytest.raises(VerifyError, match="cycle limit"):
        simulate(folder, max_cycles=1000)


@pytest.mark.slow
def test_units_of_more_vectors_than_sequence_numbers_follow_each_other(tmp_path: Path) -> None:
    """A reader sends 73728 vectors a tile: its next unit begins neither too early nor never."""
    torch.manual_seed(0)
    linear = nn.Linear(384, 384).eval()
    block = recognise(Recorded("block", linear, {"input": torch.randn(2, 32, 384)}))
    result = run(emit(tmp_path / "design", block), max_cycles=400_000)
    holds(result)


@pytest.mark.slow
def test_minilms_first_block_on_real_text(tmp_path: Path) -> None:
    bundle = api.compile(
        "zoo:minilm-l6",
        target="sn40l-small",
        layer="encoder.layer.0",
        out=tmp_path / "b",
        shapes={"s": [8], "b": [1]},
    )
    result = bundle.simulate()
    assert isinstance(result, SectionResult)
    assert result.bit_exact
    assert result.ok, result.text()
