"""`penstock reproduce fusemax`: every promised row is there and every bound holds; JSON, text and page."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from penstock import cli, reproduce
from penstock.arguments import COMMANDS
from penstock.ir.errors import InputError
from penstock.reproduce import fusemax
from penstock.reproduce.fusemax_physical import Physical
from penstock.reproduce.rows import Check, Reproduction, Row, check

MODELS = ("bert", "trxl", "t5", "xlm")
LENGTHS = ("1k", "4k", "16k", "64k", "256k", "1m")
CONFIGURATIONS = ("unfused", "flat", "cascade", "architecture", "binding")
EINSUMS = {
    "flat": ("qk", "slnv"),
    "cascade": ("qk", "slnv"),
    "architecture": ("qk", "lm", "sln", "sld", "slnv"),
    "binding": ("qk", "lm", "sln", "sld", "slnv"),
}


def promised_ids() -> set[str]:
    """Every id, written out apart from the code that makes them."""
    points = [f"{model}/{length}" for model in MODELS for length in LENGTHS]
    quantities = {
        "attn": ("latency_s", "dram_bytes", "util_1d", "util_2d", "energy_j", "speedup_vs_unfused"),
        "e2e": ("latency_s", "dram_bytes", "util_1d", "util_2d", "energy_j", "speedup_vs_unfused"),
    }
    ids = {
        f"{kind}/{quantity}/{point}/{configuration}"
        for kind, names in quantities.items()
        for quantity in names
        for point in points
        for configuration in CONFIGURATIONS
    }
    for kind in ("attn", "e2e"):
        for quantity in ("speedup", "energy"):
            for base in ("flat", "unfused"):
                name = f"headline/{kind}_{quantity}_vs_{base}"
                ids |= {name, f"{name}_geomean", f"{name}/printed"}
    for base in ("flat", "unfused"):
        name = f"headline/e2e_speedup_vs_{base}_1m"
        ids |= {name, f"{name}_geomean", f"{name}/printed"}
    for quantity in ("latency_s", "dram_bytes", "area_cm2", "area_scaled_cm2"):
        ids |= {
            f"pareto/{quantity}/{model}/{side}" for model in MODELS for side in (16, 32, 64, 128, 256, 512)
        }
    for configuration, einsums in EINSUMS.items():
        ids |= {f"fig7/{einsum}/bert/{length}/{configuration}" for einsum in einsums for length in LENGTHS}
    return ids | {f"fig1b/linear_share/bert/{length}" for length in LENGTHS}


def twice_the_paper(model: str, length: str, configuration: str) -> Physical:
    from penstock.sim.cost.spatial import paper

    found = paper.attention(paper.workload(model, length), configuration)
    return Physical(2 * found.latency_s, found.dram_bytes, found.util_1d, found.util_2d, None)


@pytest.fixture(scope="module")
def found() -> Reproduction:
    """Everything, with a stand-in for the physical model, which takes longer."""
    return fusemax.reproduce(beside=twice_the_paper)


def test_every_promised_row_is_there_once(found: Reproduction) -> None:
    ids = [row.id for row in found.rows]
    assert len(ids) == len(set(ids))
    assert set(ids) == promised_ids()


def test_every_figure_is_a_number_and_says_where_it_was_published(found: Reproduction) -> None:
    for row in found.rows:
        assert row.ours is not None, row.id
        assert math.isfinite(row.ours), row.id
        assert row.ours > 0, row.id
        assert (row.paper is None) == row.id.startswith(("fig1b/", "e2e/util_")), row.id
        assert row.source
        assert row.unit


def test_every_bound_holds(found: Reproduction) -> None:
    assert found.ok
    bounds = {each.quantity: each.bound for each in found.checks}
    for quantity in ("latency_s", "dram_bytes", "util_1d", "util_2d", "speedup_vs_unfused"):
        assert bounds[f"attn/{quantity}"] <= 1e-6
    assert bounds["attn/energy_j"] <= 5e-3
    for row in found.rows:
        if row.paper and not row.id.endswith("/printed"):
            assert any(row.id.startswith(quantity) for quantity in bounds), row.id


def test_a_whole_layer_is_busy_for_its_attention_and_its_products(found: Reproduction) -> None:
    # BERT at 1K, FuseMax: 7,077,888 multiply-accumulates per token in the six products, of 65,536 elements
    rows = {row.id: row.ours or 0.0 for row in found.rows}
    at = "bert/1k/binding"
    seconds, whole = rows[f"attn/latency_s/{at}"], rows[f"e2e/latency_s/{at}"]
    assert rows[f"e2e/util_1d/{at}"] == pytest.approx(rows[f"attn/util_1d/{at}"] * seconds / whole)
    products = 64 * 1024 * 7_077_888 / 65_536 / 940e6
    assert rows[f"e2e/util_2d/{at}"] == pytest.approx(
        (rows[f"attn/util_2d/{at}"] * seconds + products) / whole
    )


@pytest.mark.parametrize(
    ("name", "mean", "printed"),
    [
        # as the paper's abstract and section VI print them
        ("attn_speedup_vs_flat", 6.723, 6.7),
        ("attn_speedup_vs_unfused", 10.05, 10),
        ("attn_energy_vs_flat", 0.787, 0.79),
        ("attn_energy_vs_unfused", 0.767, 0.77),
        ("e2e_speedup_vs_flat", 5.302, 5.3),
        ("e2e_speedup_vs_unfused", 7.60, 7.6),
        ("e2e_energy_vs_flat", 0.834, 0.83),
        ("e2e_energy_vs_unfused", 0.821, 0.82),
        ("e2e_speedup_vs_flat_1m", 7.54, 7.5),
        ("e2e_speedup_vs_unfused_1m", 10.14, 10),
    ],
)
def test_headlines_round_to_what_is_printed(
    found: Reproduction, name: str, mean: float, printed: float
) -> None:
    rows = {row.id: row for row in found.rows}
    ours = rows[f"headline/{name}"].ours or 0
    assert ours == pytest.approx(mean, abs=6e-4 if mean < 1 else 6e-3)
    assert rows[f"headline/{name}/printed"].paper == printed
    assert ours == pytest.approx(printed, rel=0.02)


def test_geometric_means_stand_beside(found: Reproduction) -> None:
    rows = {row.id: row for row in found.rows}
    assert rows["headline/attn_speedup_vs_flat_geomean"].ours == pytest.approx(6.46, abs=6e-3)
    assert rows["headline/e2e_speedup_vs_flat_geomean"].ours == pytest.approx(4.61, abs=6e-3)


def test_the_physical_model_stands_beside_attention(found: Reproduction) -> None:
    for row in found.rows:
        assert ("physical" in row.to_json()) == row.id.startswith("attn/")
    rows = {row.id: row for row in found.rows}
    twice = rows["attn/latency_s/bert/1k/binding"]
    assert twice.beside["physical"] == pytest.approx(2 * (twice.ours or 0))
    speedup = rows["attn/speedup_vs_unfused/bert/1k/binding"]
    assert speedup.beside["physical"] == pytest.approx(speedup.ours)
    assert rows["attn/energy_j/bert/1k/binding"].beside["physical"] is None


def test_oddities_and_what_is_missing_are_said(found: Reproduction) -> None:
    data = found.to_json()
    names = {quirk["name"] for quirk in data["quirks"]}
    assert {"registers_of_one_element", "cascade_without_exponentials", "flat_search_results"} <= names
    assert {"exp_costs_differ", "bandwidth_in_binary", "unfused_mapper_results"} <= names
    assert any("6.4 %" in each for each in data["missing"])


def test_a_broken_bound_is_told() -> None:
    rows = [Row("a/1", 1.0, 1.0, "s", ""), Row("a/2", 1.1, 1.0, "s", ""), Row("a/3", None, 1.0, "s", "")]
    verdict = check("a", 1e-2, rows)
    assert (verdict.ok, verdict.row, verdict.compared) == (False, "a/2", 2)
    assert verdict.worst == pytest.approx(0.1)
    assert not check("b", 1.0, []).ok


class TestCommand:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch, found: Reproduction) -> None:
        monkeypatch.setattr(reproduce, "reproduce", lambda paper: found)

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["reproduce", "fusemax", "--json"]) == cli.DONE
        data = json.loads(capsys.readouterr().out)
        assert (data["paper"], data["how"]) == ("fusemax", "computed")
        assert {row["id"] for row in data["rows"]} == promised_ids()
        assert {"id", "ours", "paper", "unit", "source"} <= set(data["rows"][0])

    def test_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["reproduce", "fusemax"]) == cli.DONE
        text = capsys.readouterr().out
        for words in (
            "Figure 6a",
            "Figure 8",
            "Figure 12",
            "Headlines",
            "physical",
            "phantom_buffer_reads",
            "held",
        ):
            assert words in text

    @pytest.mark.slow
    def test_page(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        place = tmp_path / "new" / "fusemax.html"
        assert cli.main(["reproduce", "fusemax", "-o", str(place)]) == cli.DONE
        assert str(place) in capsys.readouterr().out
        page = place.read_text(encoding="utf-8")
        assert page.count("<svg") == 8
        assert not re.search(r"""(src|href)=["']?http""", page)

    def test_a_broken_bound_is_a_failed_check(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bad = Reproduction("fusemax", (), "computed", (Check("a", 1e-6, 1.0, "a/1", 1),))
        monkeypatch.setattr(reproduce, "reproduce", lambda paper: bad)
        assert cli.main(["reproduce", "fusemax"]) == cli.CHECK_FAILED


def test_papers_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="no paper 'alexnet'"):
        reproduce.reproduce("alexnet")


def test_the_command_offers_the_papers() -> None:
    (command,) = [command for command in COMMANDS if command.name == "reproduce"]
    assert command.options[0].settings["choices"] == reproduce.PAPERS


@pytest.mark.slow
def test_everything_with_the_physical_model() -> None:
    found = reproduce.reproduce("fusemax")
    assert found.ok
    physical = [row.beside["physical"] for row in found.rows if row.id.startswith("attn/")]
    assert all(value is not None and math.isfinite(value) and value > 0 for value in physical)
