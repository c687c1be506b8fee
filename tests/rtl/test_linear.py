"""The whole layer engine under cocotb: ragged shapes, stalls, resets in mid-flight, infinities."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import find_libpython
import pytest

from penstock.ir.errors import ToolMissing
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module

PARAMETERS = ("-GRows=2", "-GCols=3", "-GMaxTokens=4", "-GMaxGroups=2")


@pytest.mark.slow
def test_cocotb_behaviours(design_sources: list[Path], design_properties: list[Path], tmp_path: Path) -> None:
    model = build_for_cocotb([*design_sources, *design_properties], "bitmod_linear", flags=PARAMETERS)
    if find_libpython.find_libpython() is None:
        with pytest.raises(ToolMissing, match="libpython"):
            run_module(model, "bitmod_linear", "cocotb_linear", tmp_path)
        return
    process = run_module(
        model,
        "bitmod_linear",
        "cocotb_linear",
        tmp_path,
        ("+verilator+rand+reset+2",),
        module_folder=Path(__file__).parent,
    )
    status = process.wait(timeout=300)
    log = (tmp_path / "cocotb.log").read_text(encoding="utf-8")
    assert status == 0, log[-6000:]
    cases = list(ElementTree.parse(tmp_path / "results.xml").iter("testcase"))
    failed = [
        case.get("name")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    assert len(cases) == 6, log[-6000:]
    assert not failed, f"{failed}\n{log[-6000:]}"
