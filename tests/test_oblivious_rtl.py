"""Look-ups by private inputs through the RTL: the emitted sources, beside plain look-ups and the model."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock import cli
from penstock.backends.verilog.bolt.top import TIED, read_header
from penstock.ir.bundle import open_bundle
from penstock.ir.errors import BundleError, InputError
from penstock.ir.targets import load
from penstock.oblivious import simulate_oblivious
from penstock.sim.bolt import BoltConfig
from penstock.sim.bolt.pipeline import Pipeline
from penstock.sim.report import report
from penstock.sim.rtl.bolt_result import LookupResult
from penstock.sim.rtl.verilator import lint

IDS = torch.tensor([[1, 2, 199, 1, 7, 7, 7, 0, 3, 14], [-1, -200, 5, 5, 5, 300, 9, 8, 7, 6]])


class Twice(nn.Module):
    """Two look-ups in a table of 200 rows of 16 bytes: the second by what the first one gave."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(200, 4)
        self.mix = nn.Linear(4, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        rows = self.words(ids % 200)
        return self.mix(rows + self.words(rows.argmax(-1) + 1))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> penstock.Bundle:
    out = tmp_path_factory.mktemp("card") / "bundle"
    return penstock.compile(Twice(), {"ids": IDS}, target="bolt-u55c", private="ids", out=out)


@pytest.mark.slow
def test_the_bundle_holds_a_filled_map_as_hardware(bundle: penstock.Bundle) -> None:
    folder = bundle.path / bundle.manifest["backends"]["verilog"]["designs"]["map"]
    design = json.loads((folder / "design.json").read_text())
    assert design["map"] == {"capacity": 256, "value_bytes": 16, "alpha": 0.2}
    assert bundle.manifest["target"] == "bolt-u55c"
    assert (folder / "pages.bin").stat().st_size == 26 * 512
    assert (folder / "records.bin").stat().st_size == 4 * 200
    assert "| words.weight | 200 | 16 | 1 | 0 |" in (folder / "README.md").read_text()
    top = folder / design["card"]
    sources = [*(folder / name for name in design["sources"]), top]
    lint(sources, top.stem)
    text = top.read_text()
    for name, value in design["parameters"].items():
        assert f".{name}({value})" in text
    _, _, ports = read_header((folder / "rtl" / "bolt_top.sv").read_text())
    assert {port.name for port in ports} > set(TIED)
    header = text.partition("i_map (")[0]
    assert all((f" {port.name}" in header) is (port.name not in TIED) for port in ports)


@pytest.mark.slow
def test_rows_through_the_rtl_are_plain_rows_and_the_host_sees_what_the_model_says(
    bundle: penstock.Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", str(bundle.path), "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["bit_exact"]
    assert found["trace_as_model"]
    assert found["pages_as_model"]
    assert found["accesses"] == 40, "two look-ups of twenty rows"
    assert found["page_reads"] == found["page_writes"]
    assert found["host_bytes"] == 2 * found["page_reads"] * 512
    assert found["results"] == 40 * 16 + 20 * 3 * 4
    assert abs(found["cycles_model"] - found["cycles_rtl"]) <= 4 * 40
    assert "bit-exact" in report([bundle.path]).text()
    given = torch.roll(IDS, 1, 0)
    again = bundle.simulate(inputs={"ids": given.numpy()})
    assert isinstance(again, LookupResult)
    assert again.ok
    with torch.no_grad():
        wanted = Twice()(given % 200).numpy()
    (got,) = bundle.run({"ids": given.numpy()}).values()
    np.testing.assert_allclose(got, wanted, atol=1e-6)


@pytest.mark.slow
def test_a_changed_image_and_options_that_do_not_fit_are_refused(
    bundle: penstock.Bundle, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="runs with its program"):
        bundle.simulate(driver="cocotb")
    folder = bundle.path / "verilog" / "map"
    copy = tmp_path / "bundle" / "verilog" / "map"
    shutil.copytree(folder, copy)
    pages = copy / "pages.bin"
    pages.write_bytes(bytes(pages.stat().st_size))
    files = open_bundle(bundle.path)
    with pytest.raises(BundleError, match="image was changed"):
        simulate_oblivious(files, str(copy))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no input is private"),
        ({"private": "ids", "pipeline": "relabel"}, "its own pipeline"),
        ({"private": "ids", "quantize": "int8"}, "takes whole models"),
        ({"private": "ids", "precision": "bf16"}, "precision bf16"),
    ],
)
def test_what_a_card_does_not_take_is_refused(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        penstock.compile(Twice(), {"ids": IDS}, target="bolt-u55c", out=tmp_path / "b", **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_private_input_that_looks_nothing_up_needs_no_card(tmp_path: Path) -> None:
    class Adds(nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return ids * 2.0

    with pytest.raises(InputError, match="nothing is looked up"):
        penstock.compile(Adds(), {"ids": IDS}, target="bolt-u55c", private="ids", out=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_the_target_says_what_the_accelerator_is_built_with() -> None:
    (unit,) = load("bolt-u55c").map
    assert (unit.page_bytes, unit.hbm_bins_share, unit.clock_hz) == (4096, 0.2, 250e6)


def test_a_sentence_went_through_minilm_bit_for_bit_in_the_cycles_of_the_model() -> None:
    """The stored run of the real weights: benchmarks/oblivious_minilm.py."""
    place = resources.files("penstock.reproduce") / "stored" / "oblivious_minilm.json"
    stored = json.loads(place.read_text(encoding="utf-8"))
    rtl = stored["rtl"]
    assert stored["software_bit_exact"]
    assert rtl["ok"]
    assert rtl["bit_exact"]
    assert rtl["trace_as_model"]
    assert rtl["pages_as_model"]
    assert rtl["accesses"] == 7 * stored["length"]
    assert rtl["results"] == rtl["accesses"] * 220 + stored["length"] * 384 * 4
    assert rtl["cycles_model"] == pytest.approx(rtl["cycles_rtl"], rel=0.05)
    config = BoltConfig(capacity=1 << 18, value_bytes=220)
    (unit,) = load("bolt-u55c").map
    latency = unit.host_latency_cycles
    pipeline = Pipeline(unit.accesses_in_flight, unit.hbm_deadline_cycles, latency, latency, unit.lane_pairs)
    each = rtl["cycles_rtl"] / (rtl["accesses"] - 1)
    assert pipeline.cycles_per_access(config) == pytest.approx(each, rel=0.05), (
        "uniform pairs cost as these did"
    )
