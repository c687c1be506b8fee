"""The offset planner: MiniMalloc's challenging instances, packings of known optimum, and 100 000 buffers.

- Instances: A to K (tests/data/minimalloc) at capacity 1 048 576. `warm`: one process plans them all, from
  buffers to checked offsets. `cold`: the command `penstock plan offsets`, a process each, from CSV to CSV.
  Beside them MiniMalloc, whole processes too, where its binary is given, and CP-SAT alone under a time limit
  (`>`: not solved). Whatever comes out is checked by `passes.offsets.check`, a layout of MiniMalloc's too.
- Tilings: a rectangle cut in pieces, so that the optimum is its height and no byte is ever free; the least
  arena is asked for, not told.
- Crowds: 100 000 buffers of random lives and sizes, with the gap to the bytes live at once.

MiniMalloc (github.com/google/minimalloc) is built by its own CMake files.

Usage: python benchmarks/offsets.py [--only instances,tilings,crowds] [--rounds N] [--minimalloc PATH]
    [--cp-sat SECONDS] [--names ABC] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from penstock.passes.offsets import Buffer, check, plan, race, read_csv
from penstock.passes.offsets.cpsat import CpSat

DATA = Path(__file__).parents[1] / "tests" / "data" / "minimalloc"
CAPACITY = 1 << 20
GIVE_UP_S = 120
TILINGS = 200
CROWD = 100_000


def median_s(rounds: int, run: Callable[[], None]) -> float:
    took = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def command(words: list[str], out: Path, buffers: tuple[Buffer, ...]) -> Callable[[], None]:
    """Runs a command that writes a CSV with offsets, and checks them."""

    def run() -> None:
        out.unlink(missing_ok=True)
        subprocess.run(words, check=True, capture_output=True, timeout=GIVE_UP_S)

    run()
    check(buffers, {b.name: b.offset or 0 for b in read_csv(out)}, CAPACITY)
    return run


def instance(name: str, rounds: int, minimalloc: str | None, cp_sat_s: float, folder: Path) -> dict[str, Any]:
    path, out = DATA / f"{name}.{CAPACITY}.csv", folder / "out.csv"
    buffers = read_csv(path)
    solvers = []

    def warm() -> None:
        found = race(buffers, capacity=CAPACITY, time_limit_s=GIVE_UP_S)
        check(buffers, found.plan.offsets, CAPACITY)
        solvers.append(found.plan.solver)

    words = [sys.executable, "-m", "penstock", "plan", "offsets", str(path), "--capacity", str(CAPACITY)]
    row: dict[str, Any] = {
        "instance": name,
        "buffers": len(buffers),
        "warm_s": median_s(rounds, warm),
        "cold_s": median_s(rounds, command([*words, "-o", str(out)], out, buffers)),
        "won_by": statistics.mode(solvers),
    }
    if minimalloc:
        words = [minimalloc, f"--capacity={CAPACITY}", f"--input={path}", f"--output={out}"]
        row["minimalloc_s"] = median_s(rounds, command(words, out, buffers))
    if cp_sat_s:
        begin = time.perf_counter()
        answer = CpSat(buffers, deterministic=False, workers=2).decide(CAPACITY, cp_sat_s)
        row["cp_sat_s"] = time.perf_counter() - begin if answer.offsets else math.inf
        if answer.offsets:
            check(buffers, answer.offsets, CAPACITY)
    return row


def tiling(
    count: int, seed: int, steps: int = 1000, height: int = CAPACITY, grain: int = 1024
) -> list[Buffer]:
    """A rectangle of steps × bytes in that many pieces, by guillotine cuts at random, large pieces first."""
    chance = random.Random(seed)
    pieces = [(0, steps, 0, height // grain)]
    while len(pieces) < count:
        pieces.sort(key=lambda piece: (piece[1] - piece[0]) * (piece[3] - piece[2]))
        from_step, to_step, low, high = pieces.pop(max(chance.randrange(len(pieces)) for _ in range(2)))
        if high - low == 1 or (to_step - from_step > 1 and chance.random() < 0.5):
            cut = chance.randrange(from_step + 1, to_step)
            pieces += [(from_step, cut, low, high), (cut, to_step, low, high)]
        else:
            cut = chance.randrange(low + 1, high)
            pieces += [(from_step, to_step, low, cut), (from_step, to_step, cut, high)]
    chance.shuffle(pieces)
    return [Buffer(f"b{i}", a, b, (high - low) * grain, 1) for i, (a, b, low, high) in enumerate(pieces)]


def tilings() -> dict[str, Any]:
    took, proved, gaps = [], 0, []
    for number in range(TILINGS):
        buffers = tiling(20 + number * 180 // (TILINGS - 1), number)
        begin = time.perf_counter()
        found = race(buffers, time_limit_s=10)
        took.append(time.perf_counter() - begin)
        check(buffers, found.plan.offsets)
        proved += found.plan.peak_bytes == found.plan.lower_bound_bytes == CAPACITY
        gaps.append(found.plan.gap)
    return {
        "tilings": TILINGS,
        "buffers": "20 to 200",
        "proved": proved,
        "largest_gap": max(gaps),
        "median_s": statistics.median(took),
        "longest_s": max(took),
    }


def crowd(kind: str, seed: int = 0) -> list[Buffer]:
    """Random buffers: lives of an exponential or a heavy-tailed length, or those of a net's layers."""
    chance = np.random.default_rng(seed)
    start = np.arange(CROWD) if kind == "layers" else chance.integers(0, CROWD, CROWD)
    life, log_size = {
        "exponential": (chance.exponential(500, CROWD), chance.normal(8, 1.5, CROWD)),
        "heavy": (np.minimum(5 * chance.pareto(1.1, CROWD), CROWD), chance.normal(8, 2, CROWD)),
        "layers": (chance.geometric(0.2, CROWD), np.log(2.0) * chance.integers(6, 16, CROWD)),
    }[kind]
    end, size = start + 1 + life.astype(np.int64), np.exp(log_size).astype(np.int64) + 1
    return [
        Buffer(f"b{i}", int(low), int(high), int(bytes_))
        for i, (low, high, bytes_) in enumerate(zip(start, end, size, strict=True))
    ]


