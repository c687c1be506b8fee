"""The kernel sequencer under cocotb: software and hardware orchestration, errors, counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cocotb_cases import run_cases

HARNESS = Path(__file__).parent / "harness" / "kseq_harness.sv"


@pytest.mark.slow
def test_cocotb_behaviours(sn40l_sources: list[Path], sn40l_properties: list[Path], tmp_path: Path) -> None:
    sources = [*sn40l_sources, *sn40l_properties, HARNESS]
    run_cases(sources, "kseq_harness", "cocotb_kseq", 7, tmp_path, ())
