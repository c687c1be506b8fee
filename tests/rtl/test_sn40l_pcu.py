"""The PCU against its oracle, packet by packet, and its cycle model; wrong designs are noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mutants import Edit
from mutate import prepare, write_schema
from sn40l_pcu_bench import BENCHES, QUANTIZED, texts
from sn40l_pcu_programs import add_norm, softmax

from penstock.ir.errors import InputError
from penstock.sim.rtl.sn40l_pcu import tail
from penstock.sim.rtl.sn40l_pcu.oracle import Stream, run
from penstock.sim.rtl.verilator import lint

HERE = Path(__file__).parent

SIZES = ({}, {"AccTiles": 1, "AccSets": 1}, {"AccTiles": 8, "AccSets": 3, "QueueDepth": 7})

# What breaks → file, a text that is in it once, an expression in that text, one in its place.
MUTATIONS: dict[str, tuple[str, str, str, str]] = {
    "a unit takes no credit": ("sn40l_pcu_output.sv", "&& (!first ||", "!first", "1'b1"),
    "an instruction does not wait": ("sn40l_pcu.sv", ".waits && first && busy", "first", "1'b0"),
    "the bias of the tile before": ("sn40l_pcu_gemm.sv", "~bias_i;\n        set_q", "~bias_i", "1'b1"),
    "tiles share accumulators": ("sn40l_pcu_gemm.sv", "!set_busy && a_valid_i", "!set_busy", "1'b1"),
    "poison is forgotten": ("sn40l_pcu_macs.sv", "product_poison_q | (first_q", "product_poison_q", "1'b0"),
    "a row's tail counts": ("sn40l_pcu_pipeline.sv", "instruction.ragged && last_i", "last_i", "1'b0"),
    "results without room": ("sn40l_pcu.sv", "&& (room ||", "room", "1'b1"),
}

BODY_MUTATIONS: dict[str, tuple[str, str, str, str]] = {
    "padding takes an operand": ("bitmod_body.sv", "act_taken && !padding && act_q[0]", "!padding", "1'b1"),
    "padding waits for an operand": ("bitmod_body.sv", "a_valid_i || padding", "padding", "1'b0"),
    "every group is padded": ("bitmod_body.sv", "group_last && last_i", "group_last", "1'b1"),
    "whole groups are padded": ("bitmod_body.sv", "last_i != '0 &&", "last_i != '0", "1'b1"),
    "no padding is zero": ("bitmod_body.sv", "padding ? '0", "padding", "1'b0"),
    "only the lower half": ("bitmod_body.sv", "act_q[0] ? a_i", "act_q[0]", "1'b0"),
    "tokens have no end": ("bitmod_body.sv", "group_last ? '0", "group_last", "1'b0"),
    "activations carry no poison": ("bitmod_body.sv", "!padding && a_poison_i", "a_poison_i", "1'b0"),
    "weights carry no poison": ("bitmod_body.sv", "weight_taken && b_poison_i", "b_poison_i", "1'b0"),
    "poison outlives its unit": ("bitmod_body.sv", "if (begins) poison_q", "begins", "1'b0"),
    "units have no end": (
        "bitmod_body.sv",
        "<= unit_q != units_i - 32'd1",
        "unit_q != units_i - 32'd1",
        "1'b1",
    ),
}


def edits(mutations: dict[str, tuple[str, str, str, str]], found: dict[str, str]) -> list[Edit]:
    """Mutations of a design's files, by name."""
    made = []
    for file, place, before, after in mutations.values():
        assert found[file].count(place) == 1, f"{place!r} is not in {file} once"
        start = found[file].index(place) + place.index(before)
        line = found[file].count("\n", 0, start) + 1
        made.append(Edit(file, "condition", start, start + len(before), before, after, False, line, place))
    return made


def design(folder: Path, *bodies: str) -> list[Path]:
    """The PCU, bodies in other folders, and assertions as files."""
    found = texts(*bodies)
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in found]


@pytest.mark.slow
def test_a_pcu_of_one_accumulator_is_the_model(tmp_path: Path) -> None:
    prepare(BENCHES["pcu1"], design(tmp_path), tmp_path)


