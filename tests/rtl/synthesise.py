"""Gate and transistor estimates of the BitMoD element and tile, and of an FP16 element beside them.

    python tests/rtl/synthesise.py -o docs/rtl/synthesis.md

Yosys synthesises each block to generic gates, ABC optimises and maps them; there is no cell library:
transistors are those of static CMOS gates as `stat -tech cmos` counts them. Flip-flops count apart, FLIP_FLOP
transistors each; an enable is a multiplexer in the logic. Ratios, not areas, compare with the paper's, which
come from a 28 nm library, with wires.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from yosys_sources import needed, with_parameters

from penstock import rtl
from penstock.ir.errors import PenstockError
from penstock.progress import bar

FLIP_FLOP = 28
"""Transistors of a D flip-flop with asynchronous reset: two latches (20) and their resets (8)."""

ABC = "+strash;ifraig;scorr;dc2;dretime;strash;dch,-f;map"
GATES = "AND,NAND,OR,NOR,XOR,XNOR,MUX,AOI3,OAI3,AOI4,OAI4"
_SCRIPT = f"""
import sys
from pyosys import libyosys
top, out, *sources = sys.argv[1:]
design = libyosys.Design()
for line in (
    "read_verilog -sv " + " ".join(f'"{{each}}"' for each in sources),
    f"hierarchy -check -top {{top}}",
    f"synth -flatten -noabc -run coarse: -top {{top}}",
    "dfflegalize -cell $_DFF_PN0_ x -cell $_DFF_PN1_ x -cell $_DFF_P_ x; opt -fast",
    "abc -g {GATES} -script {ABC}; opt_clean -purge",
    f'tee -o "{{out}}" stat -tech cmos -json',
):
    libyosys.run_pass(line, design)
"""


@dataclass(frozen=True)
class Block:
    """What is synthesised: a module with parameters."""

    name: str
    top: str
    parameters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """What it takes.

    Attributes:
        gates: combinational cells.
        logic: their transistors.
        flip_flops: bits of registers.
    """

    gates: int
    logic: int
    flip_flops: int

    @property
    def registers(self) -> int:
        """Transistors of the flip-flops."""
        return FLIP_FLOP * self.flip_flops

    @property
    def total(self) -> int:
        """All transistors."""
        return self.logic + self.registers

    def times(self, count: int) -> Size:
        """So many of it."""
        return Size(count * self.gates, count * self.logic, count * self.flip_flops)

    def __add__(self, other: Size) -> Size:
        return Size(self.gates + other.gates, self.logic + other.logic, self.flip_flops + other.flip_flops)


PE, PE_FLOOR, MAC, MAC_HALF = "bitmod_pe", "bitmod_pe, truncating", "fp16_mac_pe", "fp16_mac_pe, FP16 sum"
STEPS = ("bitmod_pe_align", "bitmod_pe_accumulate", "bitmod_pe_dequant")
GENERATOR, COLUMN, DRAIN, UNPACK = "bitmod_term_generate", "bitmod_column", "bitmod_drain", "fp16_unpack"
BLOCKS = (
    Block(PE, "bitmod_pe"),
    Block(PE_FLOOR, "bitmod_pe", {"Truncate": 1}),
    *(Block(step, step) for step in STEPS),
    Block(MAC, "fp16_mac_pe"),
    Block(MAC_HALF, "fp16_mac_pe", {"HalfAccumulator": 1}),
    Block(GENERATOR, "bitmod_term_generate"),
    Block(COLUMN, "bitmod_column", {"Rows": 8}),
    Block(DRAIN, "bitmod_drain", {"Rows": 8}),
    Block(UNPACK, "fp16_unpack"),
)
THROUGHPUT = (("FP4, FP3", 2.0), ("INT6, INT5", 4 / 3), ("INT8", 1.0))
"""Multiply-accumulates a cycle of a BitMoD element, by weights; the FP16 element's is 1."""

PAPER = (
    ("element, from table X: tile area over its elements", 1517, 1990),
    ("element, the artifact's simulator", 1507.7, 1968.7),
    ("element, the authors' component sheet, with registers", 1793.7, 1968.7),
)
"""Published areas in µm² at 28 nm: BitMoD's element, the FP16 element."""
PAPER_TILE = (97090, 2419, 95498)
"""Table X: 8 x 8 BitMoD array, its encoders, the 6 x 8 FP16 array, µm²."""


