"""The SN40L's sources as tools see them: lint-clean, readable for synthesis, refusing what cannot work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from yosys_sources import needed

from penstock.ir.errors import InputError
from penstock.sim.rtl.verilator import lint

TOPS = [
    ("sn40l_pmu", {}),
    ("sn40l_pmu", {"Banks": 16, "Depth": 2048, "SinglePort": 1}),
    ("sn40l_pmu", {"Banks": 2, "Depth": 8}),
    ("sn40l_switch", {"HopDepth": 2}),
    ("sn40l_control", {"Wires": 9, "Latency": 4}),
    ("credit_buf", {"Counters": 1, "Width": 1}),
    ("sn40l_fabric", {"Rows": 1, "Cols": 3}),
    ("sn40l_expert_mgr", {"Slots": 41}),
    ("sn40l_kseq", {}),
    pytest.param("sn40l_coe", {}, marks=pytest.mark.slow),
    pytest.param("sn40l_fabric", {"Rows": 2}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("top", "parameters"), TOPS, ids=str)
def test_the_design_and_its_assertions_are_lint_clean(
    sn40l_sources: list[Path], sn40l_properties: list[Path], top: str, parameters: dict[str, int]
) -> None:
    lint([*sn40l_sources, *sn40l_properties], top, parameters)


@pytest.mark.parametrize(
    ("top", "parameters", "message"),
    [
        ("sn40l_pmu", {"Banks": 6}, "powers of two"),
        ("sn40l_pmu", {"Banks": 16, "Depth": 65536}, "less than 2"),
        ("sn40l_switch", {"HopDepth": 1}, "HopDepth must be at least 2"),
        ("sn40l_control", {"Latency": 1}, "Latency must be at least 2"),
        pytest.param(
            "sn40l_fabric", {"Rows": 8, "Cols": 9}, r"Rows \* Cols must be 2..64", marks=pytest.mark.slow
        ),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    sn40l_sources: list[Path], top: str, parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lint(sn40l_sources, top, parameters)


YOSYS = """
import sys
from pyosys import libyosys
top, *sources = sys.argv[1:]
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(f'"{each}"' for each in sources), design)
libyosys.run_pass(f"hierarchy -check -top {top}", design)
libyosys.run_pass("proc; check -assert", design)
"""


@pytest.mark.parametrize(
    "top", ["sn40l_pmu", "sn40l_switch", "sn40l_control", "sn40l_expert_mgr", "sn40l_kseq"]
)
def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(
    sn40l_sources: list[Path], top: str
) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in sn40l_sources}
    used = needed(texts, top)
    command = [sys.executable, "-c", YOSYS, top, *(str(path) for path in sn40l_sources if path.name in used)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
