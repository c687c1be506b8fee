"""Formal proofs about blocks of the RTL, by Yosys and ABC.

    python tests/rtl/prove.py -o docs/rtl/formal.md

A proof is a module of formal/ around a block: it says what the block's surroundings may do (`assume`) and
what must hold (`assert`). Yosys turns both into an and-inverter graph with one initial state. ABC then
searches an inductive invariant by property-directed reachability (PDR: for all time, the invariant is checked
after), or all runs up to a depth (BMC).
"""

from __future__ import annotations

import argparse
import json
import os
import re
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
from penstock.ir.errors import PenstockError, ToolMissing
from penstock.progress import bar

FORMAL = Path(__file__).parent / "formal"
LIMIT_S = 600

_PREPARE = """
import sys
from pyosys import libyosys
top, graph, *sources = sys.argv[1:]
design = libyosys.Design()
for line in (
    "read_verilog -sv -formal " + " ".join(f'"{each}"' for each in sources),
    f"hierarchy -check -top {top}",
    f"prep -top {top} -flatten; chformal -lower; memory_map -formal; async2sync; dffunmap; opt_clean",
    "setundef -zero -init; setundef -zero; opt -full; techmap; opt -fast; dffunmap; abc -g AND; opt_clean",
    f'write_aiger -I -B -zinit "{graph}"',
):
    libyosys.run_pass(line, design)
"""


@dataclass(frozen=True)
class Proof:
    """One property of one block.

    Attributes:
        block: the module it is about.
        claim: what is proved.
        top: the module of formal/ that says it.
        parameters: of that module.
        depth: cycles of all runs that are searched; None where it holds for all time.
        instead: a folder of formal/ whose modules stand in the place of the design's.
    """

    block: str
    claim: str
    top: str
    parameters: dict[str, int] = field(default_factory=dict)
    depth: int | None = None
    instead: str | None = None

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        return f"{self.top}({shown})"


@dataclass(frozen=True)
class Result:
    """What came of a proof.

    Attributes:
        proof: which.
        status: ``proved``, ``refuted`` or ``undecided``.
        how: the method, with the depth or the invariant's size.
        seconds: what it took.
        said: the prover's words.
    """

    proof: Proof
    status: str
    how: str
    seconds: float
    said: str


_FIFO = "a word comes out once, unchanged, in its turn; full and empty are told rightly"
_SLAVE = "each write and read is answered once, with its own data and error; answers stay; no needless wait"
_MUX = "one reader at a time, its address unchanged; a waiting one is passed over at most once by each other"
_TERMS = "for every code and special value, the terms of every mode add up to the weight"
_ALIGN = "the sum is within 16376 a lane, the exponent the largest of the lanes that are not zero"
_DEQUANT = "after k steps the product is the sum times the k highest scale bits, exactly"
_LRU = "one candidate is the oldest, and none of two that were touched is older than it"
_READ = "bursts keep to MaxBurst and 4 KiB, come in order and once, find room; idle means nothing is left"
_SEGMENT = "what passes is inside with every byte of every row and allowed; what is refused is not"
_WRITE = "bursts keep to 4 KiB, one answer each, at most MaxOutstanding; strobes are the words asked for"
_CREDITS = "ready while every counter in use is above zero, idle while nothing is out"
_PAGES = (
    "no page is read while an older access has yet to write it, none is written that was not read, "
    "nothing begins after a fault; bursts and answers as AXI4 wants them"
)
_AEAD = "no beat of a record to open before its own tag is right, none after a wrong one, else zeros"
_BOUNDED = "0 <= credits <= the initial ones, whatever is spent and given back; all back: idle"

