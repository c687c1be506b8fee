"""`penstock plan map`: figures, a plan, a picture, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from penstock import cli
from penstock.passes.place.problem import Instruction, Problem, Tensor

GRAPH = Problem(
    "two uses",
    (
        Instruction("make", 2e-6, (), ((1, 4096),)),
        Instruction("first", 1e-7, ((0, 1 << 20),), ()),
        Instruction("second", 1e-7, ((0, 1 << 20), (1, 4096)), ((2, 4096),)),
    ),
    (Tensor("w", 1 << 20, "param"), Tensor("x", 4096), Tensor("y", 4096, "result")),
)


@pytest.fixture
def graph_file(tmp_path: Path) -> str:
    place = tmp_path / "graph.json"
    place.write_text(json.dumps(GRAPH.to_json()), encoding="utf-8")
    return str(place)


def test_a_plan_is_written_and_its_figures_printed(
    graph_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.json"
    words = [
        "plan",
        "map",
        graph_file,
        "--profile",
        "R1.0",
        "--player",
        "insertion",
        "-o",
        str(out),
        "--json",
    ]
    assert cli.main(words) == cli.DONE
    printed = json.loads(capsys.readouterr().out)
    assert printed["verified"] is True
    assert printed["bound_s"] <= printed["latency_s"] < printed["all_slow_s"]
    plan = json.loads(out.read_text(encoding="utf-8"))["plan"]
    assert len(plan["served_fast"]) == len(GRAPH.accesses)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.json", "map.json"]


def test_the_picture_shows_stays_and_copies(graph_file: str, tmp_path: Path) -> None:
    out = tmp_path / "map.svg"
    assert cli.main(["plan", "map", graph_file, "--player", "greedy", "-o", str(out)]) == cli.DONE
    tips = [tip.text or "" for tip in ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}title")]
    assert any(tip.startswith("w: 1048576 bytes at ") for tip in tips)
    assert any(tip.startswith("copy in of w") for tip in tips)


REFUSED = {
    "no player 'chess'": ["graph:bert", "--player", "chess"],
    "no graph 'vgg'": ["graph:vgg"],
    "no profile 'Q'": ["graph:bert", "--profile", "Q"],
    "a map of what kind?": ["graph:bert", "-o", "map.txt"],
    "no tier of known size is faster": ["graph:bert", "--target", "bolt-u55c"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_mistakes_are_told(message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "map", *REFUSED[message], "--json"]) == cli.BAD_INPUT
    assert message in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "no.json"
    place.write_text("{", encoding="utf-8")
    assert cli.main(["plan", "map", str(place), "--json"]) == cli.BAD_INPUT
    assert "not JSON" in json.loads(capsys.readouterr().out)["error"]["message"]
