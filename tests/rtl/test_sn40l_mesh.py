"""Switches, their mesh and the control network under cocotb; each rule broken is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import rtl

from .cocotb_cases import run_cases
from .conftest import HARNESS, write_sources

TOP = "sn40l_mesh_harness"
SWITCH, CONTROL = "sn40l_switch.sv", "sn40l_control.sv"

# What breaks → the case that must notice, file, text, text in its place.
MUTATIONS: dict[str, tuple[str, str, str, str]] = {
    "a flow keeps its name": (
        "flows_arrive",
        SWITCH,
        "3'(Local): packet = {gen_in[Local].route.flow,",
        "3'(Local): packet = {gen_in[Local].flow,",
    ),
    "copies go twice": ("flows_arrive", SWITCH, "sent_q | granted[i]", "granted[i]"),
    "a copy is forgotten": (
        "flows_arrive",
        SWITCH,
        "(left[i] & ~granted[i]) == '0",
        "(granted[i] != '0 || left[i] == '0)",
    ),
    "a credit too many": (
        "flows_arrive",
        SWITCH,
        ".init_i  (CreditWidth'(HopDepth))",
        ".init_i  (CreditWidth'(HopDepth + 1))",
    ),
    "a credit too few": (
        "a_flow_alone",
        SWITCH,
        ".init_i  (CreditWidth'(HopDepth))",
        ".init_i  (CreditWidth'(HopDepth - 1))",
    ),
    "an offer is withdrawn": ("flows_arrive", SWITCH, "!free[o] ? chosen[o] :", ""),
    "the first input always wins": ("inputs_take_turns", SWITCH, "chosen[o] + 3'd1;", "3'd0;"),
    "strangers stay": ("strangers_are", SWITCH, "head_valid[i] && (left[i]", "left[i] != '0 && (left[i]"),
    "tokens to everybody": ("tokens_arrive", CONTROL, "enable_q[s] & source", "source"),
}


def run(texts: dict[str, str], folder: Path, count: int) -> None:
    sources = [*write_sources(folder, texts), HARNESS / f"{TOP}.sv"]
    run_cases(sources, TOP, "cocotb_sn40l_mesh", count, folder, ())


@pytest.mark.slow
def test_the_mesh(tmp_path: Path) -> None:
    run({**rtl.sources("common", "sn40l"), **rtl.properties("common", "sn40l")}, tmp_path, 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_noticed_by_its_case(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, file, before, after = MUTATIONS[name]
    texts = rtl.sources("common", "sn40l")
    assert texts[file].count(before) == 1, f"the text to change is not in {file} once"
    texts[file] = texts[file].replace(before, after)
    monkeypatch.setenv("COCOTB_TEST_FILTER", case)
    with pytest.raises(AssertionError, match=case):
        run(texts, tmp_path, 1)
