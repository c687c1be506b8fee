"""Invariant 11 for the SN40L's memory side: each rule broken once, and the test named beside it must fail.

All edits of a bench are compiled into one model, each asleep until ``+mutant=NUMBER`` wakes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import find_libpython
import mutants
import pytest

from penstock import rtl
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module
from penstock.sim.rtl.sn40l_memory import PUBLIC_ARRAYS
from penstock.sim.rtl.verilator import Build

from .conftest import write_sources

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Mutation:
    """An edit of the RTL.

    Attributes:
        file: what it is in.
        before: an expression, or text, that is there once.
        after: in its place; with ``{on}`` where it says itself when it is awake.
        case: the test that must fail.
    """

    file: str
    before: str
    after: str
    case: str

    def text(self, number: int) -> str:
        """What stands in its place in a model of all."""
        awake = f"(mutant_pkg::active == {number})"
        if "{on}" in self.after:
            return self.after.replace("{on}", awake)
        return f"({awake} ? ({self.after}) : ({self.before}))"


SHAPES = "what_goes_in_comes_out_whatever_the_shape"
ERRORS = "errors_are_reported_once_with_their_address_and_later_descriptors_are_unharmed"
REFUSED = "a_descriptor_that_may_not_is_refused_without_traffic"
TOKENS = "a_withheld_token_stalls_and_what_is_posted_is_counted"
ABORT = "an_abort_drains_and_answers_everything"
RESET = "a_reset_in_mid_burst_leaves_nothing_behind"
BURSTS = "what_is_written_is_read_whatever_the_burst"
ANSWERS = "an_injected_error_answer_moves_nothing_and_once_is_once"

DMA = {
    "a row's last beat is written whole": Mutation(
        "sn40l_dma_write.sv", "(row_last ? {StrbWidth{1'b1}} >> (5'd31 - tail) : '1)", "'1", SHAPES
    ),
    "a stride without its sign": Mutation(
        "sn40l_dma_bursts.sv", "AddrWidth'($signed(stride1_q))", "AddrWidth'(stride1_q)", SHAPES
    ),
    "a burst leaves its piece": Mutation(
        "sn40l_dma_bursts.sv",
        "(left_q > BeatsWidth'(piece)) ? piece : 5'(left_q)",
        "(left_q > BeatsWidth'(16)) ? 5'd16 : 5'(left_q)",
        SHAPES,
    ),
    "the rest of a row is forgotten": Mutation(
        "sn40l_dma_gather.sv",
        "flush_q      <= last_i && !ends;",
        "flush_q <= last_i && !ends && !{on};",
        SHAPES,
    ),
    "an address is withdrawn": Mutation(
        "sn40l_dma_read.sv", "burst_valid && free;", "burst_valid && free && !({on} && r_valid_i);", SHAPES
    ),
    "words change while they wait": Mutation(
        "sn40l_dma_write.sv",
        "data_valid && (!w_valid_q || w_ready_i) && (stop_i",
        "data_valid && (!w_valid_q || w_ready_i || {on}) && (stop_i",
        SHAPES,
    ),
    "an error at the burst's address": Mutation(
        "sn40l_dma_read.sv", "r_base + (AddrWidth - 5)'(came_q[r_slot])", "r_base", ERRORS
    ),
    "an error told twice": Mutation(
        "sn40l_dma.sv", "2'(read_error) +", "2'({on}) + 2'(read_error) +", ERRORS
    ),
    "a poisoned word is written": Mutation(
        "sn40l_dma_write.sv", "(new_poison ? ~new_bytes : '1)", "'1", ERRORS
    ),
    "a token in spite of an error": Mutation(
        "sn40l_dma.sv",
        "now_q.post_en && code_q == sn40l_mem_pkg::CodeOkay",
        "now_q.post_en",
        REFUSED,
    ),
    "what is refused moves": Mutation(
        "sn40l_dma.sv", "check == sn40l_mem_pkg::CodeOkay && !abort_i", "!abort_i", REFUSED
    ),
    "a descriptor does not wait": Mutation("sn40l_dma.sv", "!now_q.wait_en || token_there", "1'b1", TOKENS),
    "a token lost where one is spent": Mutation(
        "sn40l_dma.sv",
        "else if (spend[t] && !token_i[t])",
        "else if (spend[t] && (!token_i[t] || {on}))",
        TOKENS,
    ),
    "what waits is not aborted": Mutation(
        "sn40l_dma.sv", "if (abort_i) begin", "if (abort_i && !{on}) begin", ABORT
    ),
    "an address vanishes in an abort": Mutation(
        "sn40l_dma_bursts.sv", "stop_i && !offered_i", "stop_i", ABORT
    ),
    "slots outlive a reset": Mutation(
        "sn40l_dma_read.sv", "      used_q   <= '0;", "      used_q   <= {on} ? used_q : '0;", RESET
    ),
    "half the slots": Mutation(
        "sn40l_dma_read.sv",
        "used_q != UsedWidth'(Slots)",
        "used_q != UsedWidth'(Slots / 2)",
        "bursts_are_outstanding_as_many_as_there_are_slots",
    ),
}

MEMORY = {
    "tokens are lost": Mutation(
        "sn40l_mem_chan.sv",
        "have >= TokenWidth'(Den)",
        "tokens_q >= TokenWidth'(Den)",
        "steady_streams_reach_the_configured_bandwidth",
    ),
    "bandwidth for nothing": Mutation(
        "sn40l_mem_chan.sv",
        "serve ? have - TokenWidth'(Den) : have",
        "have",
        "steady_streams_reach_the_configured_bandwidth",
    ),
    "a flipped bit stays": Mutation(
        "sn40l_ecc_pkg.sv",
        "odd && syndrome == position(6'(i))",
        "1'b0",
        "one_flipped_bit_is_corrected_and_counted",
    ),
    "a correction is not counted": Mutation(
        "sn40l_ecc_pkg.sv", "odd && syndrome <= 7'd71", "1'b0", "one_flipped_bit_is_corrected_and_counted"
    ),
    "two flipped bits pass": Mutation(
        "sn40l_ecc_pkg.sv", "(syndrome != '0)", "1'b0", "two_flipped_bits_are_an_error_and_never_data"
    ),
    "answers of one identifier overtake": Mutation(
        "sn40l_mem_port.sv", "at_q[s][id_q[s]] == req_channel_o[s]", "1'b1", BURSTS
    ),
    "an error of an earlier beat is forgotten": Mutation(
        "sn40l_mem_port.sv", "resp_q[rsp_id_i[1]] | rsp_resp_i[1]", "rsp_resp_i[1]", ANSWERS
    ),
    "what fails is written": Mutation(
        "sn40l_mem_chan.sv", "serve && write && resp == sn40l_mem_pkg::RespOkay", "serve && write", ANSWERS
    ),
    "once is for ever": Mutation("sn40l_mem_chan.sv", "live_q & ~(met & once_q)", "live_q", ANSWERS),
    "no end of memory": Mutation(
        "sn40l_mem_map.sv",
        "addr_i[DdrBit+1] || beat >=",
        "!{on} && addr_i[DdrBit+1] || beat >=",
        "no_memory_there_is_a_decode_error",
    ),
}

AGCU = {
    "packets without credits": Mutation(
        "sn40l_agcu_sender.sv", "ready_o = packet_credit &&", "ready_o = (packet_credit || {on}) &&",
        "a_withheld_credit_stalls_its_own_producer_only",
    ),
    "units without room": Mutation(
        "sn40l_agcu_sender.sv", "(unit_credit || !first) && room", "(unit_credit || !first || {on}) && room",
        "a_unit_begins_when_its_buffer_is_free",
    ),
    "poison does not travel": Mutation(
        "sn40l_agcu_sender.sv", "packet.poison = poison_i", "packet.poison = poison_i && !{on}",
        "poison_travels_with_its_word_and_is_told_at_both_ends",
    ),
    "the last trip is left out": Mutation(
        "sn40l_agcu_program.sv", "trip_q != '0", "trip_q > 16'd1",
        "streams_arrive_whole_through_any_network",
    ),
}  # fmt: skip

BENCHES = {
    "sn40l_dma_harness": ("cocotb_sn40l_dma", DMA),
    "sn40l_memory_harness": ("cocotb_sn40l_memory", MEMORY),
    "sn40l_agcu_harness": ("cocotb_sn40l_agcu", AGCU),
}


@pytest.fixture(scope="module", params=BENCHES)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str, dict[str, Mutation], Build]:
    """A harness, its cocotb module, its mutations, and a model of all of them."""
    top = request.param
    module, edits = BENCHES[top]
    folder = tmp_path_factory.mktemp(top)
    texts = {**rtl.sources("common", "sn40l"), **rtl.properties("common", "sn40l")}
    for number, edit in enumerate(edits.values(), 1):
        assert texts[edit.file].count(edit.before) == 1, f"not once in {edit.file}: {edit.before}"
        texts[edit.file] = texts[edit.file].replace(edit.before, edit.text(number))
    public = write_sources(folder, {"memory.vlt": PUBLIC_ARRAYS, "mutant_pkg.sv": mutants.PACKAGE})
    sources = [*public, *write_sources(folder, texts), HERE / "harness" / f"{top}.sv"]
    return top, module, edits, build_for_cocotb(sources, top)


def fails(top: str, module: str, model: Build, number: int, case: str, folder: Path) -> bool:
    """Whether a case goes wrong with a mutant awake (0: none)."""
    folder.mkdir()
    arguments = ("+verilator+rand+reset+2", f"+mutant={number}")
    process = run_module(model, top, module, folder, arguments, module_folder=HERE)
    status = process.wait(timeout=300)
    results = folder / "results.xml"
    if status or not results.exists():
        return True
    text = results.read_text(encoding="utf-8")
    assert f'name="{case}"' in text, f"there is no case {case}"
    return re.search("<(failure|error)", text) is not None


@pytest.mark.slow
@pytest.mark.skipif(find_libpython.find_libpython() is None, reason="cocotb needs a shared libpython")
def test_every_broken_rule_is_noticed_by_its_test(
    bench: tuple[str, str, dict[str, Mutation], Build], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, module, edits, model = bench
    unnoticed = []
    for case in sorted({edit.case for edit in edits.values()}):
        monkeypatch.setenv("COCOTB_TEST_FILTER", rf"\.{case}$")
        assert not fails(top, module, model, 0, case, tmp_path / case), f"{case} fails without a mutant"
        for number, (name, edit) in enumerate(edits.items(), 1):
            if edit.case == case and not fails(top, module, model, number, case, tmp_path / f"{number}"):
                unnoticed.append(f"{name}: {case}")
    assert not unnoticed, unnoticed
