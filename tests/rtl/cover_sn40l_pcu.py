"""Line and toggle coverage of the PCU over its benches, as cover.py of BitMoD.

    python tests/rtl/cover_sn40l_pcu.py

Exit status 0 where 95 % of both kinds are covered; what is not is listed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench import HARNESS, Bench
from coverage_points import KINDS, Counts, merge, parse
from mutate_sn40l_pcu import OTHERS
from sn40l_pcu_bench import BENCHES, texts

from penstock.ir.errors import PenstockError
from penstock.sim.rtl.verilator import build

TARGET = 0.95


def measured() -> list[str]:
    """The source files that count."""
    return [name for name in texts() if name not in OTHERS and not name.endswith("_props.sv")]


def covered(bench: Bench, folder: Path) -> Counts:
    """What a bench covers.

    Raises:
        PenstockError: it finds a fault.
    """
    work = folder / bench.name
    work.mkdir()
    design = texts()
    for name, text in design.items():
        (work / name).write_text(text, encoding="utf-8")
    sources = [work / name for name in design]
    model = build(sources, bench.top, HARNESS / bench.main, verilator_flags=bench.flags(), coverage=True)
    parts = []
    for number, job in enumerate(bench.jobs(work)):
        data = work / f"{number}.dat"
        if said := job.fault(model.executable, (f"+verilator+coverage+file+{data}",)):
            raise PenstockError(f"bench {bench.name} fails: {said}")
        parts.append(parse(data.read_text(encoding="utf-8"), measured()))
    return merge(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--missing", action="store_true", help="list what is not covered")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="penstock-coverage-") as folder:
            counts = merge([covered(bench, Path(folder)) for bench in BENCHES.values()])
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    parts = []
    for kind in KINDS:
        mine = [point for point in counts if point.kind == kind]
        done = sum(1 for point in mine if counts[point])
        parts.append(done / len(mine))
        print(f"{kind}: {done} of {len(mine)} = {100 * parts[-1]:.1f} %")
    if options.missing:
        left = Counter(
            (point.file, point.kind, point.line if point.kind == "line" else point.what.partition("[")[0])
            for point, count in counts.items()
            if not count
        )
        for (file, kind, what), count in sorted(left.items(), key=lambda item: -item[1]):
            print(f"{count:5} {file} {kind} {what}")
    return 0 if min(parts) >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
