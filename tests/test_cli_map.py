"""A compiled model mapped to a fast memory: what the bundle holds, what is reported, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from penstock import cli
from penstock.ir.module import parse_module, print_module
from penstock.ir.tier_moves import Room, verify_moves

PIPELINE = "relabel,simplify,fuse,place{solver=greedy}"
ROOMS = {"cmem": Room(128 << 20, 1024), "hbm": Room(8 << 30, 1024)}


def said(capsys: pytest.CaptureFixture[str], *argv: str, status: int = cli.DONE) -> dict[str, Any]:
    assert cli.main([*argv, "--json"]) == status
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mapped") / "b"
    words = ["compile", "zoo:bert-base,layers=2", "--shape", "s=128", "--target", "tpu-v4i"]
    assert cli.main([*words, "--pipeline", PIPELINE, "-o", str(out)]) == cli.DONE
    return out


def test_the_bundle_holds_the_map_and_its_picture(bundle: Path) -> None:
    files = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    assert files == ["cost.json", "manifest.json", "maps/main_128.svg", "module.mlir", "plan.json"]
    text = (bundle / "module.mlir").read_text(encoding="utf-8")
    module = parse_module(text)
    assert print_module(module) == text
    verify_moves(module, ROOMS, "hbm")
    found = json.loads((bundle / "plan.json").read_text(encoding="utf-8"))["maps"]["main_128"]
    copies = found["copies_in"] + found["copies_out"]
    assert len(re.findall(r'"tier\.copy"', text)) == len(re.findall(r'"tier\.wait"', text)) == copies
    assert len(re.findall(r'"tier\.drop"', text)) == len(found["plan"]["rectangles"])
    offsets = {
        int(line.split("offset = ")[1].split()[0])
        for line in text.splitlines()
        if '"tier.alloc"' in line and 'tier = "cmem"' in line
    }
    assert offsets == {each["offset"] for each in found["plan"]["rectangles"]}
    names = [each[0] for each in found["problem"]["tensors"]]
    assert any(name.startswith("encoder.layer.1.") for name in names)


def test_the_report_shows_latency_before_and_after(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    found = said(capsys, "report", str(bundle), "-o", str(page))["bundles"][0]["maps"]["main_128"]
    assert found["bound_s"] <= found["latency_s"] < found["all_slow_s"]
    assert (found["fast"], found["slow"], found["player"], found["verified"]) == (
        "cmem",
        "hbm",
        "greedy",
        True,
    )
    text = page.read_text(encoding="utf-8")
    picture = (bundle / "maps" / "main_128.svg").read_text(encoding="utf-8")
    assert "Memory map" in text
    assert picture in text
    assert "copy in of encoder.layer." in picture
    assert cli.main(["report", str(bundle)]) == cli.DONE
    table = capsys.readouterr().out
    assert "Memory map: cmem beside hbm" in table
    assert f"{found['speedup']:.3f}×" in table


def test_a_mapped_bundle_does_not_run(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = said(capsys, "run", str(bundle), status=cli.BAD_INPUT)["error"]
    assert error["type"] == "BundleError"
    assert "no code to run" in error["message"]


def test_a_pipeline_that_does_not_map_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compile", "zoo:mlp", "--target", "tpu-v4i", "-o", str(tmp_path / "b"), "--pipeline"]
    for pipeline in ("relabel,simplify,fuse", "relabel,simplify,fuse,place{target=sn40l-socket}"):
        error = said(capsys, *words, pipeline, status=cli.BAD_INPUT)["error"]
        assert "does not map tensors to tpu-v4i" in error["message"]
    assert not list(tmp_path.iterdir())


def test_an_arena_too_small_names_the_tensors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compile", "zoo:bert-base,layers=1", "--shape", "s=16", "-o", str(tmp_path / "b"), "--pipeline"]
    error = said(capsys, *words, "relabel,simplify,fuse,place{capacity=65536}", status=cli.BAD_INPUT)["error"]
    assert error["type"] == "Infeasible"
    assert error["minimal"] is True
    assert error["conflict"]
    assert all(name in error["message"] for name in error["conflict"][:2])
    assert error["where"].startswith("the arena of ")
    assert not list(tmp_path.iterdir())
