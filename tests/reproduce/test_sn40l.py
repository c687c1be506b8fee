"""The comparison with SN40L: rows the paper prints, a fit that prints as it does, and what is predicted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock import cli
from penstock import reproduce as package
from penstock.ir.targets import load
from penstock.reproduce import Reproduction, reproduce
from penstock.reproduce.sn40l import Machines, TableV
from penstock.sim.cost import coe

OVERALL = {f"coe/overall/{m}/bs{b}/{n}" for m in ("a100", "h100") for b in (1, 8) for n in (20, 200)}
OTHERS = {"coe/switch_ratio/a100", "coe/switch_ratio/h100", "coe/footprint_nodes", "coe/experts_in_hbm"}
MONARCH = {f"monarch/intensity/{name}" for name in ("unfused", "partial", "full")}


@pytest.fixture(scope="module")
def found() -> Reproduction:
    return reproduce("sn40l")


@pytest.fixture(scope="module")
def rows(found: Reproduction) -> dict[str, float]:
    return {row.id: row.ours or 0.0 for row in found.rows}


def test_every_promised_row_is_there_and_every_bound_holds(
    found: Reproduction, rows: dict[str, float]
) -> None:
    assert rows.keys() >= OVERALL | OTHERS | MONARCH
    assert found.ok, [check for check in found.checks if not check.ok]


def test_fitted_rows_print_as_the_paper_does(found: Reproduction) -> None:
    for row in found.rows:
        if "/bs8/" in row.id:
            assert round(row.ours or 0.0, 1) == row.paper, row.id


def test_predictions_are_not_looked_up_and_lie_in_what_the_rounded_figures_allow(
    found: Reproduction,
) -> None:
    for row in found.rows:
        if "/bs1/" in row.id:
            assert row.paper is None
            assert (row.beside["lowest"] or 0) < (row.ours or 0) < (row.beside["highest"] or 0), row.id


def test_predictions_agree_with_a_fit_to_all_eight_speedups(rows: dict[str, float]) -> None:
    """Times that explain all eight figures within 2 %, found elsewhere: 66, 64 and 372 ms."""
    table = TableV(Machines.of_targets())
    times = coe.Times(0.066, {20: 0.064, 200: 0.372})
    for name in OVERALL:
        _, _, machine, batch, tokens = name.split("/")
        theirs = times.speedup(table.observation(machine, int(batch[2:]), int(tokens)))
        assert rows[name] == pytest.approx(theirs, rel=0.01), name


def test_switching_ratio_is_the_ratio_of_the_links(rows: dict[str, float]) -> None:
    def link(target: str) -> float:
        return next(
            each.bandwidth_bytes_per_s or 0 for each in load(target).link if each.destination == "hbm"
        )

    for name in ("a100", "h100"):
        assert rows[f"coe/switch_ratio/{name}"] == pytest.approx(link("sn40l-node") / link(f"dgx-{name}"))


def test_footprints_follow_from_capacities(rows: dict[str, float]) -> None:
    assert rows["coe/footprint_nodes"] == 19
    assert rows["coe/experts_in_hbm"] == 38  # 549.8 GB less a router and 17.2 GB of cache, over 13.48 GB
    assert rows["coe/experts_in_ddr"] == 979


def test_unfused_intensity_is_a_tenth_of_the_fused(rows: dict[str, float]) -> None:
    """X + 6I bytes for X, with I = 1.5 X from the partly fused row."""
    assert rows["monarch/intensity/full"] / rows["monarch/intensity/unfused"] == pytest.approx(10, rel=1e-3)


def test_the_exact_policy_is_optimal_and_the_papers_order_is_not(rows: dict[str, float]) -> None:
    assert rows["spill/exact/optimal"] == rows["spill/exact/worst"] == 1
    assert (
        rows["spill/relief/added_time"] < rows["spill/per-byte/added_time"] < rows["spill/paper/added_time"]
    )


def test_waiting_begins_at_the_first_expert_that_does_not_fit(found: Reproduction) -> None:
    rows = {row.id: row for row in found.rows}
    for machine, fits, too_many in (("sn40l", 38, 39), ("a100", 45, 46), ("h100", 45, 46)):
        flat, knee, far = (rows[f"coe/batch_s/{machine}/{n}"] for n in (fits, too_many, 100))
        assert rows[f"coe/batch_s/{machine}/10"].ours == pytest.approx(flat.ours)
        assert (flat.ours or 0) < (knee.ours or 0) < (far.ours or 0)
        assert flat.beside["hit_rate"] == 1
        assert far.beside["hit_rate"] == pytest.approx(fits / 100, rel=0.1)
        assert (rows[f"coe/prefetch_gain/{machine}"].ours or 0) > 1
    assert rows["coe/batch_s/a100/150"].ours is None  # the host's memory is full
    assert rows["coe/batch_s/sn40l/850"].ours is not None


def test_a_decoder_layer_is_one_kernel(rows: dict[str, float]) -> None:
    assert rows["fusion/llama-7b-layer/operators"] >= 20
    assert 0.8 < rows["fusion/llama-7b-layer/pmu_share"] <= 1


def test_the_command_says_what_not_to_trust(
    found: Reproduction,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(package, "reproduce", lambda paper: found)
    assert cli.main(["reproduce", "sn40l", "--json", "-o", str(tmp_path / "sn40l.html")]) == cli.DONE
    data = json.loads(capsys.readouterr().out)
    assert {row["id"] for row in data["rows"]} >= OVERALL | OTHERS | MONARCH
    assert all(row["note"] for row in data["rows"] if "overall" in row["id"] or "monarch" in row["id"])
    assert any(quirk["name"] == "times are not published" for quirk in data["quirks"])
    page = (tmp_path / "sn40l.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert 'src="http' not in page
