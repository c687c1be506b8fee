"""The comparison with MEMO: every promised row, and figures worked out by hand from the paper's text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock import cli
from penstock.reproduce import Reproduction, reproduce, write_page

CAPS = {
    f"alpha_cap/{model}/{length}"
    for model in ("7b", "13b", "30b", "65b")
    for length in ("546k", "768k", "1m", "1408k")
}
BANDWIDTH = {f"alpha_bw/{length}" for length in ("64k", "128k", "192k")}
SHARES = {f"recompute_share/{length}" for length in ("64k", "128k", "512k", "1m")}
SINGLE = {"skeletal_bytes/7b/1m", "crossover_tokens/a800", "step_seconds/7b/1m", "tokens_per_gpu_s/7b/1m"}


@pytest.fixture(scope="module")
def found() -> Reproduction:
    return reproduce("memo")


def test_every_promised_row_is_there_and_every_bound_holds(found: Reproduction) -> None:
    assert {row.id for row in found.rows} >= CAPS | BANDWIDTH | SHARES | SINGLE
    assert found.ok, [each for each in found.checks if not each.ok]


@pytest.mark.parametrize(
    ("row", "value", "off"),
    [
        ("alpha_cap/7b/546k", 1.0, 1e-9),
        ("alpha_cap/7b/768k", 0.67, 0.005),
        ("alpha_cap/7b/1m", 0.47, 0.005),
        ("alpha_cap/7b/1408k", 0.30, 0.005),
        ("alpha_bw/64k", 0.39, 0.005),
        ("alpha_bw/128k", 0.70, 0.005),
        ("alpha_bw/192k", 1.0, 0.005),
        ("skeletal_bytes/7b/1m", 4096 * 2**30, 0),
        ("input_bytes/7b/1m", 256 * 2**30, 0),
        ("crossover_tokens/a800", 192 * 1024, 2000),
        ("recompute_share/64k", 0.29, 0.005),
        ("recompute_share/128k", 0.18, 0.005),
        ("recompute_share/512k", 0.057, 0.0005),
        ("recompute_share/1m", 0.03, 0.005),
        ("step_seconds/7b/1m", 695, 1),
        ("tokens_per_gpu_s/7b/1m", 189, 0.5),
        ("simulated_mfu/7b/1m", 0.523, 0.0005),
    ],
)
def test_figures_worked_out_by_hand(found: Reproduction, row: str, value: float, off: float) -> None:
    ours = {each.id: each.ours for each in found.rows}[row]
    assert ours == pytest.approx(value, abs=off)


def test_the_papers_slip_is_said_and_not_bounded(found: Reproduction) -> None:
    row = next(each for each in found.rows if each.id == "input_bytes/7b/1m")
    assert row.paper == 128 * 2**30
    assert "256 GiB" in row.note
    assert not any(each.quantity.startswith("input_bytes") for each in found.checks)


def test_the_command_gives_rows_and_a_page(capsys, tmp_path: Path, found: Reproduction) -> None:
    assert cli.main(["reproduce", "memo", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["how"] == "computed"
    assert len(data["rows"]) == len(found.rows)
    text = write_page(found, tmp_path / "memo.html").read_text(encoding="utf-8")
    assert "<svg" in text
    assert "crossover_tokens/a800" in text
