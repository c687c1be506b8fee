"""The PMU under cocotb, two ports a bank and one; each rule broken is noticed by the case about it."""

from __future__ import annotations

from pathlib import Path

import find_libpython
import pytest
from broken_rules import Broken, Mutation, Rules

LANES, ARBITER, PMU = "sn40l_pmu_lanes.sv", "sn40l_bank_arbiter.sv", "sn40l_pmu.sv"
READER, WRITER = "sn40l_pmu_reader.sv", "sn40l_pmu_writer.sv"

# What breaks → the edit; banks have a port to read and one to write.
MUTATIONS = {
    "a packet's number is not heeded": Mutation(
        WRITER, "AddrWidth'(packet.seq) * seq_stride", "'0", "any_order"
    ),
    "reads overtake": Mutation(
        READER, "seq_q     <= seq;", "seq_q     <= seq + 16'(first && {on});", "reads_follow"
    ),
    "credits are not awaited": Mutation(
        READER, "go = ready && room &&", "go = ready && (room || {on}) &&", "credits_stay"
    ),
    "a reader spends the other queue's credits": Mutation(
        READER,
        "credits[23:16] != '0, credits[15:8] != '0,",
        "credits[{on} ? 8 : 16 +: 8] != '0, credits[{on} ? 16 : 8 +: 8] != '0,",
        "credits_stay",
    ),
    "units are not awaited": Mutation(READER, "(!unit_first || there)", "1'b1", "a_unit_is_read"),
    "one writer is enough": Mutation(
        READER, ".use_i   (control.awaits)", ".use_i   ({on} ? 3'b001 : control.awaits)", "a_unit_is_read"
    ),
    "a bank serves two lanes": Mutation(ARBITER, "!asked[c][bank_i[c][l]]", "1'b1", "waiting_for_banks"),
    "the first context always wins": Mutation(ARBITER, "!waits_o[turn_q]", "1'b0", "waiting_for_banks"),
    "no stripes": Mutation(LANES, "if (skew_i[4])", "if (skew_i[4] && !{on})", "rows_and_columns"),
    "stripes the other way": Mutation(
        LANES,
        "BankWidth'(row_o[l] >> skew_i[3:0])",
        "-BankWidth'(row_o[l] >> skew_i[3:0])",
        "waiting_for_banks",
    ),
    "the range's end counts": Mutation(
        LANES, "$signed(addr) < $signed(high_i)", "$signed(addr) <= $signed(high_i)", "ranges_partition"
    ),
    "the range's beginning does not": Mutation(
        LANES, "$signed(addr) >= $signed(low_i)", "$signed(addr) > $signed(low_i)", "ranges_partition"
    ),
    "a stranger is written": Mutation(WRITER, "packet.flow == control.flow", "1'b1", "poison_stays"),
    "poison is lost": Mutation(READER, "poison | rdata_i[bank_q[l]][32]", "poison", "poison_stays"),
    "poison spreads": Mutation(
        READER, "        poison = 1'b0;", "        poison = {on} && poison_q;", "poison_stays"
    ),
}

# The same of banks with one port for both.
SINGLE = {
    "bank bits stay": Mutation(
        PMU,
        "bank_bit_q[i] <= cfg_data_i[4:0]",
        "bank_bit_q[i] <= {on} ? 5'(i) : cfg_data_i[4:0]",
        "halves_of",
    ),
}


TWO_PORTS = ("-GDepth=64",)
ONE_PORT = ("-GBanks=16", "-GDepth=64", "-GSinglePort=1")
PLACE = ("sn40l_pmu", "cocotb_sn40l_pmu", 11)

BENCHES = {
    "two ports": Rules(*PLACE, MUTATIONS, TWO_PORTS, {"PMU_SINGLE_PORT": "0"}),
    "one port": Rules(*PLACE, SINGLE, ONE_PORT, {"PMU_SINGLE_PORT": "1"}),
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
