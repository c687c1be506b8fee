"""The PMU's tests see each rule broken, by the case that is about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import rtl

from .cocotb_cases import run_cases
from .conftest import write_sources
from .test_sn40l_pmu import ONE_PORT, TWO_PORTS

LANES, CONTEXT, ARBITER = "sn40l_pmu_lanes.sv", "sn40l_pmu_context.sv", "sn40l_bank_arbiter.sv"
READER, WRITER, PMU = "sn40l_pmu_reader.sv", "sn40l_pmu_writer.sv", "sn40l_pmu.sv"

# What breaks → the case that must notice, whether with one port a bank, file, text, text in its place.
MUTATIONS: dict[str, tuple[str, bool, str, str, str]] = {
    "a packet's number is not heeded": (
        "any_order",
        False,
        WRITER,
        "AddrWidth'(packet.seq) * seq_stride",
        "'0",
    ),
    "reads overtake": ("reads_follow", False, READER, "seq_q     <= seq;", "seq_q     <= seq + 16'(first);"),
    "credits are not awaited": ("credits_stay", False, READER, "go = ready && room &&", "go = ready &&"),
    "a reader spends the other queue's credits": (
        "credits_stay",
        False,
        READER,
        "credits[23:16] != '0, credits[15:8]",
        "credits[15:8] != '0, credits[23:16]",
    ),
    "units are not awaited": ("a_unit_is_read", False, READER, "(!unit_first || there)", "1'b1"),
    "one writer is enough": (
        "a_unit_is_read",
        False,
        READER,
        ".use_i   (control.awaits)",
        ".use_i   (3'b001)",
    ),
    "a bank serves two lanes": ("waiting_for_banks", False, ARBITER, " && !asked[c][bank_i[c][l]]", ""),
    "the first context always wins": (
        "waiting_for_banks",
        False,
        ARBITER,
        "!waits_o[turn_q]) begin",
        "1'b0) begin",
    ),
    "no stripes": ("rows_and_columns", False, LANES, "if (skew_i[4])", "if (1'b0)"),
    "stripes the other way": (
        "waiting_for_banks",
        False,
        LANES,
        "bank_o[l] + BankWidth'(row",
        "bank_o[l] - BankWidth'(row",
    ),
    "bank bits stay": ("halves_of", True, PMU, "bank_bit_q[i] <= cfg_data_i[4:0]", "bank_bit_q[i] <= 5'(i)"),
    "the range's end counts": ("ranges_partition", False, LANES, "< $signed(high_i)", "<= $signed(high_i)"),
    "the range's beginning does not": (
        "ranges_partition",
        False,
        LANES,
        ">= $signed(low_i)",
        "> $signed(low_i)",
    ),
    "a stranger is written": ("poison_stays", False, WRITER, "&& packet.flow == control.flow", ""),
    "poison is lost": ("poison_stays", False, READER, "poison | rdata_i[bank_q[l]][32]", "poison"),
    "poison spreads": ("poison_stays", False, READER, "        poison = 1'b0;", "        poison = poison_q;"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_noticed_by_its_case(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, single, file, before, after = MUTATIONS[name]
    texts = rtl.sources("common", "sn40l")
    assert texts[file].count(before) == 1, f"the text to change is not in {file} once"
    texts[file] = texts[file].replace(before, after)
    monkeypatch.setenv("PMU_SINGLE_PORT", str(int(single)))
    monkeypatch.setenv("COCOTB_TEST_FILTER", case)
    with pytest.raises(AssertionError, match=case):
        run_cases(
            write_sources(tmp_path, texts),
            "sn40l_pmu",
            "cocotb_sn40l_pmu",
            1,
            tmp_path,
            ONE_PORT if single else TWO_PORTS,
        )
