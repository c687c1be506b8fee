"""Small proofs about FuseMax blocks by a SAT solver; BitMoD's and the common ones are test_prove.py's."""

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
libyosys.run_pass("read_verilog -sv -formal " + " ".join(f'"{each}"' for each in sources), design)
libyosys.run_pass(f"prep -top {top} -flatten; memory_map; async2sync; dffunmap; opt_clean", design)
libyosys.run_pass("sat -tempinduct -prove-asserts -set-assumes -verify -set-init-zero " + options, design)
"""


def prove(top: str, options: str, sources: list[Path]) -> tuple[int, str]:
    """PROVED or REFUTED, and what Yosys said."""
    command = [sys.executable, "-c", PROOF, top, options, *map(str, sources), str(FORMAL / f"{top}.sv")]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout[-2000:] + done.stderr[-2000:]


def broken(sources: list[Path], folder: Path, name: str, before: str, after: str) -> list[Path]:
    """The sources with one of them changed."""
    text = next(path for path in sources if path.name == name).read_text(encoding="utf-8")
    assert text.count(before) == 1
    (folder / name).write_text(text.replace(before, after), encoding="utf-8")
    return [folder / name if path.name == name else path for path in sources]


def test_a_lanes_state_gives_what_was_last_written_for_eight_cycles(fusemax_sources: list[Path]) -> None:
    """From reset, for every sequence of reads, writes and pauses."""
    status, said = prove("lane_state_formal", "-tempinduct-baseonly -maxsteps 8", fusemax_sources)
    assert status == PROVED, said


def test_the_proof_fails_where_a_read_misses_the_write_of_its_cycle(
    fusemax_sources: list[Path], tmp_path: Path
) -> None:
    sources = broken(fusemax_sources, tmp_path, "fusemax_lane_state.sv", "we_i && waddr_i == raddr_i", "1'b0")
    status, said = prove("lane_state_formal", "-tempinduct-baseonly -maxsteps 8", sources)
    assert status == REFUTED, said
    assert "proof did fail" in said


def test_no_division_begins_without_a_place_for_its_result_for_twenty_cycles(
    fusemax_sources: list[Path],
) -> None:
    """From reset, for every way in which results leave: long enough for two blocks of four divisions."""
    status, said = prove("quotients_formal", "-tempinduct-baseonly -maxsteps 20", fusemax_sources)
    assert status == PROVED, said


def test_the_proof_fails_where_divisions_do_not_wait_for_a_place(
    fusemax_sources: list[Path], tmp_path: Path
) -> None:
    before, after = "(~divide | (room_q != '0))", "1'b1"
    sources = broken(fusemax_sources, tmp_path, "fusemax_quotients.sv", before, after)
    status, said = prove("quotients_formal", "-tempinduct-baseonly -maxsteps 20", sources)
    assert status == REFUTED, said
    assert "proof did fail" in said
