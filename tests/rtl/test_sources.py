"""The sources as tools see them: lint-clean, readable for synthesis, refusing parameters that cannot work."""

from __future__ import annotations

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
    {"Rows": 44, "Cols": 1, "MaxTokens": 44, "MaxGroups": 2},
]
FOLDERS = ("common", "bitmod", "fusemax")
LINE = 110


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_the_design_is_lint_clean(design_sources: list[Path], parameters: dict[str, int]) -> None:
    lint(design_sources, "bitmod_linear", parameters)


def test_the_assertions_are_lint_clean(design_sources: list[Path], design_properties: list[Path]) -> None:
    lint([*design_sources, *design_properties], "bitmod_linear")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Rows": 45, "Cols": 1, "MaxTokens": 45}, "Rows must be 1..44"),
        ({"Rows": 2, "MaxTokens": 129}, "multiple of Rows"),
        ({"Rows": 2, "Cols": 2, "MaxTokens": 2, "AccWidth": 19}, "AccWidth must be 12..18"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    design_sources: list[Path], parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lint(design_sources, "bitmod_linear", parameters)


YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(sys.argv[1:]), design)
small = "-chparam Rows 2 -chparam Cols 2 -chparam MaxTokens 4"
libyosys.run_pass("hierarchy -check -top bitmod_linear " + small, design)
libyosys.run_pass("proc; check -assert", design)
"""


def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(design_sources: list[Path]) -> None:
    command = [sys.executable, "-c", YOSYS, *map(str, design_sources)]
    done = subprocess.run(command, capture_output=True, text=True)
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
