"""The comparison with the oracle sees a broken FuseMax array: each of these edits must be noticed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from penstock import rtl

from .conftest import stream_vectors, write_sources
from .fusemax_streams import Shape, differing, outcome, stream

# What breaks → file, text, text in its place.
MUTATIONS: dict[str, tuple[str, str, str]] = {
    "sums survive their tile": ("fusemax_pe.sv", "op_i.first ? fusemax_pkg::PlusZero : rd", "rd"),
    "rows beyond the last key count": (
        "fusemax_left_edge.sv",
        "last_tile_q & beyond_i",
        "1'b0 & last_tile_q & beyond_i",
    ),
    "the first tile reads an old state": (
        "fusemax_decode.sv",
        "row.a_state & m1_first_i[row.stage]",
        "1'b0 & m1_first_i[row.stage]",
    ),
    "nothing waits for keys": ("fusemax_sequencer.sv", "= ~waits", "= ~waits | 1'b1"),
}
SHAPE = Shape(p1=4, m1=3, last_rows=1, stages=2, blocks=3)


def noticed(sources: list[Path], folder: Path) -> bool:
    """Whether a run of slow streams goes wrong."""
    blocks = SHAPE.random_blocks(7, scale=5.0)
    vectors = stream(SHAPE, blocks, gaps=0.95, closed=0.97, seed=8)
    try:
        got = outcome(SHAPE, stream_vectors(sources, "attention_harness", vectors, folder))
    except (subprocess.CalledProcessError, AssertionError):  # an assertion fired, or it never ends
        return True
    return bool(differing(blocks, got.results).any())


@pytest.mark.slow
def test_the_unchanged_design_passes(
    fusemax_sources: list[Path], fusemax_properties: list[Path], tmp_path: Path
) -> None:
    assert not noticed([*fusemax_sources, *fusemax_properties], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_noticed(name: str, fusemax_properties: list[Path], tmp_path: Path) -> None:
    file, before, after = MUTATIONS[name]
    texts = rtl.sources("common", "fusemax")
    assert texts[file].count(before) == 1, f"the text to change is not in {file} once"
    texts[file] = texts[file].replace(before, after)
    assert noticed([*write_sources(tmp_path, texts), *fusemax_properties], tmp_path), name
