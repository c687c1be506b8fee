"""The FuseMax sources as tools see them: lint-clean, readable for synthesis, refusing what cannot work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.ir.errors import InputError
from penstock.sim.rtl.verilator import lint

PARAMETERS = [
    {"Rows": 4, "Cols": 4},
    {"Rows": 2, "Cols": 2, "E": 2, "F": 2, "MaxP1": 1, "MaxPeriod": 2},
    {"Rows": 8, "Cols": 16, "E": 128, "F": 128, "MaxP1": 9},
    {"Rows": 3, "Cols": 7, "E": 5, "F": 9, "MaxP1": 3, "RfEntries": 16, "LaneEntries": 20},
]
TOP = "fusemax_attention"


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_the_design_is_lint_clean(fusemax_sources: list[Path], parameters: dict[str, int]) -> None:
    lint(fusemax_sources, TOP, parameters)


def test_the_assertions_are_lint_clean(fusemax_sources: list[Path], fusemax_properties: list[Path]) -> None:
    lint([*fusemax_sources, *fusemax_properties], TOP)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Rows": 1}, "Rows and Cols must be at least 2"),
        ({"E": 129}, "E and F must be 2..128"),
        ({"Rows": 16, "E": 7, "F": 8}, r"E \+ F must be at least Rows"),
        ({"RfEntries": 17}, "RfEntries must be 1..16"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    fusemax_sources: list[Path], parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lint(fusemax_sources, TOP, parameters)


YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(f'"{each}"' for each in sys.argv[1:]), design)
small = "-chparam Rows 2 -chparam Cols 2 -chparam E 4 -chparam F 4"
libyosys.run_pass("hierarchy -check -top fusemax_attention " + small, design)
libyosys.run_pass("proc; check -assert", design)
"""


def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(fusemax_sources: list[Path]) -> None:
    command = [sys.executable, "-c", YOSYS, *map(str, fusemax_sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
