"""Line and toggle coverage of parts of the SN40L's RTL over their test benches, merged by source line.

    python tests/rtl/cover_sn40l.py fabric -o docs/rtl/sn40l_fabric_coverage.md

As cover.py, which does it for BitMoD. No point is waived.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import Bench
from cover import Suite, conclude, cover_bench, cover_suite, outputs, report
from coverage_points import Counts, merge
from sn40l_pcu_bench import BENCHES

from penstock import rtl
from penstock.ir.errors import PenstockError
from penstock.progress import Progress, bar
from penstock.sim.rtl.sn40l_memory import PUBLIC_ARRAYS

SLOW_ROWS = ("-GRowMiss=6", "-GRefreshInterval=120", "-GRefreshCycles=11", "-GHbmLatency=9")
ONE_PORT = ("-GBanks=16", "-GDepth=64", "-GSinglePort=1")


@dataclass(frozen=True)
class Part:
    """Files that are measured together.

    Attributes:
        about: what they are, for people.
        files: a pattern of their names.
        suites: cocotb cases; run one after the other where they have environments, else side by side.
        benches: with a main program, run after those.
    """

    about: str
    files: str
    suites: tuple[Suite, ...] = ()
    benches: tuple[Bench, ...] = ()

    @property
    def texts(self) -> dict[str, str]:
        """The source files that count."""
        sources = rtl.sources("sn40l")
        return {name: text for name, text in sources.items() if re.fullmatch(self.files, name)}


PARTS = {
    "pcu": Part("the PCU of `rtl/sn40l`", r"sn40l_pcu\w*\.sv", benches=tuple(BENCHES.values())),
    "fabric": Part(
        "the PMU, the switch, the control network and the credits of `rtl/sn40l`",
        r"(credit_buf|sn40l_(agu|bank_arbiter|pmu\w*|switch|control))\.sv",
        (
            Suite("cocotb_sn40l_pmu", "sn40l_pmu", ("-GDepth=64",), {"PMU_SINGLE_PORT": "0"}),
            Suite("cocotb_sn40l_pmu", "sn40l_pmu", ONE_PORT, {"PMU_SINGLE_PORT": "1"}),
            Suite("cocotb_sn40l_mesh", "sn40l_mesh_harness"),
        ),
    ),
    "memory": Part(
        "the memory side of `rtl/sn40l`",
        r"sn40l_(mem_|memory|dma|agcu|segment|ecc|perf|burst_arbiter)\w*\.sv",
        (
            Suite("cocotb_sn40l_dma", "sn40l_dma_harness"),
            Suite("cocotb_sn40l_memory", "sn40l_memory_harness"),
            Suite("cocotb_sn40l_rows", "sn40l_memory_harness", SLOW_ROWS),
            Suite("cocotb_sn40l_agcu", "sn40l_agcu_harness"),
        ),
    ),
    "experts": Part(
        "the manager of experts and the kernel sequencer of `rtl/sn40l`",
        r"sn40l_(expert_mgr|lru|kseq)\w*\.sv",
        (
            Suite("cocotb_experts", "sn40l_expert_mgr", ("-GSlots=5", "-GCounterWidth=9")),
            Suite("cocotb_kseq", "kseq_harness", ("-GCounterWidth=9",)),
        ),
    ),
}


def run(part: Part, progress: Progress | None = None) -> Counts:
    """Coverage of all suites and benches of a part together.

    Raises:
        PenstockError: a case fails.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-coverage-") as scratch:
        folder = Path(scratch)
        texts = {"memory.vlt": PUBLIC_ARRAYS, **rtl.sources("common", "sn40l")}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        design, names = [folder / name for name in texts], list(part.texts)
        work = [partial(cover_suite, s, design, folder / str(n), names) for n, s in enumerate(part.suites)]
        work += [partial(cover_bench, bench, design, folder, names) for bench in part.benches]
        alone = any(suite.environment for suite in part.suites)  # of this process: one at a time
        parts = []
        with ThreadPoolExecutor(1 if alone else os.cpu_count()) as pool:
            for counts in pool.map(lambda each: each(), work):
                parts.append(counts)
                if progress:
                    progress("suites", len(parts), len(work))
    return merge(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where both kinds reach 95 %, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=list(PARTS), help="of the RTL")
    outputs(parser)
    options = parser.parse_args(arguments)
    part, began = PARTS[options.part], time.monotonic()
    try:
        with bar() as progress:
            counts = run(part, progress)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command, seconds = f"python tests/rtl/cover_sn40l.py {options.part}", time.monotonic() - began
    ran = [" ".join((suite.module, *suite.flags)) for suite in part.suites]
    ran += [bench.name for bench in part.benches]
    return conclude(
        counts, {}, lambda: report(counts, {}, part.about, command, seconds, part.texts, ran), options
    )


if __name__ == "__main__":
    sys.exit(main())
