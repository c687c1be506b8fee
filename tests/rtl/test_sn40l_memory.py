"""The memory side of the SN40L under cocotb: shapes, protocol, faults, resets."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.sim.rtl.sn40l_memory import PUBLIC_ARRAYS

from .cocotb_cases import run_cases

HARNESS = Path(__file__).parent / "harness"


@pytest.mark.slow
def test_the_dma_against_its_byte_model(sn40l_files: list[Path], tmp_path: Path) -> None:
    sources = [*sn40l_files, HARNESS / "sn40l_dma_harness.sv"]
    run_cases(sources, "sn40l_dma_harness", "cocotb_sn40l_dma", 9, tmp_path, ())


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [(), ("-GHbmChannels=2", "-GHbmNum=1", "-GHbmDen=2", "-GHbmLatency=20", "-GDdrNum=5", "-GDdrDen=32")],
    ids=["default", "other"],
)
def test_the_memory_behind_bus_models(
    sn40l_files: list[Path], tmp_path: Path, parameters: tuple[str, ...]
) -> None:
    sources = [*sn40l_files, HARNESS / "sn40l_memory_harness.sv"]
    run_cases(sources, "sn40l_memory_harness", "cocotb_sn40l_memory", 7, tmp_path, parameters)


@pytest.mark.slow
def test_rows_and_refreshes(sn40l_files: list[Path], tmp_path: Path) -> None:
    sources = [*sn40l_files, HARNESS / "sn40l_memory_harness.sv"]
    parameters = ("-GRowMiss=6", "-GRefreshInterval=120", "-GRefreshCycles=11", "-GHbmLatency=9")
    run_cases(sources, "sn40l_memory_harness", "cocotb_sn40l_rows", 2, tmp_path, parameters)


@pytest.mark.slow
def test_pairs_of_agcus(sn40l_files: list[Path], tmp_path: Path) -> None:
    public = tmp_path / "memory.vlt"
    public.write_text(PUBLIC_ARRAYS, encoding="utf-8")
    sources = [public, *sn40l_files, HARNESS / "sn40l_agcu_harness.sv"]
    run_cases(sources, "sn40l_agcu_harness", "cocotb_sn40l_agcu", 5, tmp_path, ())
