"""Cocotb cases run from pytest: all of a module's, in one simulation."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import find_libpython
import pytest

from penstock.ir.errors import ToolMissing
from penstock.sim.cost.bitmod import BitmodArray
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module
from penstock.sim.rtl.verilator import Build


def pass_array(array: BitmodArray, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Tell the module in the simulator, another process, of its array; the flags that make the model so."""
    monkeypatch.setenv("BITMOD_ARRAY", json.dumps(asdict(array)))
    return tuple(f"-G{name.title().replace('_', '')}={value}" for name, value in asdict(array).items())


def run_cases(
    sources: list[Path], top: str, module: str, count: int, folder: Path, flags: tuple[str, ...]
) -> None:
    """Run the ``count`` cases of a module of this folder on ``top``; all must pass.

    Where this Python has no shared library, which a simulator needs, the run must say so.
    """
    run_built(build_for_cocotb(sources, top, flags=flags), top, module, count, folder)


def run_built(model: Build, top: str, module: str, count: int, folder: Path) -> None:
    """The same on a model that is built."""
    if find_libpython.find_libpython() is None:
        with pytest.raises(ToolMissing, match="libpython"):
            run_module(model, top, module, folder)
        return
    random_start = ("+verilator+rand+reset+2",)
    process = run_module(model, top, module, folder, random_start, module_folder=Path(__file__).parent)
    status = process.wait()
    log = (folder / "cocotb.log").read_text(encoding="utf-8")
    assert status == 0, log[-6000:]
    cases = list(ElementTree.parse(folder / "results.xml").iter("testcase"))
    failed = [
        case.get("name")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    assert len(cases) == count, log[-6000:]
    assert not failed, f"{failed}\n{log[-6000:]}"
