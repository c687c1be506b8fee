"""One token's linear layer on the CPU: packed BitMoD weights beside torch, ONNX Runtime and llama.cpp.

Weights are read from memory, not from a cache: each way cycles over copies of its matrix that together exceed
twice the last-level cache. The roof is the better of two loops that only read memory, in the same run. Ways
take turns within each round. Of all windows of four multiplications the median is printed, and what the
fastest tenth stays below, since cores may be shared; beside it two errors: that of the kernel (against the
weights its numbers stand for, in float64) and that of the weights (against the float ones).

Peers that are not installed are left out, and said. ONNX Runtime (with the package onnx) may live in another
environment: give its interpreter as --peers-python. llama.cpp is measured through its shared library,
libggml.so or any that exports ggml's functions: give it as --ggml; it multiplies with its plain kernels, not
with the repacked weights that it may use when it loads a whole model.

Usage: python benchmarks/cpu_gemv.py [--threads 1,2] [--sizes 4096x4096,11008x4096] [--rounds N] [--json]
           [--only NAME] [--peers-python PATH] [--ggml PATH] [--cycle-mib N] [--pause MS]
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
    seconds: list[float]

    @property
    def rate(self) -> float:
        """Bytes of weights a second, by the median."""
        return self.about["bytes"] / statistics.median(self.seconds)

    def turn(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(file=self.process.stdin, flush=True)
        self.seconds += json.loads(self.process.stdout.readline())


def start(name: str, python: str, numbers: list[int], library: str) -> Worker | None:
    """A way ready to run; None, and a line of explanation, where it cannot."""
    command = [python, str(WORKER), name, *map(str, numbers), library]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    about = process.stdout.readline()
    if about:
        return Worker(name, process, json.loads(about), [])
    _, errors = process.communicate()
    print(f"left out: {name}: {(errors.strip() or 'no answer').splitlines()[-1]}", file=sys.stderr)
    return None


def measure(n: int, d: int, threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One size with one number of threads: a row for each way."""
    pythons = dict.fromkeys([*READ_WAYS, *PENSTOCK_WAYS, *TORCH_WAYS], sys.executable)
    pythons["onnxruntime int4"] = options.peers_python
    if options.ggml:
        pythons |= dict.fromkeys(GGML_TYPES, sys.executable)
    else:
        print("left out: llama.cpp: no --ggml library", file=sys.stderr)
    wanted = {name: python for name, python in pythons.items() if name in READ_WAYS or options.only in name}
    numbers = [n, d, threads, options.cycle_mib << 20]
    workers = [
        worker for name, python in wanted.items() if (worker := start(name, python, numbers, options.ggml))
    ]
    try:
        for _ in range(options.rounds):
            for worker in workers:
                time.sleep(options.pause / 1e3)
                worker.turn()
    finally:
        for worker in workers:
            worker.process.communicate()
    roof = max(worker.rate for worker in workers if worker.name in READ_WAYS)
    return [row(worker, n, d, threads, roof) for worker in workers]


def row(worker: Worker, n: int, d: int, threads: int, roof: float) -> dict[str, Any]:
    found = {"size": f"{n}x{d}", "threads": threads, "way": worker.name, "copies": worker.about["copies"]}
    found |= {
        "bytes": worker.about["bytes"],
        "microseconds": round(statistics.median(worker.seconds) * 1e6, 1),
        "fastest_tenth_microseconds": round(statistics.quantiles(worker.seconds, n=10)[0] * 1e6, 1),
    }
    found |= {"gigabytes_per_second": round(worker.rate / 1e9, 2), "of_roof": round(worker.rate / roof, 3)}
    if "kernel_error" in worker.about:
        found["bits_per_weight"] = round(worker.about["bytes"] * 8 / (n * d), 3)
        found |= {name: float(f"{worker.about[name]:.2e}") for name in ("kernel_error", "weight_error")}
    return found


def show(rows: list[dict[str, Any]]) -> None:
    titles = f"{'bits':>6} {'µs':>8} {'µs, 10%':>8} {'GB/s':>6} {'of roof':>8} {'kernel err':>11} weight err"
    print(f"{'size':12} thr {'way':20} {titles}")
    for one in rows:
        print(
            f"{one['size']:12} {one['threads']:3} {one['way']:20} {one.get('bits_per_weight', ''):>6} "
            f"{one['microseconds']:8.0f} {one['fastest_tenth_microseconds']:8.0f} "
            f"{one['gigabytes_per_second']:6.1f} {one['of_roof']:8.2f} "
            f"{one.get('kernel_error', ''):>11} {one.get('weight_error', '')}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="GEMV with packed weights, penstock beside its peers")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--sizes", default="4096x4096,11008x4096")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pause", type=float, default=20.0, help="milliseconds before each turn (20)")
    parser.add_argument("--cycle-mib", type=int, help="weights cycled over (twice the last-level cache)")
    parser.add_argument("--only", default="", help="ways whose name contains this")
    parser.add_argument(
        "--peers-python", default=sys.executable, help="interpreter with onnxruntime and onnx"
    )
    parser.add_argument("--ggml", default="", help="llama.cpp's shared library")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    host = detect()
    options.cycle_mib = options.cycle_mib or 2 * (host.l3_bytes or DEFAULT_L3_BYTES) >> 20
    load = os.getloadavg()[0]
    rows = []
    for size in options.sizes.split(","):
        n, d = map(int, size.split("x"))
        for threads in map(int, options.threads.split(",")):
            rows += measure(n, d, threads, options)
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
