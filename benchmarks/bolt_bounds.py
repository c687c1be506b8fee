"""How full the oblivious map's bins, HBM and queue get in 10^9 accesses a pattern.

Writes reproduce/stored/bolt.json, which `penstock reproduce bolt` reads. The loads are simulated without
data (sim/bolt/bounds); the published figures stand in reproduce/published/bolt. About ten minutes of CPU.

Usage: python benchmarks/bolt_bounds.py [--accesses N] [--jobs N] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from penstock.reproduce.bolt_bounds import ACCESSES, STORED, Run, compute, to_json


def tell(run: Run) -> None:
    found = run.found
    print(
        f"c={run.bin_keys} alpha={run.alpha} N={run.keys} {run.pattern}: load {found.max_load}, "
        f"H {found.max_h}, Q {found.max_q}, stashed {found.stashed} in {found.accesses:.0e} accesses",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accesses", type=int, default=ACCESSES)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    here = Path(__file__).resolve().parents[1] / "reproduce" / STORED
    parser.add_argument("--output", type=Path, default=here)
    given = parser.parse_args()
    begin = time.perf_counter()
    runs = compute(given.accesses, given.jobs, tell)
    part = given.output.with_suffix(".part")
    part.write_text(json.dumps(to_json(runs), indent=1) + "\n", encoding="utf-8")
    part.replace(given.output)
    print(f"{len(runs)} runs in {time.perf_counter() - begin:.0f} s, written to {given.output}")


if __name__ == "__main__":
    main()