def synthesise(block: Block, texts: dict[str, str], folder: Path) -> Size:
    """The size of a block.

    Raises:
        PenstockError: Yosys cannot synthesise it.
    """
    work = Path(tempfile.mkdtemp(dir=folder))
    out, design = work / "stat.json", []
    for name in needed(texts, block.top):
        text = with_parameters(texts[name], block.parameters) if name == f"{block.top}.sv" else texts[name]
        design.append(work / name)
        design[-1].write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", _SCRIPT, block.top, str(out), *map(str, design)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not out.exists():
        raise PenstockError(f"Yosys cannot synthesise {block.name}:\n{(done.stdout + done.stderr)[-2000:]}")
    return read_stat(json.loads(out.read_text(encoding="utf-8")))


TRANSISTORS = {
    "$_NOT_": 2, "$_BUF_": 4, "$_NAND_": 4, "$_NOR_": 4, "$_AND_": 6, "$_OR_": 6, "$_XOR_": 12, "$_XNOR_": 12,
    "$_MUX_": 12, "$_NMUX_": 10, "$_AOI3_": 6, "$_OAI3_": 6, "$_AOI4_": 8, "$_OAI4_": 8,
}  # fmt: skip
"""Transistors of Yosys's gates, as its `stat -tech cmos` counts them."""


def read_stat(stat: dict) -> Size:
    """A size from Yosys's statistics.

    Raises:
        PenstockError: there is a cell that is neither a known gate nor a flip-flop.
    """
    cells = stat["design"]["num_cells_by_type"]
    gates = logic = flip_flops = 0
    for kind, count in cells.items():
        if kind.startswith("$_DFF"):
            flip_flops += count
        elif kind in TRANSISTORS:
            gates, logic = gates + count, logic + count * TRANSISTORS[kind]
        elif kind != "$scopeinfo":
            raise PenstockError(f"cells of kind {kind} are left after synthesis")
    return Size(gates, logic, flip_flops)


