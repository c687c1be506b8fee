"""The manager of experts under cocotb, beside the cost model's table: least recently used, pins, faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cocotb_cases import run_cases

CASES = 7


@pytest.mark.slow
@pytest.mark.parametrize("slots", [5, 41])
def test_cocotb_behaviours(
    sn40l_sources: list[Path], sn40l_properties: list[Path], tmp_path: Path, slots: int
) -> None:
    sources = [*sn40l_sources, *sn40l_properties]
    run_cases(sources, "sn40l_expert_mgr", "cocotb_experts", CASES, tmp_path, (f"-GSlots={slots}",))
