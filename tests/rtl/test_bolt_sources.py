"""BOLT as tools see it: lint-clean, readable for synthesis, parameters refused, widths as Python has them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from yosys_sources import needed, with_parameters

from penstock import rtl
from penstock.ir.errors import InputError
from penstock.sim.bolt.config import CAM_ENTRIES, STASH_ENTRIES, WAYS, BoltConfig
from penstock.sim.rtl.bolt_images import BIN_BITS, ENTRY_BYTES, FRAME_BITS, KEY_BITS
from penstock.sim.rtl.verilator import lint

DESIGNS = [
    ("bolt_system", {}),
    ("bolt_system", {"HbmBins": 0, "InFlight": 1, "ValueBytes": 8}),
    pytest.param(
        "bolt_system",
        {"Bins": 64, "HbmBins": 64, "Frames": 900, "Buckets": 256, "InFlight": 8},
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "bolt_system",
        {"ValueBytes": 64, "FillNop": 1, "AesUnits": 10, "Digit": 128, "LanePairs": 1},
        marks=pytest.mark.slow,
    ),
]
SMALL = {"Bins": 64, "HbmBins": 12, "Frames": 100, "Buckets": 64, "ValueBytes": 8}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sources, then assertions."""
    folder = tmp_path_factory.mktemp("bolt")
    texts = {**rtl.sources("common", "bolt"), **rtl.properties("bolt")}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


@pytest.mark.parametrize(("top", "parameters"), DESIGNS, ids=str)
def test_the_design_is_lint_clean(files: list[Path], top: str, parameters: dict[str, int]) -> None:
    lint([path for path in files if "_props" not in path.name], top, parameters)


def test_the_assertions_are_lint_clean(files: list[Path]) -> None:
    lint(files, "bolt_system")


@pytest.mark.parametrize(
    ("top", "parameters", "message"),
    [
        ("bolt_page_dma", {"PageBytes": 384}, "a power of two, 64..4096"),
        ("bolt_page_dma", {"PageBytes": 8192}, "a power of two, 64..4096"),
        ("bolt_page_dma", {"InFlight": 3}, "InFlight must be a power of two"),
        ("bolt_page_dma", {"HostTimeout": 1}, "HostTimeout must be at least 2"),
        ("bolt_hbm_port", {"Deadline": 3}, "Deadline must be at least 4"),
        ("bolt_value", {"LanePairs": 3}, "LanePairs must be 1 or 2"),
        ("bolt_fault", {"Codes": 17}, "Codes must be 2..16"),
        ("bolt_top", {"Bins": 64, "HbmBins": 65}, "HbmBins at most Bins"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    files: list[Path], top: str, parameters: dict[str, int], message: str
) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in files if "_props" not in path.name}
    names = {*needed(texts, texts[f"{top}.sv"]), f"{top}.sv"}
    with pytest.raises(InputError, match=message):
        lint([path for path in files if path.name in names], top, parameters)


def test_python_and_systemverilog_agree_on_sizes() -> None:
    text = rtl.sources("bolt")["bolt_pkg.sv"]
    sizes = {
        "KeyWidth": KEY_BITS,
        "BinWidth": BIN_BITS,
        "FrameWidth": FRAME_BITS,
        "EntryBits": 8 * ENTRY_BYTES,
        "Slots": BoltConfig().slots,
        "Ways": WAYS,
        "StashPlaces": STASH_ENTRIES,
        "CamPlaces": CAM_ENTRIES,
    }
    for name, size in sizes.items():
        assert re.search(rf"int unsigned {name} += {size};", text), name


YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv " + " ".join(f'"{each}"' for each in sys.argv[2:]), design)
libyosys.run_pass("hierarchy -check -top " + sys.argv[1], design)
libyosys.run_pass("proc; check -assert", design)
"""


@pytest.mark.slow
def test_a_synthesis_tool_reads_it_and_finds_no_loop_or_undriven_wire(tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    texts = rtl.sources("common", "bolt")
    texts["bolt_top.sv"] = with_parameters(texts["bolt_top.sv"], SMALL)
    names = list(dict.fromkeys([*needed(texts, texts["bolt_top.sv"]), "bolt_top.sv"]))
    for name in names:
        (tmp_path / name).write_text(texts[name], encoding="utf-8")
    command = [sys.executable, "-c", YOSYS, "bolt_top", *(str(tmp_path / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
