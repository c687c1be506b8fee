"""The FuseMax array under cocotb: stalls on both sides, resets in mid-flight, runs after each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cocotb_cases import run_cases

PARAMETERS = ("-GRows=2", "-GCols=3", "-GE=4", "-GF=3", "-GMaxP1=2", "-GMaxPeriod=32")


@pytest.mark.slow
def test_cocotb_behaviours(
    fusemax_sources: list[Path], fusemax_properties: list[Path], tmp_path: Path
) -> None:
    sources = [*fusemax_sources, *fusemax_properties]
    run_cases(sources, "fusemax_attention", "cocotb_fusemax", 3, tmp_path, PARAMETERS)
