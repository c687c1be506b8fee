"""Rules of a design broken one by one: all edits in one model, asleep until ``+mutant=NUMBER`` wakes one.

With all asleep it is the design: its cases pass on the same model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import mutants
from cocotb_cases import run_built

from penstock import rtl
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module
from penstock.sim.rtl.verilator import Build

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Mutation:
    """An edit of the RTL.

    Attributes:
        file: what it is in.
        before: an expression, or text, that is there once.
        after: in its place; with ``{on}`` where it says itself when it is awake.
        case: a part of the name of the one case that must fail.
    """

    file: str
    before: str
    after: str
    case: str

    def text(self, number: int) -> str:
        """What stands in its place in a model of all."""
        awake = f"(mutant_pkg::active == {number})"
        if "{on}" in self.after:
            return self.after.replace("{on}", awake)
        return f"({awake} ? ({self.after}) : ({self.before}))"


@dataclass(frozen=True)
class Rules:
    """A part of the SN40L's RTL, its cocotb cases, and edits that break its rules.

    Attributes:
        top: the module that is tested, or a file in harness/.
        module: of the cases.
        cases: how many it has.
        edits: what breaks → the edit; they are numbered from 1.
        flags: for Verilator.
        environment: for the cases.
        more: files to stand before the design.
        asserted: whether the design's own assertions may notice, too: of rules that only they are about.
    """

    top: str
    module: str
    cases: int
    edits: Mapping[str, Mutation]
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)
    asserted: bool = False

    def build(self, folder: Path) -> Broken:
        """The design with its assertions and all edits as files in a folder, and the model of it."""
        texts = {**rtl.sources("common", "sn40l"), **rtl.properties("common", "sn40l")}
        for number, edit in enumerate(self.edits.values(), 1):
            assert texts[edit.file].count(edit.before) == 1, f"not once in {edit.file}: {edit.before}"
            texts[edit.file] = texts[edit.file].replace(edit.before, edit.text(number))
        files = {**self.more, "mutant_pkg.sv": mutants.PACKAGE, **texts}
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        harness = HERE / "harness" / f"{self.top}.sv"
        sources = [*(folder / name for name in files), *([harness] if harness.exists() else [])]
        return Broken(self, build_for_cocotb(sources, self.top, flags=self.flags))


@dataclass(frozen=True)
class Broken:
    """A model of a design with all edits in it."""

    rules: Rules
    model: Build

    def check_cases(self, folder: Path) -> None:
        """All cases must pass while all edits are asleep, the design's own assertions hold too."""
        rules = self.rules
        with patch.dict(os.environ, rules.environment):
            run_built(self.model, rules.top, rules.module, rules.cases, folder)

    def unnoticed(self, folder: Path) -> list[str]:
        """Edits that their case does not notice."""
        return [
            f"{name}: {edit.case}"
            for number, (name, edit) in enumerate(self.rules.edits.items(), 1)
            if not self._fails(number, edit.case, folder / f"{number}")
        ]

    def _fails(self, number: int, case: str, folder: Path) -> bool:
        """Whether a case goes wrong with a mutant awake."""
        folder.mkdir()
        top, module = self.rules.top, self.rules.module
        quiet = () if self.rules.asserted else ("+verilator+noassert",)
        arguments = ("+verilator+rand+reset+2", f"+mutant={number}", *quiet)
        with patch.dict(os.environ, {**self.rules.environment, "COCOTB_TEST_FILTER": case}):
            process = run_module(self.model, top, module, folder, arguments, module_folder=HERE)
        status = process.wait()
        results = folder / "results.xml"
        if status or not results.exists():
            return True
        cases = list(ElementTree.parse(results).iter("testcase"))
        assert len(cases) == 1, f"{len(cases)} cases are called {case}"
        return any(cases[0].find(sign) is not None for sign in ("failure", "error"))
