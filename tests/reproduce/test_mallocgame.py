"""The memory-mapping comparison: its arithmetic on results made by hand, and the results that are stored."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from penstock import cli
from penstock.passes.place.players import PLAYERS
from penstock.passes.place.problem import read
from penstock.passes.place.profiles import PROFILES
from penstock.reproduce import mallocgame, write_page
from penstock.reproduce.mallocgame import HEADLINE, SOLVERS, Played
from penstock.reproduce.mallocgame_graphs import names, program


def played(graph: str, profile: str, player: str, latency_s: float, seed: int = 0) -> Played:
    return Played(graph, "0", profile, player, seed, 8.0, latency_s, 1.0, latency_s, 10, 0.1)


def results() -> list[Played]:
    """Two programs: the hybrid twice as fast as the heuristic on one, as fast on the other."""
    return [
        played(graph, profile, player, latency_s)
        for profile in HEADLINE
        for graph, found in {
            "one": {"msa": 4.0, "evolution": 2.0, "evolution-evict": 2.0, "hybrid": 2.0},
            "two": {"msa": 4.0, "evolution": 5.0, "evolution-evict": 4.0, "hybrid": 4.0},
        }.items()
        for player, latency_s in found.items()
    ]


def test_headlines_are_geometric_means_wins_ties_and_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mallocgame, "stored", results)
    rows = {row.id: row.ours for row in mallocgame.reproduce().rows}
    assert rows["map/one/R0.5/hybrid"] == 4.0
    assert rows["headline/hybrid_vs_msa"] == pytest.approx(2**0.5)
    assert rows["headline/hybrid_vs_evolution"] == pytest.approx(1.25**0.5)
    assert [rows[f"headline/hybrid_vs_msa/{word}"] for word in ("wins", "ties", "losses")] == [2, 2, 0]


def test_the_most_that_is_possible_stands_beside_a_headline(monkeypatch: pytest.MonkeyPatch) -> None:
    proved = [replace(each, player="exact", proved_s=1.6) for each in results() if each.player == "hybrid"]
    monkeypatch.setattr(mallocgame, "stored", lambda: [*results(), *proved])
    rows = {row.id: row for row in mallocgame.reproduce().rows}
    possible = rows["headline/hybrid_vs_evolution-evict"].beside["possible"]
    assert possible == pytest.approx((2.0 / 1.6 * 4.0 / 1.6) ** 0.5)


def test_unequal_evaluations_break_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    more = [replace(each, evaluations=11) if each.player == "evolution" else each for each in results()]
    monkeypatch.setattr(mallocgame, "stored", lambda: more)
    found = mallocgame.reproduce()
    assert [check.quantity for check in found.checks if not check.ok] == [
        "evaluations, hybrid's and evolution's"
    ]


def test_the_agent_has_rows_where_methods_differ() -> None:
    there = {(each.graph, each.profile) for each in mallocgame.stored() if each.player == mallocgame.AGENT}
    assert there == {(graph, profile) for graph in names() for profile in HEADLINE}


def test_a_hybrid_slower_than_the_heuristic_breaks_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    worse = [*results(), played("two", "R0.5", "hybrid", 4.5, seed=1)]
    monkeypatch.setattr(mallocgame, "stored", lambda: worse)
    found = mallocgame.reproduce()
    assert [check.quantity for check in found.checks if not check.ok] == ["hybrid slower than XLA's"]


def test_stored_results_cover_the_benchmark_as_frozen(checkout: Path) -> None:
    stored = mallocgame.stored()
    hashes = json.loads((checkout / "benchmarks/memory_map/hashes.json").read_text(encoding="utf-8"))
    assert {each.graph: each.sha256 for each in stored} == hashes
    there = {(each.graph, each.profile, each.player) for each in stored}
    expected = {
        (graph, profile, player)
        for graph in names()
        for profile in PROFILES
        for player in PLAYERS
        if player not in SOLVERS
    }
    assert expected <= there


@pytest.mark.slow
def test_a_stored_result_comes_out_again(checkout: Path) -> None:
    stored = {
        (each.profile, each.player, each.seed): each for each in mallocgame.stored() if each.graph == "bert"
    }
    for job in mallocgame.jobs(["bert"]):
        before = stored.get(job[1:])
        if before is not None and job[2] not in SOLVERS:
            assert mallocgame.play(job, program("bert")).latency_s == pytest.approx(
                before.latency_s, rel=1e-9
            )


@pytest.mark.slow
def test_a_compiled_program_is_what_was_frozen_or_says_so(checkout: Path) -> None:
    """Compiled programs follow the compiler: when it changes, freeze and run the benchmark again."""
    frozen = read(checkout / "benchmarks/memory_map/zoo-mlp.json")
    assert program("zoo-mlp").sha256 == frozen.sha256, "run benchmarks/memory_map/freeze.py and run.py"


def test_the_command_prints_rows_and_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "mallocgame", "--json"]) == cli.DONE
    data = json.loads(capsys.readouterr().out)
    assert data["how"].startswith("stored: reproduce/stored/mallocgame.json, regenerated by")
    assert all(row["paper"] is None for row in data["rows"])
    assert any(row["id"] == "headline/hybrid_vs_msa" for row in data["rows"])


def test_the_page_is_self_contained(tmp_path: Path) -> None:
    text = write_page(mallocgame.reproduce(), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<svg" in text
    assert not re.search(r"""(src|href)=["']?http""", text)
