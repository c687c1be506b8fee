"""One token's linear layer on the CPU: packed BitMoD weights beside torch, ONNX Runtime and llama.cpp.

Weights are read from memory, not from a cache: each way cycles over copies of its matrix that together are
four times the last-level cache. The roof is the best of three loops that only read memory, over as many bytes
and with as many threads, in the same run. A second table has one copy that stays in the cache, of the first
size. Ways take turns within each round. Of all windows of four multiplications the median is printed, and
what the fastest tenth stays below, since cores may be shared; beside it two errors: that of the kernel
(against the weights its numbers stand for, in float64) and that of the weights (against the float ones).

Peers that are not installed are left out, and said: penstock itself needs none of them. ONNX Runtime (with
the package onnx) may live in another environment: give its interpreter as --peers-python. llama.cpp is
measured through its shared library, libggml.so or any that exports ggml's functions: give it as --ggml; it
multiplies with its plain kernels, not with the repacked weights it may use when it loads a whole model.

The whole run ends within --seconds: what is left of them is shared among the tables, and rounds stop early.

Usage: python benchmarks/cpu_gemv.py [--threads 1,2] [--sizes 4096x4096,11008x4096] [--rounds N] [--json]
           [--only NAME] [--peers-python PATH] [--ggml PATH] [--cycle-mib N] [--pause MS] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemv_ways import GGML_TYPES, PENSTOCK_WAYS, READ_WAYS, TORCH_WAYS

from penstock.ir.targets.host import detect

WORKER = Path(__file__).with_name("gemv_ways.py")
DEFAULT_L3_BYTES = 32 << 20
KERNEL_BOUND = 2e-2
"""Above this the kernel does not compute its own weights: int8 activations cost some 5e-3."""


@dataclass
class Worker:
    """One way in a process of its own."""

    name: str
    process: subprocess.Popen[str]
    about: dict[str, Any]
    seconds: dict[int, list[float]]

    def median(self, threads: int) -> float:
        return statistics.median(self.seconds[threads])

    def fast(self, threads: int) -> float:
        """What the fastest tenth stays below."""
        return statistics.quantiles(self.seconds[threads], n=10, method="inclusive")[0]

    def turn(self, threads: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(threads, file=self.process.stdin, flush=True)
        self.seconds.setdefault(threads, []).extend(json.loads(self.process.stdout.readline()))


def start(name: str, python: str, numbers: list[int], library: str) -> subprocess.Popen[str]:
    """A way getting ready in a process."""
    command = [python, str(WORKER), name, *map(str, numbers), library]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ready(name: str, process: subprocess.Popen[str]) -> Worker | None:
    """The way once it is ready; None, and a line of explanation, where it cannot run."""
    assert process.stdout is not None
    about = process.stdout.readline()
    if about:
        return Worker(name, process, json.loads(about), {})
    _, errors = process.communicate()
    print(f"left out: {name}: {(errors.strip() or 'no answer').splitlines()[-1]}", file=sys.stderr)
    return None


@dataclass(frozen=True)
class Table:
    """What is measured together.

    Attributes:
        n, d: size of the matrix.
        threads: of each way, one number after the other.
        cycle_bytes: weights cycled over; 0 for one copy in the cache.
    """

    n: int
    d: int
    threads: tuple[int, ...]
    cycle_bytes: int

    @property
    def place(self) -> str:
        """Where the weights are read from."""
        return "memory" if self.cycle_bytes else "cache"


def measure(table: Table, options: argparse.Namespace, until: float) -> list[dict[str, Any]]:
    """A row for each way; rounds stop at a time."""
    if not table.cycle_bytes:
        pythons = dict.fromkeys([*READ_WAYS, *PENSTOCK_WAYS], sys.executable)
    else:
        pythons = dict.fromkeys([*READ_WAYS, *PENSTOCK_WAYS, *TORCH_WAYS], sys.executable)
    pythons["onnxruntime int4"] = options.peers_python
    if options.ggml:
        pythons |= dict.fromkeys(GGML_TYPES, sys.executable)
    wanted = {name: python for name, python in pythons.items() if name in READ_WAYS or options.only in name}
    numbers = [table.n, table.d, table.cycle_bytes]
    started = {name: start(name, python, numbers, options.ggml) for name, python in wanted.items()}
    workers = [worker for name, process in started.items() if (worker := ready(name, process))]
    try:
        for number in range(options.rounds):
            if number and time.monotonic() > until:
                break
            for worker in workers:
                for threads in table.threads:
                    time.sleep(options.pause / 1e3)
                    worker.turn(threads)
    finally:
        for worker in workers:
            worker.process.communicate()
    return [row(worker, table, threads, workers) for threads in table.threads for worker in workers]


def row(worker: Worker, table: Table, threads: int, workers: list[Worker]) -> dict[str, Any]:
    """What is printed of a way: its rates beside those of the best reader, median by median, fast by fast."""
    median, fast, size = worker.median(threads), worker.fast(threads), worker.about["bytes"]
    readers = [each for each in workers if each.name in READ_WAYS]
    roof = max(each.about["bytes"] / each.median(threads) for each in readers)
    fast_roof = max(each.about["bytes"] / each.fast(threads) for each in readers)
    found = {"size": f"{table.n}x{table.d}", "from": table.place, "threads": threads, "way": worker.name}
    found |= {"copies": worker.about["copies"], "samples": len(worker.seconds[threads]), "bytes": size}
    found |= {"microseconds": round(median * 1e6, 1), "fastest_tenth_microseconds": round(fast * 1e6, 1)}
    found |= {"gigabytes_per_second": round(size / median / 1e9, 2)}
    found |= {
        "of_roof": round(size / median / roof, 3),
        "of_roof_fastest_tenth": round(size / fast / fast_roof, 3),
    }
    if "kernel_error" in worker.about:
        found["bits_per_weight"] = round(worker.about["bytes"] * 8 / (table.n * table.d), 3)
        found |= {name: float(f"{worker.about[name]:.2e}") for name in ("kernel_error", "weight_error")}
    return found


def show(rows: list[dict[str, Any]]) -> None:
    titles = f"{'bits':>6} {'µs':>8} {'µs, 10%':>8} {'GB/s':>6} {'of roof':>8} {'10%':>5} {'kernel err':>11}"
    titles += " weight err"
    print(f"{'size':11} {'from':6} thr {'way':24} {titles}")
    for one in rows:
        print(
            f"{one['size']:11} {one['from']:6} {one['threads']:3} {one['way']:24} "
            f"{one.get('bits_per_weight', ''):>6} {one['microseconds']:8.0f} "
            f"{one['fastest_tenth_microseconds']:8.0f} "
            f"{one['gigabytes_per_second']:6.1f} {one['of_roof']:8.2f} {one['of_roof_fastest_tenth']:5.2f} "
            f"{one.get('kernel_error', ''):>11} {one.get('weight_error', '')}"
        )


def tables_of(options: argparse.Namespace) -> list[Table]:
    """Every size from memory, then the first one from the cache."""
    sizes = [(int(n), int(d)) for n, _, d in (size.partition("x") for size in options.sizes.split(","))]
    threads = tuple(map(int, options.threads.split(",")))
    tables = [Table(n, d, threads, options.cycle_mib << 20) for n, d in sizes]
    return [*tables, Table(*sizes[0], threads, 0)]


def main() -> int:
    parser = argparse.ArgumentParser(description="GEMV with packed weights, penstock beside its peers")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--sizes", default="4096x4096,11008x4096")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--pause", type=float, default=20.0, help="milliseconds before each turn (20)")
    parser.add_argument("--cycle-mib", type=int, help="weights cycled over (four times the last-level cache)")
    parser.add_argument("--only", default="", help="ways whose name contains this")
    parser.add_argument(
        "--peers-python", default=sys.executable, help="interpreter with onnxruntime and onnx"
    )
    parser.add_argument("--ggml", default="", help="llama.cpp's shared library")
    parser.add_argument("--seconds", type=float, default=170.0, help="the whole run ends by then (170)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    host = detect()
    options.cycle_mib = options.cycle_mib or 4 * (host.l3_bytes or DEFAULT_L3_BYTES) >> 20
    load, begun = os.getloadavg()[0], time.monotonic()
    if not options.ggml:
        print("left out: llama.cpp: no --ggml library", file=sys.stderr)
    rows = []
    tables = tables_of(options)
    for number, table in enumerate(tables):
        rest = begun + options.seconds - time.monotonic()
        rows += measure(table, options, time.monotonic() + rest / (len(tables) - number))
    if options.json:
        about = {
            "cpu": host.model,
            "load_before": load,
            "cycle_mib": options.cycle_mib,
            "rounds": options.rounds,
        }
        print(json.dumps({**about, "rows": rows}, indent=2))
    else:
        print(f"{host.model}, {options.cycle_mib} MiB of weights a way, load {load:.1f} at the start")
        show(rows)
    return 0 if all(one.get("kernel_error", 0) <= KERNEL_BOUND for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
