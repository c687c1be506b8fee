"""The coverage tool: a tiny design with a line never reached, merging, and waivers that must be true."""

from __future__ import annotations

from pathlib import Path

import pytest
from coverage_points import Point, Waiver, merge, parse, read_waivers, waived

from penstock.ir.errors import InputError
from penstock.sim.rtl.verilator import build

DESIGN = """\
module tiny (
  input  logic       clk_i,
  input  logic [1:0] value_i,
  output logic [1:0] value_o
);
  always_ff @(posedge clk_i) begin
    if (value_i == 2'd3) value_o <= 2'd0;
    else value_o <= value_i;
  end
endmodule
"""
MAIN = """\
#include "Vtop.h"
#include "verilated.h"
#include "verilated_cov.h"
int main(int argc, char** argv) {
  VerilatedContext context;
  context.commandArgs(argc, argv);
  Vtop top{&context};
  for (int i = 0; i < 8; ++i) {
    top.value_i = i & 1;
    top.clk_i = 0;
    top.eval();
    top.clk_i = 1;
    top.eval();
  }
  context.coveragep()->write("coverage.dat");
  return 0;
}
"""


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[Point, int]:
    """What the design covers with the values 0 and 1 only."""
    import subprocess

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.sv").write_text(DESIGN, encoding="utf-8")
    (folder / "main.cpp").write_text(MAIN, encoding="utf-8")
    model = build([folder / "tiny.sv"], "tiny", folder / "main.cpp", coverage=True)
    subprocess.run([model.executable], check=True, cwd=folder)
    return parse((folder / "coverage.dat").read_text(encoding="utf-8"), ["tiny.sv"])


@pytest.mark.slow
def test_the_branch_that_is_never_taken_is_found(counts: dict[Point, int]) -> None:
    lines = {(point.line, point.what): count for point, count in counts.items() if point.kind == "line"}
    assert lines[7, "if"] == 0
    assert lines[7, "else"] == 8


@pytest.mark.slow
def test_bits_that_never_toggle_are_found(counts: dict[Point, int]) -> None:
    quiet = {point.what for point, count in counts.items() if point.kind == "toggle" and not count}
    assert quiet == {f"value_{side}[1]:{edge}" for side in "io" for edge in ("0->1", "1->0")}


POINTS = {
    Point("a.sv", 1, "toggle", "addr_o[63]:0->1"): 0,
    Point("a.sv", 1, "toggle", "addr_o[3]:0->1"): 7,
    Point("a.sv", 2, "line", "if", 5): 0,
}
TEXTS = {"a.sv": "logic addr_o;\n  if (never) x = 1;\n"}


def test_runs_are_added() -> None:
    assert merge([POINTS, POINTS])[Point("a.sv", 1, "toggle", "addr_o[3]:0->1")] == 14


def test_a_waiver_sets_aside_what_it_names() -> None:
    high = Waiver("a.sv", "toggle", "addr_o", "no memory is that large", bits=(40, 63))
    line = Waiver("a.sv", "line", "if (never) x = 1;", "the parameter is 0", edge="if")
    assert len(waived(POINTS, [high, line], TEXTS)) == 2


@pytest.mark.parametrize(
    ("waiver", "message"),
    [
        (Waiver("a.sv", "toggle", "addr_o", "covered in part"), "is covered"),
        (Waiver("a.sv", "toggle", "data_o", "there is none"), "matches nothing"),
    ],
)
def test_a_waiver_that_is_not_true_is_an_error(waiver: Waiver, message: str) -> None:
    with pytest.raises(InputError, match=message):
        waived(POINTS, [waiver], TEXTS)


def test_a_waiver_needs_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text('[[waiver]]\nfile = "a.sv"\nkind = "toggle"\nwhat = "x"\nwhy = ""\n', encoding="utf-8")
    with pytest.raises(InputError, match="reason"):
        read_waivers(path)


def test_what_is_no_coverage_file_is_refused() -> None:
    with pytest.raises(InputError, match="no coverage file"):
        parse("hello", ["a.sv"])
