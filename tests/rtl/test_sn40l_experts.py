"""The manager of experts beside a table in Python, and the kernel sequencer; each rule broken is noticed."""

from __future__ import annotations

from pathlib import Path

import find_libpython
import pytest
from broken_rules import Broken, Mutation, Rules

from .cocotb_cases import run_cases

MANAGER, MATRIX, KSEQ = "sn40l_expert_mgr.sv", "sn40l_lru.sv", "sn40l_kseq.sv"

EXPERTS = {
    "a hit is no use": Mutation(
        MANAGER, ".touch_i     (accepted)", ".touch_i     ({on} ? begins : accepted)", "the_least_recently"
    ),
    "the newest goes": Mutation(
        MATRIX, "~|(newer_q[i] & candidates_i)", "~|(~newer_q[i] & candidates_i)", "the_least_recently"
    ),
    "a pinned one goes": Mutation(MANAGER, "!pinned_q[i]", "1'b1", "the_least_recently"),
    "one in use goes": Mutation(
        MANAGER, "state_q[i] == Ready && refs_q[i] == '0", "state_q[i] == Ready", "requests_wait"
    ),
    "what was written is lost": Mutation(
        MANAGER, "wrote_q[i] <= 1'b1", "wrote_q[i] <= !{on}", "the_least_recently"
    ),
    "what was only read goes back": Mutation(
        MANAGER, "evicts && wrote_q[chosen_slot]", "evicts", "the_least_recently"
    ),
    "read-only parts go back": Mutation(MANAGER, "writable_bytes_i != '0", "1'b1", "only_read"),
    "what failed is ready": Mutation(MANAGER, "done_error_i ? Invalid : Ready", "Ready", "fails_is_told"),
    "nobody is told": Mutation(MANAGER, "told && failed_q", "1'b0", "fails_is_told"),
    "a failed copy goes on": Mutation(MANAGER, "done_error_i ? Idle : AskFill", "AskFill", "loses_nothing"),
}  # fmt: skip

SEQUENCER = {
    "it runs without a program": Mutation(KSEQ, "(needs_program && !loaded_q)", "1'b0", "no_program"),
    "hardware waits for the host": Mutation(
        KSEQ, "state_q      <= Decode;", "state_q      <= {on} ? Delay : Decode;", "hardware"
    ),
    "a word too few": Mutation(KSEQ, "left_q == 15'd1", "left_q == 15'd2", "software"),
}

BENCHES = {
    "experts": Rules("sn40l_expert_mgr", "cocotb_experts", 8, EXPERTS, ("-GSlots=5", "-GCounterWidth=9")),
    "sequencer": Rules("kseq_harness", "cocotb_kseq", 8, SEQUENCER, ("-GCounterWidth=9",)),
}


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


@pytest.mark.slow
def test_as_many_slots_as_the_target_has(sn40l_files: list[Path], tmp_path: Path) -> None:
    run_cases(sn40l_files, "sn40l_expert_mgr", "cocotb_experts", 8, tmp_path, ("-GSlots=41",))
