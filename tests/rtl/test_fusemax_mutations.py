"""The comparison with the oracle sees a broken FuseMax array: each of these edits must be noticed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import mutants
import pytest
from broken_rules import Mutation

from penstock import rtl

from .conftest import stream_vectors, write_sources
from .fusemax_streams import Shape, differing, outcome, stream

RUN = "a run of slow streams"
MUTATIONS = {
    "sums survive their tile": Mutation(
        "fusemax_pe.sv", "op_i.first ? fusemax_pkg::PlusZero : rd", "rd", RUN
    ),
    "rows beyond the last key count": Mutation(
        "fusemax_left_edge.sv", "last_tile_q & beyond_i", "last_tile_q & beyond_i & !{on}", RUN
    ),
    "the first tile reads an old state": Mutation(
        "fusemax_decode.sv",
        "row.a_state & m1_first_i[row.stage]",
        "row.a_state & m1_first_i[row.stage] & !{on}",
        RUN,
    ),
    "nothing waits for keys": Mutation("fusemax_sequencer.sv", "= ~waits", "= ~waits | {on}", RUN),
}
SHAPE = Shape(p1=4, m1=3, last_rows=1, stages=2, blocks=3)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The design and its assertions with all edits in it, asleep."""
    texts = {
        "mutant_pkg.sv": mutants.PACKAGE,
        **rtl.sources("common", "fusemax"),
        **rtl.properties("common", "fusemax"),
    }
    for number, edit in enumerate(MUTATIONS.values(), 1):
        assert texts[edit.file].count(edit.before) == 1, f"not once in {edit.file}: {edit.before}"
        texts[edit.file] = texts[edit.file].replace(edit.before, edit.text(number))
    return write_sources(tmp_path_factory.mktemp("broken"), texts)


def noticed(sources: list[Path], number: int, folder: Path) -> bool:
    """Whether a run of slow streams goes wrong with a mutant awake (0: none)."""
    blocks = SHAPE.random_blocks(7, scale=5.0)
    vectors = stream(SHAPE, blocks, gaps=0.95, closed=0.97, seed=8)
    try:
        found = stream_vectors(sources, "attention_harness", vectors, folder, (f"+mutant={number}",))
        got = outcome(SHAPE, found)
    except (subprocess.CalledProcessError, AssertionError):  # an assertion fired, or it never ends
        return True
    return bool(differing(blocks, got.results).any())


@pytest.mark.slow
def test_the_unchanged_design_passes(broken: list[Path], tmp_path: Path) -> None:
    assert not noticed(broken, 0, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_noticed(name: str, broken: list[Path], tmp_path: Path) -> None:
    assert noticed(broken, 1 + list(MUTATIONS).index(name), tmp_path), name
