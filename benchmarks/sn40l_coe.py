"""A Composition of 150 tiny experts on the simulated RTL: hits, knee, switching, asking ahead.

The shape of SN40L's section VI-C (MICRO 2024). Every run compares all results with float64, all counts with
the cost model's, and its cycles with the model's (bound 5 %); a line that fails any of these says so.

    hits        uniform requests, 40 slots: the share of hits beside 40/150
    knee        cycles waited for experts, a prompt, as the number of experts grows beyond 40
    switching   copies at SN40L's rate from DDR, and at those that a DGX's host gives it in proportion
    ahead       experts asked for while one runs: cycles beside none

Usage: python benchmarks/sn40l_coe.py [--only NAME] [--batches N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from penstock.serving_rtl import RtlServing, serve_rtl

EXPERTS, SLOTS, WIDTH = 150, 40, 32
RATE = Fraction(8)
RATIOS = {"sn40l": Fraction(1), "dgx-h100": Fraction(125, 8), "dgx-a100": Fraction(125, 4)}
"""How many times slower experts come: 1 TB/s of a node over 64 and 32 GB/s of a DGX's host."""


def _serve(experts: int, batches: int, **options: Any) -> RtlServing:
    return serve_rtl(
        f"rtl:experts={experts},width={options.pop('width', WIDTH)}", SLOTS, batches=batches, **options
    )


def _line(found: RtlServing, **more: Any) -> dict[str, Any]:
    waited = found.measured["wait_cycles"] / found.measured["requests"]
    named = {"prompts": found.measured["requests"], "waited_cycles": round(waited, 1)}
    checks = {"cycles_off": found.cycles_off, "relative_error": found.relative_error, "ok": found.ok}
    return {**more, **named, **checks}


def hits(batches: int) -> Iterator[dict[str, Any]]:
    """The share of hits of uniform requests, without the first ones, which find no expert near."""
    found = _serve(EXPERTS, batches)
    measured, model = found.measured["hit_rate"], found.modelled.hit_rate
    cold = min(SLOTS, found.measured["misses"])
    warm = found.measured["hits"] / (found.measured["requests"] - cold)
    yield _line(found, hit_rate=measured, modelled=model, warm=warm, expected=found.expected_hit_rate)


def knee(batches: int) -> Iterator[dict[str, Any]]:
    """Waiting begins at the first expert that does not fit."""
    for experts in (20, 30, 40, 44, 50, 60, 80, 100, 150):
        found = _serve(experts, batches // 4)
        yield _line(found, experts=experts, evictions=found.measured["evictions"])


def switching(batches: int) -> Iterator[dict[str, Any]]:
    """Cycles of a copy of 64 KiB beside those of the fastest; eight prompts of different experts."""
    first = None
    for name, ratio in RATIOS.items():
        found = _serve(100, 1, width=128, ddr=RATE / ratio, seed=1)
        each = found.measured["wait_cycles"] / found.measured["misses"]
        first = first or each
        yield _line(
            found, machine=name, bandwidth_ratio=float(ratio), copy_cycles=each, copy_ratio=each / first
        )


def ahead(batches: int) -> Iterator[dict[str, Any]]:
    """Cycles with experts asked for ahead."""
    first = None
    for number in (0, 1, 2, 4):
        found = _serve(EXPERTS, batches // 4, ahead=number)
        cycles = found.measured["cycles"]
        first = first or cycles
        yield _line(found, ahead=number, cycles=cycles, gain=first / cycles)


PARTS: dict[str, Callable[[int], Iterator[dict[str, Any]]]] = {
    each.__name__: each for each in (hits, knee, switching, ahead)
}


def main() -> int:
    """The command: 0 where all checks hold, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=list(PARTS), help="one part")
    parser.add_argument("--batches", type=int, default=300, metavar="N", help="of 8 prompts (default 300)")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {}
    for name in [options.only] if options.only else PARTS:
        rows[name] = []
        for row in PARTS[name](options.batches):
            rows[name].append(row)
            if not options.json:
                shown = (
                    f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in row.items()
                )
                print(f"{name}: {', '.join(shown)}", flush=True)
    if options.json:
        print(json.dumps(rows))
    return 0 if all(row["ok"] for part in rows.values() for row in part) else 1


if __name__ == "__main__":
    sys.exit(main())