def crowds() -> list[dict[str, Any]]:
    rows = []
    for kind in ("exponential", "heavy", "layers"):
        buffers = crowd(kind)
        begin, busy = time.perf_counter(), time.process_time()
        found = plan(buffers, time_limit_s=0)
        took, busy = time.perf_counter() - begin, time.process_time() - busy
        check(buffers, found.offsets)
        row = {"crowd": kind, "buffers": CROWD, "seconds": took, "cpu_s": busy}
        rows.append({**row, "gap": found.gap, "solver": found.solver})
    return rows


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def said(rows: list[dict[str, Any]]) -> str:
    """Rows under the names of their columns."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "> limit" if math.isinf(value) else f"{value:.4g}"
        return str(value)

    columns = list(rows[0])
    cells = [columns, *([cell(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="instances,tilings,crowds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minimalloc", metavar="PATH")
    parser.add_argument("--cp-sat", type=float, default=0, metavar="SECONDS", help="0: leave it out")
    parser.add_argument("--names", default="ABCDEFGHIJK")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    wanted = args.only.split(",")
    result: dict[str, Any] = {}
    if "instances" in wanted:
        with tempfile.TemporaryDirectory() as folder:
            rows = [
                instance(name, args.rounds, args.minimalloc, args.cp_sat, Path(folder)) for name in args.names
            ]
        result["instances"] = rows
        result["geometric_means_s"] = {
            key: geometric_mean([row[key] for row in rows])
            for key in ("warm_s", "cold_s", "minimalloc_s")
            if key in rows[0]
        }
    if "tilings" in wanted:
        result["tilings"] = [tilings()]
    if "crowds" in wanted:
        result["crowds"] = crowds()
    if args.json:
        print(json.dumps(result, default=str))
        return
    for name, rows in result.items():
        print(f"{name}\n{said(rows if isinstance(rows, list) else [rows])}\n")


if __name__ == "__main__":
    main()
