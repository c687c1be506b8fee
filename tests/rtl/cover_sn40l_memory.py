"""Line and toggle coverage of the memory side of the SN40L RTL over its cocotb suites, merged by source line.

    python tests/rtl/cover_sn40l_memory.py -o docs/rtl/sn40l_memory_coverage.md

As cover.py, which does it for BitMoD; points of sn40l_memory_waivers.toml are set aside, each with its
reason.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cover import HARNESS, TARGET, Suite, report, tally
from coverage_points import KINDS, Counts, merge, parse, read_waivers, waived

from penstock import rtl
from penstock.ir.errors import PenstockError
from penstock.progress import bar
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module

HERE = Path(__file__).parent
WAIVERS = HERE / "sn40l_memory_waivers.toml"
FILES = re.compile(r"sn40l_(mem_|memory|dma|agcu|segment|ecc|perf|burst_arbiter)\w*\.sv")
PUBLIC = '`verilator_config\npublic_flat_rw -module "sn40l_mem_chan" -var "mem_q"\n'
TIMEOUT_S = 900
SLOW_ROWS = ("-GRowMiss=6", "-GRefreshInterval=120", "-GRefreshCycles=11", "-GHbmLatency=9")
SUITES = (
    Suite("cocotb_sn40l_dma", "sn40l_dma_harness"),
    Suite("cocotb_sn40l_memory", "sn40l_memory_harness"),
    Suite("cocotb_sn40l_rows", "sn40l_memory_harness", SLOW_ROWS),
    Suite("cocotb_sn40l_agcu", "sn40l_agcu_harness"),
)


def measured() -> dict[str, str]:
    """The source files that count."""
    return {name: text for name, text in rtl.sources("sn40l").items() if FILES.fullmatch(name)}


def cover(suite: Suite, design: Sequence[Path], folder: Path) -> Counts:
    """Build and run cocotb cases; what they cover.

    Raises:
        PenstockError: one fails.
    """
    work = folder / suite.module
    work.mkdir()
    sources = [*design, HARNESS / f"{suite.top}.sv"]
    model = build_for_cocotb(sources, suite.top, flags=suite.flags, coverage=True)
    data = work / "coverage.dat"
    arguments = ("+verilator+rand+reset+2", f"+verilator+coverage+file+{data}")
    process = run_module(model, suite.top, suite.module, work, arguments, module_folder=HERE)
    results = work / "results.xml"
    failed = process.wait(timeout=TIMEOUT_S) or not results.exists()
    if failed or re.search("<(failure|error)", results.read_text(encoding="utf-8")):
        log = (work / "cocotb.log").read_text(encoding="utf-8")
        raise PenstockError(f"{suite.module} fails:\n{log[-2000:]}")
    return parse(data.read_text(encoding="utf-8"), measured())


def run(progress=None) -> Counts:
    """Coverage of all suites together."""
    with tempfile.TemporaryDirectory(prefix="penstock-coverage-") as scratch:
        folder = Path(scratch)
        design = [folder / "memory.vlt"]
        design[0].write_text(PUBLIC, encoding="utf-8")
        for name, text in rtl.sources("common", "sn40l").items():
            design.append(folder / name)
            design[-1].write_text(text, encoding="utf-8")
        parts = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for part in pool.map(lambda suite: cover(suite, design, folder), SUITES):
                parts.append(part)
                if progress:
                    progress("suites", len(parts), len(SUITES))
    return merge(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where both kinds reach 95 % without the waived points, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("-o", metavar="FILE", type=Path, help="write the report, Markdown")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    texts = measured()
    try:
        with bar() as progress:
            counts = run(progress)
        aside = waived(counts, read_waivers(WAIVERS), texts)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    total = {kind: tally(counts, aside, kind) for kind in KINDS}
    if options.o:
        command = "python tests/rtl/cover_sn40l_memory.py"
        ran = [suite.module for suite in SUITES]
        page = report(counts, aside, command, time.monotonic() - began, texts, ran)
        page = page.replace(
            "`rtl/bitmod` and the blocks of `rtl/common` it uses", "the memory side of `rtl/sn40l`"
        )
        scratch = options.o.with_suffix(".tmp")
        scratch.write_text(page, encoding="utf-8")
        scratch.replace(options.o)
    if options.json:
        figures = {
            k: {"points": t.total, "covered": t.covered, "waived": t.waived, "raw": t.raw, "rest": t.rest}
            for k, t in total.items()
        }
        print(json.dumps(figures))
    else:
        for kind, each in total.items():
            print(
                f"{kind}: {each.covered} of {each.total} = {100 * each.raw:.1f} %, "
                f"without {each.waived} waived {100 * each.rest:.1f} %"
            )
    return 0 if all(each.rest >= TARGET for each in total.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
