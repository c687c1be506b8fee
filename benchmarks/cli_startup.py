"""How long ``penstock --help`` takes, beside the interpreter's own start: the requirement is 0.5 s.

Usage: python benchmarks/cli_startup.py [--runs N]      exit 1 when the requirement is missed
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

REQUIRED_S = 0.5


def best(command: list[str], runs: int) -> float:
    """Shortest wall time of a command, seconds; what it prints must not be an error."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description="time `penstock --help`")
    parser.add_argument("--runs", type=int, default=10, help="runs of each, the best counts (default 10)")
    runs = parser.parse_args().runs
    bare = best([sys.executable, "-c", "pass"], runs)
    full = best([sys.executable, "-m", "penstock", "--help"], runs)
    print(f"python -c pass            {bare * 1e3:7.1f} ms")
    print(f"penstock --help           {full * 1e3:7.1f} ms   (required: at most {REQUIRED_S * 1e3:.0f} ms)")
    return 0 if full <= REQUIRED_S else 1


if __name__ == "__main__":
    sys.exit(main())
