"""How soon a compiled model answers, and in how much memory: a new process each time.

The process imports NumPy, then penstock's loader, loads the bundle (checking every file's hash) and runs it.
Printed: wall and processor milliseconds of each stage, their sum from loading to the first result against its
target, and the peak of resident memory (VmHWM, touched pages of mapped files included) above what the process
held with NumPy alone, against weights + planned arena + 30 MB. The model is compiled for one length, so that
the weights' file holds each weight once. With --evict the bundle's files are asked out of the page cache
before each start.

Usage: python benchmarks/cpu_start.py [--model zoo:minilm-l6] [--precision fp32] [--length 128] [--threads N]
           [--rounds N] [--evict] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import penstock

TARGET_MS = 300.0
ALLOWED_BYTES = 30 * 10**6

CHILD = """
import json, sys, time
def resident(key):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))
marks = []
def mark():
    marks.append((time.perf_counter(), time.process_time()))
path, threads = sys.argv[1], int(sys.argv[2])
import numpy as np
numpy_bytes = resident("VmHWM")
mark()
from penstock.backends.cpu.loader import load
mark()
program = load(path)
mark()
(entry,) = program.entries.values()
ones = {spec.name: np.ones(spec.shape, spec.dtype) for spec in entry.inputs}
program.run(ones, threads=threads)
mark()
peak_bytes = resident("VmHWM")
program.run(ones, threads=threads)
mark()
print(json.dumps({
    "wall_ms": [1e3 * (b[0] - a[0]) for a, b in zip(marks, marks[1:])],
    "cpu_ms": [1e3 * (b[1] - a[1]) for a, b in zip(marks, marks[1:])],
    "numpy_bytes": numpy_bytes,
    "peak_bytes": peak_bytes,
    "arena_bytes": program.arena_bytes(entry.name, threads),
    "torch": "torch" in sys.modules,
}))
"""
STAGES = ("import", "load", "first run", "second run")


def evict(bundle: Path) -> None:
    """Ask the system to drop the bundle's files from its page cache."""
    for path in bundle.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start(bundle: Path, threads: int) -> dict[str, Any]:
    """What a new process measures about itself."""
    command = [sys.executable, "-c", CHILD, str(bundle), str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    if found["torch"]:
        raise SystemExit("loading a bundle imported torch")
    return found


def summary(starts: list[dict[str, Any]], weights_bytes: int) -> dict[str, Any]:
    """Medians of the starts, and both targets."""

    def median(of: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(of, starts))

    stages = {
        name: {
            kind: round(median(lambda found, k=kind, n=number: found[k][n]), 1)
            for kind in ("wall_ms", "cpu_ms")
        }
        for number, name in enumerate(STAGES)
    }
    to_result = [sum(found["wall_ms"][1:3]) for found in starts]
    used = max(found["peak_bytes"] - found["numpy_bytes"] for found in starts)
    allowed = weights_bytes + starts[0]["arena_bytes"] + ALLOWED_BYTES
    return {
        "stages": stages,
        "load_to_result_ms": {
            "median": round(statistics.median(to_result), 1),
            "least": round(min(to_result), 1),
        },
        "target_ms": TARGET_MS,
        "numpy_bytes": int(median(lambda found: found["numpy_bytes"])),
        "peak_above_numpy_bytes": used,
        "weights_bytes": weights_bytes,
        "arena_bytes": starts[0]["arena_bytes"],
        "allowed_bytes": allowed,
        "ok": statistics.median(to_result) <= TARGET_MS and used <= allowed,
    }


def text(result: dict[str, Any]) -> str:
    lines = [f"{'stage':12} {'wall ms':>9} {'processor ms':>13}"]
    lines += [
        f"{name:12} {found['wall_ms']:9.1f} {found['cpu_ms']:13.1f}"
        for name, found in result["stages"].items()
    ]
    ms, mb = result["load_to_result_ms"], 1e-6
    lines += [
        f"load to first result: {ms['median']} ms (least {ms['least']}), target {result['target_ms']:.0f}",
        f"peak above NumPy's {result['numpy_bytes'] * mb:.1f} MB: "
        f"{result['peak_above_numpy_bytes'] * mb:.1f} MB; "
        f"weights {result['weights_bytes'] * mb:.1f} + arena {result['arena_bytes'] * mb:.1f} + "
        f"{ALLOWED_BYTES * mb:.0f} = {result['allowed_bytes'] * mb:.1f} MB",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="start and memory of a compiled model")
    parser.add_argument("--model", default="zoo:minilm-l6")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--evict", action="store_true", help="files out of the page cache first")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        bundle = Path(folder) / "bundle"
        asked: dict[str, Any] = {"precision": options.precision} if options.precision != "fp32" else {}
        penstock.compile(options.model, shapes={"s": [options.length]}, out=bundle, **asked)
        starts = []
        for _ in range(options.rounds):
            if options.evict:
                evict(bundle)
            starts.append(start(bundle, options.threads))
        result = summary(starts, (bundle / "weights.safetensors").stat().st_size)
    print(json.dumps(result, indent=2) if options.json else text(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
