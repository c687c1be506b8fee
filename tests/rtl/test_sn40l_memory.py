"""The memory side of the SN40L: shapes, protocol, faults, resets; each rule broken is noticed by its case."""

from __future__ import annotations

from pathlib import Path

import find_libpython
import pytest
from broken_rules import Broken, Mutation, Rules

from penstock.sim.rtl.sn40l_memory import PUBLIC_ARRAYS

from .cocotb_cases import run_cases
from .conftest import HARNESS

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
        "sn40l_dma_tokens.sv",
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

PUBLIC = {"memory.vlt": PUBLIC_ARRAYS}

BENCHES = {
    "dma": Rules("sn40l_dma_harness", "cocotb_sn40l_dma", 9, DMA, asserted=True),
    "memory": Rules("sn40l_memory_harness", "cocotb_sn40l_memory", 7, MEMORY, asserted=True),
    "agcu": Rules("sn40l_agcu_harness", "cocotb_sn40l_agcu", 5, AGCU, more=PUBLIC, asserted=True),
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
def test_another_memory(sn40l_files: list[Path], tmp_path: Path) -> None:
    parameters = (
        "-GHbmChannels=2",
        "-GHbmNum=1",
        "-GHbmDen=2",
        "-GHbmLatency=20",
        "-GDdrNum=5",
        "-GDdrDen=32",
    )
    sources = [*sn40l_files, HARNESS / "sn40l_memory_harness.sv"]
    run_cases(sources, "sn40l_memory_harness", "cocotb_sn40l_memory", 7, tmp_path, parameters)


@pytest.mark.slow
def test_rows_and_refreshes(sn40l_files: list[Path], tmp_path: Path) -> None:
    sources = [*sn40l_files, HARNESS / "sn40l_memory_harness.sv"]
    parameters = ("-GRowMiss=6", "-GRefreshInterval=120", "-GRefreshCycles=11", "-GHbmLatency=9")
    run_cases(sources, "sn40l_memory_harness", "cocotb_sn40l_rows", 2, tmp_path, parameters)
