"""Stand-ins for modules whose code a simulation makes once, and the order of packages they need."""

from __future__ import annotations

import re

import pytest

from penstock import rtl
from penstock.ir.errors import InputError
from penstock.sim.rtl.shared import Shared

SOURCE = """// Holds its kind.
module thing #(
  parameter  int unsigned Kind = 0,
  localparam int unsigned Width = 8
) (
  input  logic             clk_i,
  output logic [Width-1:0] out_o
);

  assign out_o = Width'(Kind);

endmodule
"""


def test_a_stand_in_has_the_header_and_holds_each_variant() -> None:
    text = Shared("thing", ({"Kind": 0}, {"Kind": 2})).stand_in(SOURCE)
    assert text.startswith(SOURCE[SOURCE.index("module") : SOURCE.index(");\n\n") + 3])
    assert re.findall(r"if \((.*)\) begin", text) == ["Kind == 0", "Kind == 2"]
    assert "thing_variant0 i_variant (.*);" in text
    assert "thing_variant1 i_variant (.*);" in text
    assert '$error("thing: no such variant")' in text
    assert "assign" not in text


def test_a_module_without_variants_is_held_as_it_is() -> None:
    assert "if (1) begin" in Shared("thing").stand_in(SOURCE)


def test_a_source_without_the_module_is_refused() -> None:
    with pytest.raises(InputError, match="no header of module other"):
        Shared("other").stand_in(SOURCE)


def test_packages_stand_behind_those_they_name_and_before_all_modules() -> None:
    names = list(rtl.sources("common", "sn40l"))
    packages = [name for name in names if name.endswith("_pkg.sv")]
    assert names[: len(packages)] == packages
    for name, text in rtl.sources("common", "sn40l").items():
        for used in re.findall(r"\b(\w+_pkg)::", re.sub("//.*", "", text)):
            if f"{used}.sv" != name and name.endswith("_pkg.sv"):
                assert names.index(f"{used}.sv") < names.index(name)