PROOFS = (
    Proof("bitmod_term_generate", _TERMS, "terms_formal"),
    Proof("bitmod_step_pkg::drop", "nearest even, or the floor, for every operand and shift", "shift_formal"),
    *(
        Proof("bitmod_pe_align", _ALIGN, "align_formal", {"Lanes": lanes, "Truncate": truncate}, depth=5)
        for lanes in (2, 4, 8)
        for truncate in (0, 1)
    ),
    *(
        Proof(
            "bitmod_pe_accumulate",
            "never more than AccWidth - 1 magnitude bits",
            "accumulate_formal",
            {"AccWidth": width, "Truncate": truncate},
        )
        for width in (12, 15, 18)
        for truncate in (0, 1)
    ),
    *(
        Proof("bitmod_pe_dequant", _DEQUANT, "dequant_formal", {"AccWidth": width}, depth=10)
        for width in (4, 6)
    ),
    *(
        Proof(
            "bitmod_drain",
            "every output in its cycle, groups Rows + 8 cycles apart",
            "drain_formal",
            {"Rows": rows},
        )
        for rows in (1, 3, 8)
    ),
    *(
        Proof(
            "bitmod_merge",
            "rows leave in token order, each once, with their words, none held back",
            "merge_formal",
            {"Rows": rows, "RowTiles": tiles},
        )
        for rows, tiles in ((1, 2), (2, 2), (2, 3))
    ),
    *(Proof("stream_fifo", _FIFO, "fifo_formal", {"Depth": depth}) for depth in (1, 2, 3, 6)),
    *(
        Proof(
            "delay_line",
            "a word comes out Depth cycles later, zero until then",
            "delay_line_formal",
            {"Depth": depth},
        )
        for depth in (1, 3, 6)
    ),
    Proof("axi_lite_slave", _SLAVE, "axi_lite_formal"),
    *(Proof("axi_read_mux", _MUX, "read_mux_formal", {"Readers": readers}) for readers in (1, 2, 3)),
    Proof("axi_read_dma", _READ, "read_dma_formal", {"MaxBurst": 2, "Depth": 3}),
    Proof("axi_write_dma", _WRITE, "write_dma_formal"),
    *(Proof("sn40l_lru", _LRU, "lru_formal", {"Slots": slots}) for slots in (3, 4, 5)),
    *(
        Proof("credit_buf", claim, "credit_formal", {"Counters": counters, "Bounded": bounded})
        for counters in (1, 3)
        for bounded, claim in enumerate((_CREDITS, _BOUNDED))
    ),
    Proof("sn40l_segment_check", _SEGMENT, "segment_check_formal"),
    Proof("bolt_page_dma", _PAGES, "page_dma_formal", {"InFlight": 1}),
    Proof("bolt_page_dma", _PAGES, "page_dma_formal", {"InFlight": 2}, depth=12),
    *(
        Proof("bolt_aead", _AEAD, "aead_formal", {"Blocks": blocks}, depth=depth, instead="zero")
        for blocks, depth in ((2, 28), (1, 32))
    ),
)


def sources(folder: Path) -> list[Path]:
    """The designs as files."""
    paths = []
    for name, text in rtl.sources("common", "bitmod", "sn40l", "bolt").items():
        paths.append(folder / name)
        paths[-1].write_text(text, encoding="utf-8")
    return paths


def prove(proof: Proof, design: Sequence[Path], folder: Path) -> Result:
    """Try a proof.

    Raises:
        PenstockError: Yosys or ABC cannot read it.
    """
    began = time.monotonic()
    graph = folder / f"{proof.top}{abs(hash(str(proof)))}.aig"
    top, text = graph.with_suffix(".sv"), (FORMAL / f"{proof.top}.sv").read_text(encoding="utf-8")
    top.write_text(with_parameters(text, proof.parameters), encoding="utf-8")
    used = needed({path.name: path.read_text(encoding="utf-8") for path in design}, text)
    files = [*(str(_chosen(path, proof)) for path in design if path.name in used), str(top)]
    made = _call([sys.executable, "-c", _PREPARE, proof.top, str(graph), *files])
    if not graph.exists():
        raise PenstockError(f"Yosys cannot prepare {proof}:\n{made[-2000:]}")
    search = f"pdr -T {LIMIT_S}" if proof.depth is None else f"bmc3 -F {proof.depth} -T {LIMIT_S}"
    said = _call([str(_abc()), "-c", f'read_aiger "{graph}"; fold; strash; {search}'])
    return Result(proof, *_read(said, proof), time.monotonic() - began, said)


