"""The machine's roofs: multiply-adds on registers alone at every vector width, and reading memory.

Other benchmarks import this and print fractions of what the same run measured:

    with tempfile.TemporaryDirectory() as folder:
        roofs = Roofs(Path(folder))
        roofs.flops("f32", threads=1)      # of the fastest width, per second
        roofs.read_bytes(threads=2)        # per second

A figure is the fastest of several short runs: a roof is what the machine can do, not what it does while
others use it. Every loop's result is a number known beforehand, and checked.

Usage: python benchmarks/roofs.py [--threads 1,2] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penstock.backends import cpu
from penstock.backends.cpu.loader import aligned_array
from penstock.ir.targets.host import detect

SUMS = 12
STEPS = 300_000
ROUNDS = 15
READ_BYTES = 256 << 20
DEFAULT_L3_BYTES = 32 << 20


@dataclass(frozen=True)
class Loop:
    """A register-only loop of roofs.c: its number there, what it needs, what one step does.

    Attributes:
        name: for people.
        element: of the operands; sums are always f32.
        bits: width of a vector.
        flags: of /proc/cpuinfo that it needs.
        products: multiply-adds a step and lane of 32 bits.
    """

    name: str
    element: str
    bits: int
    flags: frozenset[str]
    products: int

    @property
    def flops(self) -> int:
        """Of one step of all sums; a multiply-add counts twice."""
        return 2 * self.products * SUMS * self.bits // 32


_BF16 = frozenset({"avx512f", "avx512vl", "avx512_bf16"})
LOOPS = (
    Loop("mulps + addps", "f32", 128, frozenset({"sse2"}), 1),
    Loop("vfmadd", "f32", 128, frozenset({"avx2", "fma"}), 1),
    Loop("vfmadd", "f32", 256, frozenset({"avx2", "fma"}), 1),
    Loop("vfmadd", "f32", 512, frozenset({"avx512f"}), 1),
    Loop("vdpbf16ps", "bf16", 128, _BF16, 2),
    Loop("vdpbf16ps", "bf16", 256, _BF16, 2),
    Loop("vdpbf16ps", "bf16", 512, _BF16, 2),
)
"""In the order of roofs.c."""

READS = ("plain", "two streams", "asked for ahead")
"""In the order of stream_read.c."""


class Roofs:
    """The loops, compiled into a folder; what is measured is kept.

    Args:
        folder: for the library.
        rounds: runs the fastest of which counts.
    """

    def __init__(self, folder: Path, rounds: int = ROUNDS) -> None:
        self.rounds = rounds
        self._library = _compiled(folder)
        self._flops: dict[tuple[int, int], float] = {}
        self._read: dict[tuple[int, int], float] = {}
        self._lines: np.ndarray | None = None

    def loops(self) -> list[Loop]:
        """Those this machine runs."""
        flags = _flags()
        return [loop for loop in LOOPS if loop.flags <= flags]

    def flops(self, element: str, threads: int) -> float | None:
        """Floating-point operations a second of the fastest loop on such operands, None if there is none."""
        rates = [self.loop_flops(loop, threads) for loop in self.loops() if loop.element == element]
        return max(rates, default=None)

    def loop_flops(self, loop: Loop, threads: int) -> float:
        """Floating-point operations a second of one loop, all threads together."""
        which = LOOPS.index(loop)
        if (which, threads) not in self._flops:
            seconds = self._fastest(lambda: self._run(loop, threads))
            self._flops[which, threads] = loop.flops * STEPS * threads / seconds
        return self._flops[which, threads]

    def _run(self, loop: Loop, threads: int) -> None:
        totals = (ctypes.c_float * threads)()
        if self._library.roofs_run(threads, LOOPS.index(loop), ctypes.c_int64(STEPS), totals):
            raise SystemExit(f"{threads} threads cannot be started")
        wanted = float(STEPS * loop.products * SUMS * (loop.bits // 32))
        if any(abs(total / wanted - 1.0) > 1e-5 for total in totals):
            raise SystemExit(f"{loop.name}, {loop.bits} bits: {list(totals)} in place of {wanted}")

    def read_bytes(self, threads: int) -> float:
        """Bytes a second read from memory by the fastest of the ways to read, all threads together."""
        return max(self.way_bytes(way, threads) for way in READS)

    def read_now(self, threads: int) -> float:
        """Bytes a second of one run of the fastest way: what memory gives at this moment."""
        lines, times = self._memory(), []
        for how, _ in enumerate(READS):
            start = time.perf_counter()
            self._sum(lines, threads, how)
            times.append(time.perf_counter() - start)
        return lines.nbytes / min(times)

    def way_bytes(self, way: str, threads: int) -> float:
        """Bytes a second of one way to read."""
        how = READS.index(way)
        if (how, threads) not in self._read:
            lines = self._memory()
            seconds = self._fastest(lambda: self._sum(lines, threads, how))
            self._read[how, threads] = lines.nbytes / seconds
        return self._read[how, threads]

    def _memory(self) -> np.ndarray:
        """Four times the last-level cache at least, every line's words 1."""
        if self._lines is None:
            size = max(READ_BYTES, 4 * (detect().l3_bytes or DEFAULT_L3_BYTES))
            self._lines = aligned_array((size // 8,), "uint64")
            self._lines[:] = 1
        return self._lines

    def _sum(self, lines: np.ndarray, threads: int, how: int) -> None:
        total = self._library.stream_read(threads, lines.ctypes.data, lines.nbytes // 64, how)
        if total != lines.size:
            raise SystemExit(f"read, {READS[how]}: {total} in place of {lines.size}")

    def _fastest(self, run: Callable[[], None]) -> float:
        times = []
        for _ in range(self.rounds + 1):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return min(times)


def _compiled(folder: Path) -> ctypes.CDLL:
    here, runtime = Path(__file__).parent, Path(cpu.__path__[0]) / "runtime"
    sources = [here / "roofs.c", here / "stream_read.c", runtime / "team.c", runtime / "observe.c"]
    command = ["cc", "-O3", "-fPIC", "-shared", "-pthread", f"-I{runtime}", "-o", f"{folder}/roofs.so"]
    subprocess.run([*command, *map(str, sources)], check=True)
    library = ctypes.CDLL(f"{folder}/roofs.so")
    pointer, int64 = ctypes.c_void_p, ctypes.c_int64
    library.stream_read.argtypes = (ctypes.c_int, pointer, int64, ctypes.c_int)
    library.stream_read.restype = ctypes.c_uint64
    library.roofs_run.argtypes = (ctypes.c_int, ctypes.c_int, int64, pointer)
    return library


def _flags() -> frozenset[str]:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def main() -> int:
    parser = argparse.ArgumentParser(description="the machine's roofs")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (1,2)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs, the fastest counts ({ROUNDS})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    counts = [int(text) for text in options.threads.split(",")]
    rows = []
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        roofs = Roofs(Path(folder), options.rounds)
        for threads in counts:
            for loop in roofs.loops():
                rate = roofs.loop_flops(loop, threads) / 1e9
                about = {"loop": loop.name, "element": loop.element, "bits": loop.bits, "threads": threads}
                rows.append({**about, "gflops": round(rate, 1)})
            for way in READS:
                rate = roofs.way_bytes(way, threads) / 1e9
                about = {"loop": f"read, {way}", "element": "", "bits": 512, "threads": threads}
                rows.append({**about, "gbytes_per_s": round(rate, 1)})
    if options.json:
        print(json.dumps({"machine": detect().to_json(), "rows": rows}, indent=2))
        return 0
    print(f"{'loop':24} {'element':>7} {'bits':>5} {'threads':>7} {'rate':>8}")
    for row in rows:
        rate, unit = (row["gflops"], "GFLOP/s") if "gflops" in row else (row["gbytes_per_s"], "GB/s")
        print(f"{row['loop']:24} {row['element']:>7} {row['bits']:5} {row['threads']:7} {rate:8.1f} {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
