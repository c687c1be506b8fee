"""Placements as tier operations: the text, the values, a verifier that notices, the command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from penstock import cli
from penstock.ir.errors import PassError, PlanError
from penstock.ir.module import parse_module, print_module
from penstock.ir.tier_moves import Room, verify_moves
from penstock.passes.place import Place
from penstock.passes.tiers import PlaceInTiers
from penstock.passes.tiers.policies import POLICIES

from ..modules import assert_same_values, run_passes

HERE = Path(__file__).parent
SOURCE = str(HERE.parent / "place" / "ir" / "layers.mlir")
LAYERS = Path(SOURCE).read_text(encoding="utf-8")
EXPECTED = (HERE / "ir" / "layers.expect").read_text(encoding="utf-8")
FUSED = "relabel,simplify,fuse"
NEAR = 5120
ROOMS = {"hbm": Room(NEAR, 64), "ddr": Room(1 << 20, 64)}


def pipeline(policy: str = "exact", near: int = NEAR) -> str:
    return f"{FUSED},tiers{{target=sn40l-small,policy={policy},near_bytes={near}}}"


def test_layers_become_one_function_with_its_places() -> None:
    """The text has an argument that lies far, tensors that do, and a drop for each of these."""
    got = print_module(run_passes(LAYERS, pipeline()))
    if os.environ.get("PENSTOCK_UPDATE"):
        (HERE / "ir" / "layers.expect").write_text(got, encoding="utf-8")
    assert got == EXPECTED
    for text in ('tier.lies = "ddr"', 'tier = "ddr"', 'tier = "hbm"', "tier.drop", "tier.frames"):
        assert text in got


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("near", [2304, NEAR, 9216, 1 << 16])
def test_values_stay_what_they_were(policy: str, near: int) -> None:
    assert_same_values(LAYERS, pipeline(policy, near))


def test_placing_twice_is_placing_once_and_gives_way_to_others() -> None:
    again = PlaceInTiers("sn40l-small", "exact", NEAR).run(parse_module(EXPECTED))
    assert print_module(again) == EXPECTED
    arena = print_module(Place().run(parse_module(EXPECTED)))
    assert not any(text in arena for text in ("tier.lies", "tier.drop", "tier.frames", "hbm"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('tier.lies = "ddr"', 'tier.lies = "tape"', "no tier 'tape'"),
        ('tier.lies = "ddr"', 'tier.lies = "hbm"', "beside"),
        ('tier = "ddr"', 'tier = "tape"', "no tier 'tape'"),
    ],
)
def test_the_verifier_notices(old: str, new: str, said: str) -> None:
    assert old in EXPECTED
    with pytest.raises(PlanError, match=said):
        verify_moves(parse_module(EXPECTED.replace(old, new)), ROOMS, "hbm")


def test_a_spilled_tensor_that_is_never_dropped_is_noticed() -> None:
    lines = EXPECTED.splitlines()
    dropped = next(at for at, line in enumerate(lines) if "tier.drop" in line)
    with pytest.raises(PlanError, match="never dropped"):
        verify_moves(parse_module("\n".join(lines[:dropped] + lines[dropped + 1 :])), ROOMS, "hbm")


def test_what_the_pass_refuses() -> None:
    with pytest.raises(PlanError, match="may not be spilled"):
        run_passes(LAYERS, pipeline(near=64))
    with pytest.raises(PassError, match="-1 bytes"):
        PlaceInTiers(near_bytes=-1)


def said(capsys: pytest.CaptureFixture[str], *argv: str, status: int = cli.DONE) -> dict[str, Any]:
    assert cli.main([*argv, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_the_command_places_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "tiers", SOURCE, "--target", "sn40l-small", "--near", str(NEAR)]
    found = said(capsys, *words, "-o", str(tmp_path / "placed.mlir"))
    (entry,) = found["entries"].values()
    assert entry["proved"]
    assert entry["tiers"]["ddr"]
    assert {each["policy"] for each in entry["policies"]} == set(POLICIES)
    verify_moves(parse_module((tmp_path / "placed.mlir").read_text(encoding="utf-8")), ROOMS, "hbm")
    assert cli.main([*words, "-o", str(tmp_path / "plan.json")]) == cli.DONE
    assert "no choice adds less time: proved" in capsys.readouterr().out
    written = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert written["entries"] == found["entries"]


def test_the_command_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    small = said(capsys, "plan", "tiers", SOURCE, "--near", "64", status=cli.BAD_INPUT)
    assert "may not be spilled" in small["error"]["message"]
    none = said(capsys, "plan", "tiers", SOURCE, "--target", "h200", status=cli.BAD_INPUT)
    assert none["error"]["type"] == "TargetError"
    kind = said(capsys, "plan", "tiers", SOURCE, "-o", "plan.txt", status=cli.BAD_INPUT)
    assert "what kind" in kind["error"]["message"]
