"""The whole layer engine under cocotb: ragged shapes, stalls, resets in mid-flight, infinities."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cocotb_cases import run_cases

PARAMETERS = ("-GRows=2", "-GCols=3", "-GMaxTokens=4", "-GMaxGroups=2")


@pytest.mark.slow
def test_cocotb_behaviours(design_sources: list[Path], design_properties: list[Path], tmp_path: Path) -> None:
    sources = [*design_sources, *design_properties]
    run_cases(sources, "bitmod_linear", "cocotb_linear", 6, tmp_path, PARAMETERS)
