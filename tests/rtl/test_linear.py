"""The whole layer engine under cocotb: ragged shapes, stalls, resets in mid-flight, infinities; on one tile
and on several, with two, four and eight lanes."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest

from penstock.sim.cost.bitmod import BitmodArray

from .cocotb_cases import pass_array, run_cases

ARRAYS = [
    BitmodArray(rows=2, cols=3, max_tokens=4, max_groups=2),
    BitmodArray(rows=2, cols=3, max_tokens=4, max_groups=2, row_tiles=2, col_tiles=1, lanes=2),
    BitmodArray(rows=3, cols=2, max_tokens=3, max_groups=2, row_tiles=1, col_tiles=2, lanes=8),
    BitmodArray(rows=2, cols=3, max_tokens=8, max_groups=2, row_tiles=2, col_tiles=2),
    BitmodArray(rows=1, cols=1, max_tokens=3, max_groups=2, row_tiles=3, col_tiles=3, lanes=8),
    BitmodArray(rows=8, cols=1, max_tokens=16, max_groups=2, row_tiles=2, col_tiles=2, lanes=8),
]


@pytest.mark.slow
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: "x".join(map(str, astuple(array))))
def test_cocotb_behaviours(
    design_sources: list[Path],
    design_properties: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    array: BitmodArray,
) -> None:
    sources = [*design_sources, *design_properties]
    run_cases(sources, "bitmod_linear", "cocotb_linear", 6, tmp_path, pass_array(array, monkeypatch))
