"""The mutation tool: what it changes and leaves alone, its schema, a sample that must be killed."""

from __future__ import annotations

import mutants
import mutate
import pytest
from mutation_report import summary

SNIPPET = """\
module counter #(parameter int unsigned Width = 4) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             en_i,
  input  logic [Width-1:0] step_i,
  output logic [Width-1:0] count_o
);
  logic [Width-1:0] count_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) count_q <= '0;
    else if (en_i && step_i != 4'd3) count_q <= count_q + step_i;
  end
  assign count_o = (count_q[2:0] == 3'd5) ? ~count_q : Width'(count_q >> 1);
  for (genvar i = 0; i < 2; i++) begin : gen_unused
  end
endmodule
"""


def found(kind: str) -> set[tuple[str, str]]:
    return {(edit.before, edit.after) for edit in mutants.edits("counter.sv", SNIPPET) if edit.kind == kind}


def test_operators_are_mistaken_for_others() -> None:
    wanted = {
        ("en_i && step_i != 4'd3", "en_i || step_i != 4'd3"),
        ("step_i != 4'd3", "step_i == 4'd3"),
        ("count_q + step_i", "count_q - step_i"),
        ("count_q[2:0] == 3'd5", "count_q[2:0] != 3'd5"),
        ("~count_q", "(count_q)"),
        ("count_q >> 1", "count_q << 1"),
    }
    assert wanted == found("operator")


def test_constants_are_off_by_one() -> None:
    assert {
        ("4'd3", "4'd2"),
        ("4'd3", "4'd4"),
        ("3'd5", "3'd4"),
        ("3'd5", "3'd6"),
        ("1", "0"),
        ("1", "2"),
    } == found("constant")


def test_widths_are_a_bit_short() -> None:
    assert ("count_q[2:0]", "{1'b0, count_q[(2) - 1:0]}") in found("width")
    assert any(before.startswith("Width'(") for before, _ in found("width"))


def test_constants_casts_and_unused_signals_are_left_alone() -> None:
    text = """\
module small;
  assign unused = a & b;
  assign c = Width'(1) + Width'(Rows - 1) + Width'(some_pkg::Depth) + Width'(d) + 1'(e);
endmodule
"""
    found = mutants.edits("small.sv", text)
    assert {edit.before for edit in found if edit.kind == "width"} == {"Width'(d)"}
    assert not any("unused" in edit.context for edit in found)


def test_registers_lose_their_reset_or_their_assignment() -> None:
    assert found("reset") == {("count_q <= '0", ""), ("count_q <= '0", "count_q <= '1")}
    assert found("dropped") == {("count_q <= count_q + step_i", "")}


def test_conditions_are_swapped_but_not_the_resets() -> None:
    swapped = {before for before, _ in found("condition")}
    assert "en_i && step_i != 4'd3" in swapped
    assert not any("rst_ni" in before for before in swapped)


def test_declarations_and_generate_loops_are_left_alone() -> None:
    for edit in mutants.edits("counter.sv", SNIPPET):
        assert "genvar" not in edit.context
        assert "parameter" not in edit.context


def test_the_schema_keeps_lines_and_holds_every_mutant_once() -> None:
    edits = dict(enumerate(mutants.edits("counter.sv", SNIPPET), 1))
    text = mutants.schema(SNIPPET, edits)
    assert text.count("\n") == SNIPPET.count("\n")
    for number in edits:
        assert text.count(f"mutant_pkg::active == {number})") == 1


def test_a_sample_is_even_over_kinds_and_repeatable() -> None:
    edits = mutants.edits("counter.sv", SNIPPET)
    chosen = mutants.sample(edits, 6, 3)
    assert chosen == mutants.sample(edits, 6, 3)
    assert len({edit.kind for edit in chosen}) == 6


@pytest.mark.slow
def test_a_sample_of_the_engines_mutants_is_killed() -> None:
    """The whole run is ``python tests/rtl/mutate.py``."""
    verdicts = mutate.run(
        6, 5, ("axi_read_dma.sv", "axi_write_dma.sv", "stream_fifo.sv"), ("dma16", "dma256")
    )
    survived = [str(verdict.edit) for verdict in verdicts if verdict.outcome == "survived"]
    assert not survived
    assert summary(verdicts)["killed"] >= 15
