"""The AXI4 engines under cocotb: alignments, page crossings, backpressure, error answers, flushes."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cocotb_cases import run_cases

HARNESS = Path(__file__).parent / "harness" / "dma_harness.sv"


@pytest.mark.slow
@pytest.mark.parametrize(("burst", "depth"), [(16, 32), (256, 256), (1, 1)])
def test_cocotb_behaviours(
    design_sources: list[Path], design_properties: list[Path], tmp_path: Path, burst: int, depth: int
) -> None:
    sources = [*design_sources, *design_properties, HARNESS]
    parameters = (f"-GMaxBurst={burst}", f"-GDepth={depth}")
    run_cases(sources, "dma_harness", "cocotb_dma", 3, tmp_path, parameters)
