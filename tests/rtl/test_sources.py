"""The sources as tools see them: lint-clean, readable for synthesis, refusing parameters that cannot work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import rtl
from penstock.ir.errors import InputError
from penstock.sim.rtl.verilator import lint

PARAMETERS = [
    {"Rows": 8, "Cols": 8, "MaxTokens": 128, "MaxGroups": 3},
    {"Rows": 1, "Cols": 1, "MaxTokens": 1, "MaxGroups": 1},
    {"Rows": 3, "Cols": 5, "MaxTokens": 9, "MaxGroups": 12},
    {"Rows": 2, "Cols": 2, "MaxTokens": 2, "MaxGroups": 1, "Truncate": 1, "AccWidth": 18},
    {"Rows": 48, "Cols": 1, "MaxTokens": 48, "MaxGroups": 2},
    {"Rows": 2, "Cols": 3, "RowTiles": 2, "ColTiles": 2, "MaxTokens": 8},
    {"Rows": 1, "Cols": 1, "RowTiles": 2, "ColTiles": 3, "MaxTokens": 2, "MaxGroups": 1, "Lanes": 2},
    {"Rows": 3, "Cols": 1, "RowTiles": 4, "ColTiles": 4, "MaxTokens": 12, "Lanes": 8},
    pytest.param({"Rows": 8, "Cols": 8, "RowTiles": 4, "ColTiles": 4, "Lanes": 8}, marks=pytest.mark.slow),
    pytest.param(
        {"Rows": 8, "Cols": 8, "RowTiles": 8, "ColTiles": 1, "MaxTokens": 64}, marks=pytest.mark.slow
    ),
]
FOLDERS = ("common", "bitmod", "fusemax", "baseline")
LINE = 110


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_the_design_is_lint_clean(design_sources: list[Path], parameters: dict[str, int]) -> None:
    lint(design_sources, "bitmod_linear", parameters)


def test_the_assertions_are_lint_clean(design_sources: list[Path], design_properties: list[Path]) -> None:
    lint([*design_sources, *design_properties], "bitmod_linear")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Rows": 49, "Cols": 1, "MaxTokens": 49}, "shortest group"),
        ({"Rows": 17, "Cols": 1, "MaxTokens": 17, "Lanes": 8}, "shortest group"),
        ({"Rows": 8, "Cols": 1, "RowTiles": 8, "MaxTokens": 64, "Lanes": 8}, "RowTiles must not exceed"),
        ({"Rows": 2, "MaxTokens": 129}, "multiple of Rows"),
        ({"Rows": 2, "RowTiles": 2, "MaxTokens": 6}, "multiple of Rows"),
        ({"Rows": 2, "Cols": 2, "MaxTokens": 2, "Lanes": 16}, "Lanes must be 2, 4 or 8"),
        ({"Rows": 2, "Cols": 2, "MaxTokens": 2, "AccWidth": 19}, "AccWidth must be 12..18"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    design_sources: list[Path], parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lint(design_sources, "bitmod_linear", parameters)


YOSYS = """
import os, sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(f'"{each}"' for each in sys.argv[1:]), design)
small = "-chparam Rows 2 -chparam Cols 2 -chparam MaxTokens 4 " + os.environ["CHPARAM"]
libyosys.run_pass("hierarchy -check -top bitmod_linear " + small, design)
libyosys.run_pass("proc; check -assert", design)
"""


@pytest.mark.parametrize(
    "parameters", ["", "-chparam RowTiles 2 -chparam ColTiles 2 -chparam Lanes 8", "-chparam Lanes 2"]
)
def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(
    design_sources: list[Path], parameters: str
) -> None:
    command = [sys.executable, "-c", YOSYS, *map(str, design_sources)]
    environment = {**os.environ, "CHPARAM": parameters}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_every_file_holds_the_module_it_is_named_after_and_says_what_it_is() -> None:
    for name, text in {**rtl.sources(*FOLDERS), **rtl.properties(*FOLDERS)}.items():
        declared = re.findall(r"^(?:module|package) (\w+)", text, re.M)
        assert declared == [name.removesuffix(".sv")], name
        heading = re.findall(
            r"^// (.+)", text.split("SPDX-License-Identifier: Apache-2.0")[1].split("module ")[0], re.M
        )
        assert heading, f"{name} has no heading"
        assert max(map(len, text.splitlines())) <= LINE, f"{name} has lines longer than {LINE}"
