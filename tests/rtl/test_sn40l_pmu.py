"""The PMU under cocotb: two ports a bank, and one."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cocotb_cases import run_cases

TWO_PORTS = ("-GDepth=64",)
ONE_PORT = ("-GBanks=16", "-GDepth=64", "-GSinglePort=1")


@pytest.mark.slow
@pytest.mark.parametrize(("single", "parameters"), [("0", TWO_PORTS), ("1", ONE_PORT)], ids=["two", "one"])
def test_the_pmu_against_its_model(
    sn40l_sources: list[Path],
    sn40l_properties: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    single: str,
    parameters: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PMU_SINGLE_PORT", single)
    sources = [*sn40l_sources, *sn40l_properties]
    run_cases(sources, "sn40l_pmu", "cocotb_sn40l_pmu", 11, tmp_path, parameters)
