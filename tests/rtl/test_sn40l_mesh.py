"""Switches, their mesh and the control network under cocotb; each rule broken is noticed."""

from __future__ import annotations

from pathlib import Path

import find_libpython
import pytest
from broken_rules import Broken, Mutation, Rules

SWITCH, CONTROL = "sn40l_switch.sv", "sn40l_control.sv"

MUTATIONS = {
    "a flow keeps its name": Mutation(
        SWITCH, "gen_in[Local].route.flow", "gen_in[Local].flow", "flows_arrive"
    ),
    "copies go twice": Mutation(SWITCH, "sent_q | granted[i]", "granted[i]", "flows_arrive"),
    "a copy is forgotten": Mutation(
        SWITCH, "(left[i] & ~granted[i]) == '0", "(granted[i] != '0 || left[i] == '0)", "flows_arrive"
    ),
    "a credit too many": Mutation(
        SWITCH, "CreditWidth'(HopDepth)", "CreditWidth'(HopDepth + 32'({on}))", "flows_arrive"
    ),
    "a credit too few": Mutation(SWITCH, ".init_i  (", ".init_i  (-CreditWidth'({on}) + ", "a_flow_alone"),
    "an offer is withdrawn": Mutation(SWITCH, "!free[o] ?", "!free[o] && !{on} ?", "flows_arrive"),
    "the first input always wins": Mutation(SWITCH, "chosen[o] + 3'd1", "3'd0", "inputs_take_turns"),
    "strangers stay": Mutation(
        SWITCH,
        "head_pop[i]    = head_valid[i]",
        "head_pop[i]    = ({on} ? left[i] != '0 : head_valid[i])",
        "strangers_are",
    ),
    "tokens to everybody": Mutation(
        CONTROL, "enable_q[s] & source[select_q[s]]", "source[select_q[s]]", "tokens_arrive"
    ),
}


BENCHES = {"mesh": Rules("sn40l_mesh_harness", "cocotb_sn40l_mesh", 7, MUTATIONS)}


@pytest.fixture(scope="module", params=BENCHES)
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    """A model with all of a bench's edits."""
    return BENCHES[request.param].build(tmp_path_factory.mktemp("rules"))


@pytest.mark.slow
def test_its_cases_pass(broken: Broken, tmp_path: Path) -> None:
    broken.check_cases(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(find_libpython.find_libpython() is None, reason="cocotb needs a shared libpython")
def test_every_broken_rule_is_noticed_by_its_case(broken: Broken, tmp_path: Path) -> None:
    assert not broken.unnoticed(tmp_path)