def _chosen(path: Path, proof: Proof) -> Path:
    """A file of the design, or what stands in its place."""
    other = FORMAL / (proof.instead or "") / path.name
    return other if proof.instead and other.exists() else path


def _read(said: str, proof: Proof) -> tuple[str, str]:
    """Status and method in ABC's words."""
    clauses = re.search(r"Invariant F\[(\d+)\] : (\d+) clauses", said)
    if "was asserted in frame" in said:
        return "refuted", "in cycle " + said.partition("was asserted in frame ")[2].partition(".")[0]
    if "Property proved" in said and ("was successful" in said or clauses is None):
        size = f", invariant of {clauses[2]} clauses" if clauses else ""
        return "proved", f"induction (PDR){size}"
    if proof.depth is not None and f"No output asserted in {proof.depth} frames" in said:
        return "proved", f"all runs of {proof.depth} cycles (BMC)"
    return "undecided", f"nothing in {LIMIT_S} s"


def _abc() -> Path:
    """ABC, from the wheel of pyosys.

    Raises:
        ToolMissing: it is not installed.
    """
    import importlib.util

    spec = importlib.util.find_spec("pyosys")
    if spec is None or spec.origin is None:
        raise ToolMissing("Yosys is not installed", accepted="pip install 'penstock[test]'")
    return Path(spec.origin).parent / "yosys-abc"


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * LIMIT_S)
    return done.stdout + done.stderr


def run(proofs: Sequence[Proof], progress=None) -> list[Result]:
    """Try proofs, as many at once as there are cores."""
    with tempfile.TemporaryDirectory(prefix="penstock-proofs-") as scratch:
        folder = Path(scratch)
        design = sources(folder)
        results = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for result in pool.map(lambda proof: prove(proof, design, folder), proofs):
                results.append(result)
                if progress:
                    progress(str(result.proof), len(results), len(proofs))
    return results


def report(results: Sequence[Result], command: str) -> str:
    """The page docs/rtl/formal.md."""
    lines = ["# Formal proofs", "", f"Made by `{command}`.", ""]
    lines += [" ".join((__doc__ or "").split("\n\n")[2].split()), ""]
    lines += ["| block | parameters | property | result | method | s |", "|---|---|---|---|---|---|"]
    for result in results:
        proof = result.proof
        shown = ", ".join(f"`{name}` {value}" for name, value in proof.parameters.items())
        lines.append(
            f"| {proof.block} | {shown} | {proof.claim} | {result.status} | {result.how} | "
            f"{result.seconds:.1f} |"
        )
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where every proof succeeds, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="proofs whose module or block has this in its name"
    )
    parser.add_argument("--json", action="store_true", help="results as JSON")
    parser.add_argument("-o", metavar="FILE", type=Path, help="write the report, Markdown")
    options = parser.parse_args(arguments)
    chosen = [proof for proof in PROOFS if options.only in f"{proof.top} {proof.block}"]
    try:
        with bar() as progress:
            results = run(chosen, progress)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.o:
        scratch = options.o.with_suffix(".tmp")
        scratch.write_text(report(results, "python tests/rtl/prove.py"), encoding="utf-8")
        scratch.replace(options.o)
    if options.json:
        shown = [
            {
                "proof": str(r.proof),
                "block": r.proof.block,
                "status": r.status,
                "how": r.how,
                "seconds": r.seconds,
            }
            for r in results
        ]
        print(json.dumps(shown))
    else:
        for result in results:
            print(f"{result.status:9} {result.proof!s:45} {result.how}, {result.seconds:.1f} s")
    return 0 if all(result.status == "proved" for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
