"""Line and toggle coverage of the SN40L's PMU, switch, control network and credits over their cocotb suites.

    python tests/rtl/cover_sn40l_fabric.py -o docs/rtl/sn40l_fabric_coverage.md

As cover.py, which does it for BitMoD; no point is waived.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cover import HARNESS, TARGET, report, tally
from coverage_points import KINDS, Counts, merge, parse

from penstock import rtl
from penstock.ir.errors import PenstockError
from penstock.progress import Progress, bar
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module

HERE = Path(__file__).parent
FILES = re.compile(r"(credit_buf|sn40l_(agu|bank_arbiter|pmu\w*|switch|control))\.sv")
TIMEOUT_S = 900


@dataclass(frozen=True)
class Suite:
    """Cocotb cases on a top module.

    Attributes:
        module: Python module of this folder.
        top: the top module, of the design or of harness/.
        flags: parameters.
        environment: variables the module reads.
    """

    module: str
    top: str
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


SUITES = (
    Suite("cocotb_sn40l_pmu", "sn40l_pmu", ("-GDepth=64",), {"PMU_SINGLE_PORT": "0"}),
    Suite(
        "cocotb_sn40l_pmu",
        "sn40l_pmu",
        ("-GBanks=16", "-GDepth=64", "-GSinglePort=1"),
        {"PMU_SINGLE_PORT": "1"},
    ),
    Suite("cocotb_sn40l_mesh", "sn40l_mesh_harness"),
)


def measured() -> dict[str, str]:
    """The source files that count."""
    return {name: text for name, text in rtl.sources("sn40l").items() if FILES.fullmatch(name)}


def cover(suite: Suite, design: Sequence[Path], work: Path) -> Counts:
    """Build and run cocotb cases; what they cover.

    Raises:
        PenstockError: one fails.
    """
    work.mkdir()
    harness = HARNESS / f"{suite.top}.sv"
    sources = [*design, *([harness] if harness.exists() else [])]
    model = build_for_cocotb(sources, suite.top, flags=suite.flags, coverage=True)
    data = work / "coverage.dat"
    os.environ |= suite.environment
    arguments = ("+verilator+rand+reset+2", f"+verilator+coverage+file+{data}")
    process = run_module(model, suite.top, suite.module, work, arguments, module_folder=HERE)
    results = work / "results.xml"
    failed = process.wait(timeout=TIMEOUT_S) or not results.exists()
    if failed or re.search("<(failure|error)", results.read_text(encoding="utf-8")):
        log = (work / "cocotb.log").read_text(encoding="utf-8")
        raise PenstockError(f"{suite.module} fails:\n{log[-2000:]}")
    return parse(data.read_text(encoding="utf-8"), measured())


def run(progress: Progress | None = None) -> Counts:
    """Coverage of all suites together."""
    with tempfile.TemporaryDirectory(prefix="penstock-coverage-") as scratch:
        folder = Path(scratch)
        design = []
        for name, text in rtl.sources("common", "sn40l").items():
            design.append(folder / name)
            design[-1].write_text(text, encoding="utf-8")
        parts = []
        for number, suite in enumerate(SUITES):
            parts.append(cover(suite, design, folder / str(number)))
            if progress:
                progress("suites", len(parts), len(SUITES))
    return merge(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where both kinds reach 95 %, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("-o", metavar="FILE", type=Path, help="write the report, Markdown")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    texts = measured()
    try:
        with bar() as progress:
            counts = run(progress)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    total = {kind: tally(counts, {}, kind) for kind in KINDS}
    if options.o:
        ran = [" ".join((suite.module, *suite.flags)) for suite in SUITES]
        command = "python tests/rtl/cover_sn40l_fabric.py"
        page = report(counts, {}, command, time.monotonic() - began, texts, ran)
        page = page.replace(
            "`rtl/bitmod` and the blocks of `rtl/common` it uses",
            "the PMU, the switch, the control network and the credits of `rtl/sn40l`",
        )
        scratch = options.o.with_suffix(".tmp")
        scratch.write_text(page, encoding="utf-8")
        scratch.replace(options.o)
    if options.json:
        print(
            json.dumps(
                {k: {"points": t.total, "covered": t.covered, "rest": t.rest} for k, t in total.items()}
            )
        )
    else:
        for kind, each in total.items():
            print(f"{kind}: {each.covered} of {each.total} = {100 * each.raw:.1f} %")
    return 0 if all(each.raw >= TARGET for each in total.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
