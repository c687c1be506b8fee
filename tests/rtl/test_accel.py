"""The accelerator under cocotb, from descriptors to results in memory; its sources as tools see them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.sim.cost.bitmod import BitmodArray
from penstock.sim.rtl.verilator import lint

from .cocotb_cases import pass_array, run_cases

SMALL = BitmodArray(rows=2, cols=3, max_tokens=4, max_groups=2)
TILED = BitmodArray(rows=2, cols=3, max_tokens=4, max_groups=2, row_tiles=2, col_tiles=2, lanes=8)
HARNESS = Path(__file__).parent / "harness" / "accel_harness.sv"


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Rows": 2, "Cols": 3, "MaxTokens": 4, "MaxGroups": 2},
        {"Rows": 1, "Cols": 1, "MaxTokens": 1, "MaxGroups": 1, "MaxBurst": 1, "QueueDepth": 1},
        {"MaxBurst": 256, "QueueDepth": 512},
        {"Rows": 2, "Cols": 3, "RowTiles": 2, "ColTiles": 2, "Lanes": 8, "MaxTokens": 4},
    ],
    ids=str,
)
def test_the_accelerator_is_lint_clean(
    design_sources: list[Path], design_properties: list[Path], parameters: dict[str, int]
) -> None:
    lint(design_sources, "bitmod_accel", parameters)
    lint([*design_sources, *design_properties], "bitmod_accel", parameters)


YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(f'"{each}"' for each in sys.argv[1:]), design)
small = "-chparam Rows 2 -chparam Cols 2 -chparam MaxTokens 4"
libyosys.run_pass("hierarchy -check -top bitmod_accel " + small, design)
libyosys.run_pass("proc; check -assert", design)
"""


def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(design_sources: list[Path]) -> None:
    command = [sys.executable, "-c", YOSYS, *map(str, design_sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("array", [SMALL, TILED], ids=["one tile", "four tiles of eight lanes"])
def test_cocotb_behaviours(
    design_sources: list[Path],
    design_properties: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    array: BitmodArray,
) -> None:
    sources = [*design_sources, *design_properties, HARNESS]
    flags = pass_array(array, monkeypatch)
    run_cases(sources, "accel_harness", "cocotb_accel", 8, tmp_path, flags)