def run(
    blocks: Sequence[Block] = BLOCKS, texts: dict[str, str] | None = None, progress=None
) -> dict[str, Size]:
    """Sizes of blocks by name; ``texts`` is the design they are in, BitMoD's without one."""
    with tempfile.TemporaryDirectory(prefix="penstock-synthesis-") as scratch:
        folder = Path(scratch)
        texts = texts or rtl.sources("common", "bitmod", "baseline")
        sizes = {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for block, size in zip(
                blocks, pool.map(lambda each: synthesise(each, texts, folder), blocks), strict=True
            ):
                sizes[block.name] = size
                if progress:
                    progress(block.name, len(sizes), len(blocks))
    return sizes


def figures(sizes: dict[str, Size]) -> dict[str, float]:
    """Ratios and the parts of an 8 x 8 tile."""
    array, generators = tile(sizes)
    out: dict[str, float] = {}
    for name, mac in (("fp32_sum", MAC), ("fp16_sum", MAC_HALF)):
        for kind, element in (("nearest", PE), ("truncate", PE_FLOOR)):
            out[f"pe_over_mac/{name}/{kind}"] = sizes[element].total / sizes[mac].total
            out[f"pe_over_mac/{name}/{kind}/logic_only"] = sizes[element].logic / sizes[mac].logic
    out["generators_of_tile"] = generators.total / (array + generators).total
    for name, rate in THROUGHPUT:
        out[f"transistors_per_mac_over_fp16/{name}"] = sizes[PE].total / rate / sizes[MAC].total
    return out


def tile(sizes: dict[str, Size]) -> tuple[Size, Size]:
    """An 8 x 8 tile: elements, columns, control, operand registers; and its term generators."""
    # Two stages of signs and mantissas and one of exponents a row and lane, two of terms a column and lane.
    operands = Size(0, 0, 8 * 4 * (2 * (1 + 11) + 5) + 8 * 4 * 2 * 4)
    array = sizes[PE].times(64) + sizes[COLUMN].times(8) + sizes[DRAIN] + sizes[UNPACK].times(32) + operands
    return array, sizes[GENERATOR].times(32)


def report(sizes: dict[str, Size], command: str, seconds: float) -> str:
    """The page docs/rtl/synthesis.md."""
    ratios = figures(sizes)
    array, generators = tile(sizes)
    lines = ["# Synthesis estimates", "", f"Made by `{command}` in {seconds:.0f} s.", ""]
    text = " ".join((__doc__ or "").split("\n\n")[2].split())
    lines += [text.replace("FLIP_FLOP", str(FLIP_FLOP)), ""]
    lines += [
        "| block | gates | transistors, logic | flip-flops | transistors with them |",
        "|---|---|---|---|---|",
    ]
    for name, size in sizes.items():
        lines.append(f"| {name} | {size.gates:,} | {size.logic:,} | {size.flip_flops:,} | {size.total:,} |")
    lines += [
        f"| 8 x 8 tile, 64 of the first, 8 columns, control, operands | {array.gates:,} | {array.logic:,} | "
        f"{array.flip_flops:,} | {array.total:,} |",
        f"| its 32 term generators | {generators.gates:,} | {generators.logic:,} | "
        f"{generators.flip_flops:,} | {generators.total:,} |",
        "",
        "`fp16_mac_pe` (`rtl/baseline/`) is the comparator: FP16 by FP16, subnormals as in "
        "`bitmod_pe`, the sum in FP32, or in FP16 with each product rounded; registers after the product "
        "and after the sum. Both elements take operands registered outside and controls made outside. "
        "`bitmod_pe` has four lanes and the group-scale multiplier; FP16 weights need none.",
        "",
        "| element over FP16 element | with registers | logic only |",
        "|---|---|---|",
    ]
    shown = {
        "fp32_sum": "FP32 sum",
        "fp16_sum": "FP16 sum",
        "nearest": "nearest even",
        "truncate": "truncating",
    }
    for mac in ("fp32_sum", "fp16_sum"):
        for kind in ("nearest", "truncate"):
            key = f"pe_over_mac/{mac}/{kind}"
            lines.append(
                f"| {shown[kind]}, over {shown[mac]} | **{ratios[key]:.2f}** | "
                f"{ratios[f'{key}/logic_only']:.2f} |"
            )
    lines += [
        "",
        "Published areas in µm² at 28 nm (the text says 24 % smaller); they do not agree among themselves:",
        "",
    ]
    lines += ["| source | BitMoD | FP16 | ratio |", "|---|---|---|---|"]
    lines += [f"| {name} | {ours:,} | {mac:,} | {ours / mac:.2f} |" for name, ours, mac in PAPER]
    whole, encoders, _ = PAPER_TILE
    lines += [
        "",
        "The paper's saving is not reproduced in gates: rounding to nearest even in three places costs an "
        f"element {100 * sizes[PE].total / sizes[PE_FLOOR].total - 100:.0f} % over dropping bits, as the "
        "published RTL does, and the truncating element equals the FP16 one. What remains is the throughput.",
        "",
        f"Term generators are {100 * ratios['generators_of_tile']:.1f} % of a tile with them; in table X "
        f"{100 * encoders / (whole + encoders):.1f} %.",
        "",
        "Per multiply-accumulate a cycle, transistors of a BitMoD element over those of an FP16 one with "
        "an FP32 sum (1 a cycle):",
        "",
        "| weights | multiply-accumulates a cycle | transistors each, over FP16 |",
        "|---|---|---|",
        *(
            f"| {name} | {rate:.2f} | {ratios[f'transistors_per_mac_over_fp16/{name}']:.2f} |"
            for name, rate in THROUGHPUT
        ),
        "",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="sizes and ratios as JSON")
    parser.add_argument("-o", metavar="FILE", type=Path, help="write the report, Markdown")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        with bar() as progress:
            sizes = run(progress=progress)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.o:
        scratch = options.o.with_suffix(".tmp")
        page = report(sizes, "python tests/rtl/synthesise.py", time.monotonic() - began)
        scratch.write_text(page, encoding="utf-8")
        scratch.replace(options.o)
    if options.json:
        blocks = {
            n: {"gates": s.gates, "logic": s.logic, "flip_flops": s.flip_flops, "total": s.total}
            for n, s in sizes.items()
        }
        print(json.dumps({"blocks": blocks, "figures": figures(sizes)}))
    else:
        for name, size in sizes.items():
            print(f"{name:28} {size.logic:8} + {size.flip_flops:5} flip-flops = {size.total:8}")
        for name, value in figures(sizes).items():
            print(f"{name:44} {value:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
