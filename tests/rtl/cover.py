"""Line and toggle coverage of the BitMoD RTL over all its test benches, merged by source line.

    python tests/rtl/cover.py -o docs/rtl/coverage.md

Runs the benches of benches.py and the cocotb suites on models that count, adds up what all instances and
parameters of a module have covered, and sets aside the points of coverage_waivers.toml, each with its reason.
A waiver that is about a covered point, or about none, is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import HARNESS, Bench, Job, design_texts
from benches import BENCHES
from coverage_points import KINDS, Counts, Point, Waiver, merge, parse, read_waivers, waived
from linear_bench import LINEAR

from penstock import rtl
from penstock.ir.errors import PenstockError
from penstock.progress import Progress, bar
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module
from penstock.sim.rtl.verilator import build

HERE = Path(__file__).parent
WAIVERS = HERE / "coverage_waivers.toml"
TARGET = 0.95
UNUSED = (
    *("fp32_div.sv", "fp32_exp_pkg.sv", "bitmod_body.sv"),
    *("fp16_to_fp32.sv", "fp32_to_fp16.sv", "delay_line.sv"),
)
"""Blocks that the BitMoD accelerator does not use."""
MINE = ("common", "bitmod")
ABOUT = "`rtl/bitmod` and the blocks of `rtl/common` it uses"
TIMEOUT_S = 900


@dataclass(frozen=True)
class Suite:
    """Cocotb cases.

    Attributes:
        module: a Python module of this folder.
        top: the top module, of the design or of harness/.
        flags: parameters.
        environment: variables that the module reads; it runs in the simulator, another process.
    """

    module: str
    top: str
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


ARRAY = {"BITMOD_ARRAY": json.dumps(asdict(LINEAR.array))}
SUITES = (
    Suite("cocotb_linear", "bitmod_linear", tuple(f"-G{k}={v}" for k, v in LINEAR.parameters.items()), ARRAY),
    Suite("cocotb_accel", "accel_harness", (), ARRAY),
    Suite("cocotb_dma", "dma_harness", ("-GMaxBurst=16", "-GDepth=32"), ARRAY),
)


def measured() -> list[str]:
    """The source files that count."""
    return [name for name in rtl.sources(*MINE) if name not in UNUSED]


def cover_bench(bench: Bench, design: list[Path], folder: Path, measured: Sequence[str]) -> Counts:
    """Build and run a bench; what it covers of some files.

    Raises:
        PenstockError: it finds a fault.
    """
    work = folder / bench.name
    work.mkdir()
    main, sources = HARNESS / bench.main, bench.sources(design, work)
    model = build(
        sources, bench.top, main, verilator_flags=bench.flags(), defines=bench.defines(), coverage=True
    )

    def covered(number: int, job: Job) -> Counts:
        data = work / f"{number}.dat"
        if said := job.fault(model.executable, (f"+verilator+coverage+file+{data}",)):
            raise PenstockError(f"bench {bench.name} fails: {said}")
        return parse(data.read_text(encoding="utf-8"), measured)

    jobs = list(bench.jobs(work))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return merge(list(pool.map(covered, range(len(jobs)), jobs)))


def cover_suite(suite: Suite, design: list[Path], work: Path, measured: Sequence[str]) -> Counts:
    """Build and run cocotb cases in a new folder; what they cover of some files.

    Raises:
        PenstockError: one fails.
    """
    work.mkdir()
    harness = HARNESS / f"{suite.top}.sv"
    sources = [*design, *([harness] if harness.exists() else [])]
    model = build_for_cocotb(sources, suite.top, flags=suite.flags, coverage=True)
    data, results = work / "coverage.dat", work / "results.xml"
    os.environ |= suite.environment
    arguments = ("+verilator+rand+reset+2", f"+verilator+coverage+file+{data}")
    process = run_module(model, suite.top, suite.module, work, arguments, module_folder=HERE)
    failed = process.wait(timeout=TIMEOUT_S) or not results.exists()
    if failed or re.search("<(failure|error)", results.read_text(encoding="utf-8")):
        log = (work / "cocotb.log").read_text(encoding="utf-8")
        raise PenstockError(f"{suite.module} fails:\n{log[-2000:]}")
    return parse(data.read_text(encoding="utf-8"), measured)


def run(benches: Sequence[str], suites: Sequence[Suite], progress: Progress | None = None) -> Counts:
    """Coverage of some benches and suites together."""
    with tempfile.TemporaryDirectory(prefix="penstock-coverage-") as scratch:
        folder = Path(scratch)
        design = []
        for name, text in design_texts().items():
            design.append(folder / name)
            design[-1].write_text(text, encoding="utf-8")
        work = [
            (name, lambda name=name: cover_bench(BENCHES[name], design, folder, measured()))
            for name in benches
        ]
        work += [
            (each.module, lambda each=each: cover_suite(each, design, folder / each.module, measured()))
            for each in suites
        ]
        parts = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for (name, _), part in zip(work, pool.map(lambda pair: pair[1](), work), strict=True):
                parts.append(part)
                if progress:
                    progress(f"{name} done", len(parts), len(work))
    return merge(parts)


@dataclass(frozen=True)
class Tally:
    """Points of one kind."""

    total: int
    covered: int
    waived: int

    @property
    def raw(self) -> float:
        """Part covered."""
        return self.covered / max(self.total, 1)

    @property
    def rest(self) -> float:
        """Part covered of those not waived."""
        return self.covered / max(self.total - self.waived, 1)


def tally(counts: Counts, aside: dict[Point, Waiver], kind: str, file: str | None = None) -> Tally:
    """Points of a kind, of one file or all."""
    mine = [point for point in counts if point.kind == kind and file in (None, point.file)]
    return Tally(
        len(mine), sum(1 for point in mine if counts[point]), sum(1 for point in mine if point in aside)
    )


def report(
    counts: Counts,
    aside: dict[Point, Waiver],
    about: str,
    command: str,
    seconds: float,
    texts: dict[str, str],
    ran: Sequence[str],
) -> str:
    """The page docs/rtl/coverage.md, or that of another part of the RTL."""
    total = {kind: tally(counts, aside, kind) for kind in KINDS}
    made = f"Made by `{command}` in {seconds:.0f} s, where models built before are not built again."
    lines = ["# Coverage", "", made, ""]
    lines += [
        "Verilator's line points (blocks and branches) and toggle points (each bit, each direction) of "
        f"{about}. Instances and parameters of a module count as one, by source line. "
        f"Run: {', '.join(ran)}.",
        "",
        "| | points | covered | raw | waived | without the waived |",
        "|---|---|---|---|---|---|",
    ]
    for kind, each in total.items():
        lines.append(
            f"| {kind} | {each.total} | {each.covered} | **{100 * each.raw:.1f} %** | {each.waived} | "
            f"**{100 * each.rest:.1f} %** |"
        )
    lines += ["", "## By module", "", "Covered of points; in brackets, of those not waived.", ""]
    lines += ["| module | lines | | toggles | |", "|---|---|---|---|---|"]
    for file in sorted({point.file for point in counts}):
        cells = []
        for kind in KINDS:
            each = tally(counts, aside, kind, file)
            cells += [f"{each.covered} / {each.total}", f"{100 * each.raw:.1f} % ({100 * each.rest:.1f} %)"]
        lines.append(f"| {file.removesuffix('.sv')} | {' | '.join(cells)} |")
    lines += ["", *_uncovered(counts, aside, texts), *_waivers(aside)]
    return "\n".join(lines)


def _ranges(points: list[Point]) -> str:
    """Signals of points, bits in ranges, without directions."""
    bits: dict[str, set[int]] = defaultdict(set)
    for point in points:
        name = point.what.partition(":")[0]
        found = re.fullmatch(r"(.*)\[(\d+)\]", name)
        bits[found[1] if found else name].add(int(found[2]) if found else -1)
    shown = []
    for name, numbers in sorted(bits.items()):
        if numbers == {-1}:
            shown.append(f"`{name}`")
            continue
        low, high = min(numbers), max(numbers)
        whole = len(numbers) == high - low + 1
        shown.append(f"`{name}[{high}:{low}]`" + ("" if whole or low == high else f" ({len(numbers)})"))
    return ", ".join(shown)


def _uncovered(counts: Counts, aside: dict[Point, Waiver], texts: dict[str, str]) -> list[str]:
    left: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point, count in sorted(counts.items()):
        if not count and point not in aside:
            left[point.file, point.kind].append(point)
    if not left:
        return []
    lines = ["## Not covered and not waived", "", "| module | what |", "|---|---|"]
    for (file, kind), points in sorted(left.items()):
        if kind == "line":
            source = texts[file].splitlines()
            shown = ", ".join(f"{p.what} of `{source[p.line - 1].strip()}`" for p in points).replace(
                "|", "\\|"
            )
        else:
            shown = _ranges(points)
        lines.append(f"| {file.removesuffix('.sv')} | {shown} |")
    return [*lines, ""]


def _waivers(aside: dict[Point, Waiver]) -> list[str]:
    count = Counter(aside.values())
    if not count:
        return []
    lines = ["## Waived", "", "| module | what | points | why |", "|---|---|---|---|"]
    for waiver, points in sorted(count.items(), key=lambda item: (item[0].file, item[0].what)):
        bits = f" bits {waiver.bits[1]}:{waiver.bits[0]}" if waiver.bits else ""
        what = waiver.what.replace("|", "\\|")
        lines.append(f"| {waiver.file.removesuffix('.sv')} | `{what}`{bits} | {points} | {waiver.why} |")
    return [*lines, ""]


def outputs(parser: argparse.ArgumentParser) -> None:
    """Where figures go."""
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("-o", metavar="FILE", type=Path, help="write the report, Markdown")


def conclude(
    counts: Counts, aside: dict[Point, Waiver], page: Callable[[], str], options: argparse.Namespace
) -> int:
    """Write the report where one is asked for, say the figures: 0 where both kinds reach 95 %, else 1."""
    total = {kind: tally(counts, aside, kind) for kind in KINDS}
    if options.o:
        scratch = options.o.with_suffix(".tmp")
        scratch.write_text(page(), encoding="utf-8")
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where both kinds reach 95 % without the waived points, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--no-cocotb", action="store_true", help="only the benches without Python in the loop"
    )
    parser.add_argument(
        "--bench", action="append", choices=list(BENCHES), help="only this bench; may be repeated"
    )
    outputs(parser)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    texts = rtl.sources(*MINE)
    benches, suites = options.bench or list(BENCHES), () if options.no_cocotb else SUITES
    try:
        with bar() as progress:
            counts = run(benches, suites, progress)
        aside = waived(counts, read_waivers(WAIVERS), texts)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command = " ".join(("python tests/rtl/cover.py", *(arguments or sys.argv[1:])))
    ran = (*benches, *(suite.module for suite in suites))
    seconds = time.monotonic() - began
    return conclude(
        counts, aside, lambda: report(counts, aside, ABOUT, command, seconds, texts, ran), options
    )


if __name__ == "__main__":
    sys.exit(main())
