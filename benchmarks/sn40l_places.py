"""One block at several places on the SN40L-style fabric's mesh: the RTL's cycles beside the model's.

Where units stand changes how far packets go, and whose turn it is at a memory channel. Every line holds the
results bit for bit and the model's cycles within 5 %; a line that fails says so.

    small       2 x 8 tokens, 32 wide, 96 inside
    wide        2 x 16 tokens, 48 wide, 80 inside
    long        3 x 32 tokens, 64 wide, 192 inside

Usage: python benchmarks/sn40l_places.py [--only NAME] [--seeds N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from random_blocks import random_block

from penstock.backends.verilog.sn40l import emit_section
from penstock.blocks import placed
from penstock.ir.targets import load
from penstock.sim.rtl.simulate import simulate
from penstock.sim.rtl.sn40l_section.design import SectionResult

TARGET = load("sn40l-small")
BLOCKS = {"small": (8, 32, 2, 96, 2), "wide": (16, 48, 3, 80, 2), "long": (32, 64, 4, 192, 3)}
"""Name → tokens, width, heads, width inside, sequences."""


def main() -> int:
    """The command: 0 where every line holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=BLOCKS, help="this block alone")
    parser.add_argument("--seeds", type=int, default=9, help="places of each block (default 9)")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    options = parser.parse_args()
    held = True
    for name in [options.only] if options.only else BLOCKS:
        for line in lines(name, options.seeds):
            held &= line["ok"]
            told = json.dumps(line) if options.json else "  ".join(f"{k} {v}" for k, v in line.items())
            print(told, flush=True)
    return 0 if held else 1


def lines(name: str, seeds: int) -> Iterator[dict[str, Any]]:
    """A block, at places of so many seeds."""
    block = random_block(*BLOCKS[name])
    for seed in range(seeds):
        compiled, _ = placed("block", block.stages, TARGET, seed)
        given = block.raised.params, block.recorded.arrays, block.reference
        with tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
            result = simulate(emit_section(Path(scratch) / "design", compiled, *given))
        assert isinstance(result, SectionResult)
        yield {
            "block": name,
            "seed": seed,
            "links": sum(sum(ends.values()) for ends in compiled.links().values()),
            "ok": result.ok,
            "cycles": result.cycles_rtl,
            "model": result.cycles_model,
            "model_off": round(result.cycles_model / result.cycles_rtl - 1, 4),
        }


if __name__ == "__main__":
    sys.exit(main())
