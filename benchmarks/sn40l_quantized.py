"""Blocks with quantized weights on the SN40L-style fabric's RTL: bits, error, cycles.

Linear layers run on PCUs with a BitMoD array for a body. Every line holds the RTL's result against the
section executed without cycles (bit for bit), against the float64 interpreter with the weights that the codes
stand for (2e-3), and the cycles against the model (5 %); a line that fails any of these says so. `gain` is
the model's cycles in FP32 beside the RTL's.

    small     random BERT layers: a format each, short groups of inputs and whole ones, several sequences
    minilm    MiniLM's first block on real text, bitmod4

The first line builds the model, for some minutes.

Usage: python benchmarks/sn40l_quantized.py [--only NAME] [--tokens N] [--sentences N] [--seed N] [--json]
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

from penstock import api
from penstock.backends.verilog.sn40l import emit_section
from penstock.blocks import Block, placed, quantized
from penstock.ir.targets import load
from penstock.ir.targets.fabric import Machine
from penstock.passes.stages import map_stages
from penstock.sim.cost.fabric import FabricCosts, section_cycles
from penstock.sim.rtl.simulate import simulate
from penstock.sim.rtl.sn40l_section.design import SectionResult

TARGET = load("sn40l-small")
MACHINE = Machine.of(TARGET)
SIZES = {
    "bitmod4": (16, 48, 3, 256, 2),
    "int8": (32, 64, 4, 384, 3),
    "bitmod3": (8, 32, 2, 96, 4),
    "int6": (8, 136, 17, 80, 2),
}
"""Format → tokens, width, heads, width inside, sequences."""


def main() -> int:
    """The command: 0 where every line holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("small", "minilm"), help="these lines alone")
    parser.add_argument("--tokens", type=int, default=8, help="of MiniLM's sequences (default 8, at most 32)")
    parser.add_argument("--sentences", type=int, default=1, help="that MiniLM reads (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of random layers")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    options = parser.parse_args()
    held = True
    with tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        lines = []
        if options.only != "minilm":
            lines.append(small(Path(scratch), options.seed))
        if options.only != "small":
            lines.append(minilm(Path(scratch), options.tokens, options.sentences))
        for found in lines:
            for line in found:
                held &= line["ok"]
                told = json.dumps(line) if options.json else "  ".join(f"{k} {v}" for k, v in line.items())
                print(told, flush=True)
    return 0 if held else 1


def small(scratch: Path, seed: int) -> Iterator[dict[str, Any]]:
    """Random layers, a format each."""
    for scheme, (tokens, width, heads, inner, tiles) in SIZES.items():
        block = quantized(random_block(tokens, width, heads, inner, tiles, seed), scheme)
        compiled, _ = placed("block", block.stages, TARGET, seed, scheme)
        given = block.raised.params, block.recorded.arrays, block.reference, block.quantized
        result = simulate(emit_section(scratch / scheme, compiled, *given))
        yield _line(result, f"{tiles} x {tokens} x {width}, {inner} inside", scheme, block)


def minilm(scratch: Path, tokens: int, sentences: int) -> Iterator[dict[str, Any]]:
    """MiniLM's first block."""
    bundle = api.compile(
        "zoo:minilm-l6",
        target=TARGET.name,
        layer="encoder.layer.0",
        quantize="bitmod4",
        shapes={"s": [tokens], "b": [sentences]},
        out=scratch / "minilm",
    )
    same = random_block(tokens, 384, 12, 1536, sentences, 0)
    yield _line(bundle.simulate(), f"{sentences} x {tokens} x 384, 1536 inside", "bitmod4", same)


def _line(result: Any, shape: str, scheme: str, block: Block) -> dict[str, Any]:
    """What came of a run; `block` has the stages whose cycles in FP32 stand beside."""
    assert isinstance(result, SectionResult)
    section = map_stages("block", block.stages, MACHINE, block.stages.tiles)
    costs = FabricCosts(MACHINE.hbm_bytes_per_cycle, MACHINE.ddr_bytes_per_cycle)
    plain = section_cycles(section, costs).total
    return {
        "shape": shape,
        "format": scheme,
        "ok": result.ok,
        "bit_exact": result.bit_exact,
        "relative_error": float(f"{result.relative_error:.2e}"),
        "cycles": result.cycles_rtl,
        "model_off": round(result.cycles_model / result.cycles_rtl - 1, 4),
        "gain": round(plain / result.cycles_rtl, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