@pytest.mark.slow
def test_a_bitmod_array_is_a_body_of_the_pcu(tmp_path: Path) -> None:
    """Quantized layers, bit for bit as BitMoD's oracle and in the model's cycles; mutations are noticed."""
    found = texts("bitmod")
    ready = prepare(QUANTIZED, write_schema(edits(BODY_MUTATIONS, found), found, tmp_path / "all"), tmp_path)
    missed = [name for number, name in enumerate(BODY_MUTATIONS, 1) if ready.fault(number, tmp_path) is None]
    assert not missed


@pytest.mark.slow
def test_results_credits_tokens_cycles_and_counters_are_the_models_and_mutations_are_noticed(
    tmp_path: Path,
) -> None:
    found = texts()
    ready = prepare(BENCHES["pcu"], write_schema(edits(MUTATIONS, found), found, tmp_path / "all"), tmp_path)
    missed = [name for number, name in enumerate(MUTATIONS, 1) if ready.fault(number, tmp_path) is None]
    assert not missed


@pytest.mark.parametrize("parameters", SIZES, ids=str)
def test_the_design_is_lint_clean(tmp_path: Path, parameters: dict[str, int]) -> None:
    lint(design(tmp_path), "sn40l_pcu", parameters)


@pytest.mark.slow
def test_the_design_with_a_bitmod_array_is_lint_clean(tmp_path: Path) -> None:
    lint(design(tmp_path, "bitmod"), "sn40l_pcu", {"Bitmod": 1})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"AccTiles": 9}, "AccTiles must be 1..8"),
        ({"AccSets": 0}, "AccSets must be at least 1"),
        ({"QueueDepth": 0}, "Depth must be at least 1"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    tmp_path: Path, parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lint(design(tmp_path), "sn40l_pcu", parameters)


YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(f'"{each}"' for each in sys.argv[1:]), design)
libyosys.run_pass("hierarchy -check -top sn40l_pcu -chparam AccTiles 1", design)
libyosys.run_pass("proc; check -assert", design)
"""


@pytest.mark.slow
def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(tmp_path: Path) -> None:
    sources = [str(path) for path in design(tmp_path) if not path.name.endswith("_props.sv")]
    done = subprocess.run([sys.executable, "-c", YOSYS, *sources], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_softmax_program_is_softmax_of_ragged_rows() -> None:
    random = np.random.default_rng(4)
    scores = random.standard_normal((6, 29)).astype(np.float32) * 5
    padded = np.full((6, 32), np.nan, np.float32)  # what lies behind a row does not count
    padded[:, :29] = scores
    got = run(softmax(4, 3, 2, lanes=5), [Stream.clean(padded.reshape(-1, 8))]).vectors.reshape(6, 32)
    want = torch.softmax(torch.from_numpy(scores.astype(np.float64)), 1).numpy()
    np.testing.assert_allclose(got[:, :29], want, rtol=5e-6)
    assert not got[:, 29:].any()


@pytest.mark.parametrize("terms", [2, 4])
def test_the_program_of_a_residual_sum_is_its_layer_norm(terms: int) -> None:
    random = np.random.default_rng(5)
    width = 96
    parts = random.standard_normal((terms, 6, width)).astype(np.float32)
    weight, bias = random.standard_normal((2, width)).astype(np.float32)
    streams = [Stream.clean(part.reshape(-1, 8)) for part in (*parts, np.stack([weight, bias]))]
    got = run(add_norm(width // 8, 3, 2, terms), streams).vectors.reshape(6, width)
    total = torch.from_numpy(parts.astype(np.float64).sum(0))
    scales = [torch.from_numpy(each.astype(np.float64)) for each in (weight, bias)]
    want = torch.nn.functional.layer_norm(total, (width,), *scales, eps=1e-12).numpy()
    np.testing.assert_allclose(got, want, atol=5e-6)


def test_the_rtl_has_the_oracles_coefficients() -> None:
    text = texts()["sn40l_pcu_tail_pkg.sv"]
    words = [int(each.split("'h")[1], 16) for each in _constants(text)]
    segments = np.array(words, np.uint32).reshape(-1, 6)[::-1]
    want = np.concatenate([tail.RECIPROCAL, tail.RSQRT, tail.GELU]).view(np.uint32)
    np.testing.assert_array_equal(segments[1:-1], want)
    assert not segments[-1].any()


def _constants(text: str) -> list[str]:
    table = text.partition("Table = {")[2].partition("};")[0]
    lines = [line for line in table.splitlines() if not line.strip().startswith("//")]
    return [each.strip() for each in " ".join(lines).split(",") if each.strip()]
