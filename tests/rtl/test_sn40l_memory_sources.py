"""The memory side of the SN40L as tools see it: lint-clean, readable for synthesis, parameters refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from yosys_sources import needed, with_parameters

from penstock import rtl
from penstock.ir.errors import InputError
from penstock.sim.rtl.sn40l_memory import COMPLETION_BITS, DESCRIPTOR_BITS, SEGMENT_BITS
from penstock.sim.rtl.verilator import lint

DESIGNS = [
    ("sn40l_agcu", {}),
    ("sn40l_dma", {"Slots": 4, "Segments": 3, "QueueDepth": 1}),
    ("sn40l_memory", {}),
    (
        "sn40l_memory",
        {"Ports": 1, "HbmChannels": 1, "HbmBeats": 64, "DdrBeats": 128, "HbmNum": 1, "HbmDen": 1},
    ),
    ("sn40l_memory", {"Ports": 3, "RowMiss": 9, "RefreshInterval": 100, "RefreshCycles": 7, "Faults": 1}),
]


@pytest.mark.parametrize(("top", "parameters"), DESIGNS, ids=str)
def test_the_design_is_lint_clean(sn40l_files: list[Path], top: str, parameters: dict[str, int]) -> None:
    lint([path for path in sn40l_files if "_props" not in path.name], top, parameters)


def test_the_assertions_are_lint_clean(sn40l_files: list[Path]) -> None:
    lint(sn40l_files, "sn40l_agcu")


@pytest.mark.parametrize(
    ("top", "parameters", "message"),
    [
        ("sn40l_memory", {"HbmNum": 17}, "Den at least Num"),
        ("sn40l_memory", {"HbmChannels": 3}, "powers of two"),
        ("sn40l_memory", {"HbmBeats": 20}, "whole pieces"),
        ("sn40l_memory", {"ReadDepth": 513}, "ReadDepth must be 1..512"),
        ("sn40l_dma", {"Slots": 12}, "a power of two, at most 16"),
        ("sn40l_dma", {"Segments": 17}, "Segments must be 1..16"),
        ("sn40l_agcu", {"Descriptors": 129}, "Descriptors must be 1..128"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    sn40l_files: list[Path], top: str, parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lint([path for path in sn40l_files if "_props" not in path.name], top, parameters)


def test_python_and_systemverilog_agree_on_widths() -> None:
    text = rtl.sources("sn40l")["sn40l_mem_pkg.sv"]
    widths = {"Descriptor": DESCRIPTOR_BITS, "Segment": SEGMENT_BITS, "Completion": COMPLETION_BITS}
    for name, bits in widths.items():
        assert re.search(rf"{name}Bits += {bits};", text), name


YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(f'"{each}"' for each in sys.argv[2:]), design)
libyosys.run_pass("hierarchy -check -top " + sys.argv[1], design)
libyosys.run_pass("proc; check -assert", design)
"""


@pytest.mark.parametrize(
    ("top", "parameters"),
    [("sn40l_agcu", {}), ("sn40l_memory", {"Ports": 2, "HbmBeats": 64, "DdrBeats": 64, "ReadDepth": 16})],
    ids=str,
)
def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(
    tmp_path: Path, top: str, parameters: dict[str, int]
) -> None:
    texts = rtl.sources("common", "sn40l")
    names = [*needed(texts, texts[f"{top}.sv"]), f"{top}.sv"]
    for name in names:
        text = with_parameters(texts[name], parameters if name == f"{top}.sv" else {})
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = [str(tmp_path / name) for name in dict.fromkeys(names)]
    done = subprocess.run([sys.executable, "-c", YOSYS, top, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
