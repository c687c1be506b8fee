"""Small proofs by a SAT solver: the accumulator's width for all operands, the queue's order for a while."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FORMAL = Path(__file__).parent / "formal"
PROVED, REFUTED = 0, 1

PROOF = """
import sys
from pyosys import libyosys
top, options, *sources = sys.argv[1:]
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv -formal " + " ".join(sources), design)
libyosys.run_pass(f"prep -top {top} -flatten; memory_map; async2sync; dffunmap; opt_clean", design)
libyosys.run_pass("sat -tempinduct -prove-asserts -set-assumes -verify -set-init-zero " + options, design)
"""


def prove(top: str, options: str, sources: list[Path]) -> tuple[int, str]:
    """PROVED or REFUTED, and what Yosys said."""
    command = [sys.executable, "-c", PROOF, top, options, *map(str, sources), str(FORMAL / f"{top}.sv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_accumulator_never_needs_a_fifteenth_magnitude_bit(design_sources: list[Path]) -> None:
    status, said = prove("accumulate_formal", "-maxsteps 4", design_sources)
    assert status == PROVED, said


def test_the_proof_fails_without_the_place_rounding_up_may_need(
    design_sources: list[Path], tmp_path: Path
) -> None:
    name = "bitmod_pe_accumulate.sv"
    broken = tmp_path / name
    text = next(path for path in design_sources if path.name == name).read_text(encoding="utf-8")
    assert "mantissa_d = carried ?" in text
    broken.write_text(
        text.replace("mantissa_d = carried ?", "mantissa_d = 1'b0 & carried ?"), encoding="utf-8"
    )
    sources = [broken if path.name == name else path for path in design_sources]
    status, said = prove("accumulate_formal", "-maxsteps 4", sources)
    assert status == REFUTED, said
    assert "proof did fail" in said


def test_a_queue_of_three_keeps_every_word_in_order_for_fourteen_cycles(design_sources: list[Path]) -> None:
    """From reset, for every input: long enough to go around the queue four times."""
    status, said = prove("fifo_formal", "-tempinduct-baseonly -maxsteps 14", design_sources)
    assert status == PROVED, said
