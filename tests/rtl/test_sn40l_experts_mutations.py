"""The tests of the manager of experts and of the kernel sequencer see each rule broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import rtl

from .cocotb_cases import run_cases
from .conftest import HARNESS, write_sources

EXPERTS, SEQUENCER = ("sn40l_expert_mgr", "cocotb_experts"), ("kseq_harness", "cocotb_kseq")
MANAGER, MATRIX, KSEQ = "sn40l_expert_mgr.sv", "sn40l_lru.sv", "sn40l_kseq.sv"

# What breaks → which tests must notice, the case that does, file, text, text in its place.
MUTATIONS: dict[str, tuple[tuple[str, str], str, str, str, str]] = {
    "a hit is no use": (
        EXPERTS,
        "the_least_recently",
        MANAGER,
        ".touch_i     (accepted)",
        ".touch_i     (begins)",
    ),
    "the newest goes": (EXPERTS, "the_least_recently", MATRIX, "~|(newer_q[i] &", "~|(~newer_q[i] &"),
    "a pinned one goes": (EXPERTS, "the_least_recently", MANAGER, " && !pinned_q[i]", ""),
    "one in use goes": (EXPERTS, "requests_wait", MANAGER, " && refs_q[i] == '0 && ", " && "),
    "what was written is lost": (
        EXPERTS,
        "the_least_recently",
        MANAGER,
        "wrote_q[i] <= 1'b1",
        "wrote_q[i] <= 1'b0",
    ),
    "what was only read goes back": (
        EXPERTS,
        "the_least_recently",
        MANAGER,
        "evicts && wrote_q[chosen_slot]",
        "evicts",
    ),
    "read-only parts go back": (EXPERTS, "only_read", MANAGER, " && writable_bytes_i != '0;", ";"),
    "what failed is ready": (EXPERTS, "fails_is_told", MANAGER, "done_error_i ? Invalid : Ready", "Ready"),
    "nobody is told": (EXPERTS, "fails_is_told", MANAGER, "told && failed_q;", "1'b0;"),
    "a lost write-back goes on": (
        EXPERTS,
        "loses_nothing",
        MANAGER,
        "done_error_i ? Idle : AskFill",
        "AskFill",
    ),
    "it runs without a program": (SEQUENCER, "no_program", KSEQ, "(needs_program && !loaded_q)", "1'b0"),
    "hardware waits for the host": (
        SEQUENCER,
        "hardware",
        KSEQ,
        "state_q      <= Decode;",
        "state_q      <= Delay;",
    ),
    "a word too few": (SEQUENCER, "software", KSEQ, "left_q == 15'd1", "left_q == 15'd2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_noticed_by_its_case(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top, module), case, file, before, after = MUTATIONS[name]
    texts = {**rtl.sources("common", "sn40l"), **rtl.properties("common")}
    assert texts[file].count(before) == 1, f"the text to change is not in {file} once"
    texts[file] = texts[file].replace(before, after)
    sources = write_sources(tmp_path, texts)
    sources += [HARNESS / f"{top}.sv"] if "harness" in top else []
    monkeypatch.setenv("COCOTB_TEST_FILTER", case)
    with pytest.raises(AssertionError, match=case):
        run_cases(sources, top, module, 1, tmp_path, ("-GSlots=5",) if "mgr" in top else ())
