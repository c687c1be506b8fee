"""The comparison with the oracle sees a broken design: each of these edits of the RTL must be noticed.

All edits are in one design, asleep; a file says which is awake, for the driver takes no plusargs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken_rules import Mutation
from mutate import KEEP_FUNCTION

from penstock.backends.verilog import Linear, emit
from penstock.ir.errors import VerifyError
from penstock.passes.quantize import quantize
from penstock.sim.cost.bitmod import BitmodArray
from penstock.sim.cost.bitmod_accel import Accelerator
from penstock.sim.rtl.simulate import simulate

PACKAGE = """\
package mutant_pkg;
  function automatic int unsigned chosen();
    int file;
    chosen = 0;
    file = $fopen("{path}", "r");
    void'($fscanf(file, "%d", chosen));
    $fclose(file);
  endfunction
  int unsigned active = chosen();
endpackage
"""
RUN = "a run of the layer"
MUTATIONS = {
    "the first leading one is not cleared": Mutation(
        "bitmod_term_decode.sv", "high_found ? fixed & ~(5'd2 << high_exp) : fixed", "fixed", RUN
    ),
    "the accumulator survives its group": Mutation(
        "bitmod_step_pkg.sv", "kept     = first ? '0 :", "kept     = (first && !{on}) ? '0 :", RUN
    ),
    "the step is not aligned to the accumulator": Mutation(
        "bitmod_step_pkg.sv",
        "drop_sum(step, larger - step_exp,",
        "drop_sum(step, {on} ? '0 & larger : larger - step_exp,",
        RUN,
    ),
    "no tile begins before the queue is empty": Mutation(
        "bitmod_sequencer.sv", "room_q >= rows_now", "room_q == CountWidth'(QueueDepth)", RUN
    ),
    "digits a place apart": Mutation("bitmod_tile.sv", "{step3_q.term, 1'b0}", "{1'b0, step3_q.term}", RUN),
}
INTEGERS = ("digits a place apart",)
"""Those that a layer of eight-bit integers shows."""


def emit_layer(folder: Path, scheme: str = "bitmod4", **element: Any) -> Path:
    """Three tiles of tokens, three of channels, two groups; subnormals among the activations."""
    random = np.random.default_rng(9)
    weights = random.standard_t(3, (5, 200)) * 0.1
    acts = random.standard_normal((5, 200)).astype(np.float16)
    acts[2, :40] = random.integers(1, 1024, 40).astype(np.uint16).view(np.float16)
    acts[2, 40:] = 0
    bias, quantized = random.standard_normal(5), quantize(weights, scheme)
    layer = Linear.of("layer", quantized, weights, bias, acts)
    return emit(folder, "mutant", [layer], Accelerator(BitmodArray(2, 2, 6, 2)), **element)


@pytest.fixture(scope="module")
def chooser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says which mutant is awake: one, so that all tests have one model."""
    return tmp_path_factory.mktemp("mutants") / "awake"


def emit_broken(folder: Path, scheme: str, chooser: Path) -> Path:
    """The layer on a design with all edits."""
    emit_layer(folder, scheme)
    for number, edit in enumerate(MUTATIONS.values(), 1):
        path = folder / "rtl" / edit.file
        # A function that is to stay one must not look at the mutant's number.
        text = KEEP_FUNCTION.sub("", path.read_text(encoding="utf-8"))
        assert text.count(edit.before) == 1, f"not once in {edit.file}: {edit.before}"
        path.write_text(text.replace(edit.before, edit.text(number)), encoding="utf-8")
    (folder / "rtl" / "mutant_pkg.sv").write_text(PACKAGE.replace("{path}", str(chooser)), encoding="utf-8")
    description = folder / "design.json"
    design = json.loads(description.read_text(encoding="utf-8"))
    design["sources"].insert(0, "rtl/mutant_pkg.sv")
    description.write_text(json.dumps(design), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_another_element_passes(tmp_path: Path) -> None:
    assert simulate(emit_layer(tmp_path / "layer", "int6", rounding="truncate", acc_width=17)).ok


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["bitmod4", "int8"])
def test_the_unchanged_design_passes(tmp_path: Path, chooser: Path, scheme: str) -> None:
    chooser.write_text("0")
    assert simulate(emit_broken(tmp_path / "layer", scheme, chooser)).ok


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_noticed(tmp_path: Path, chooser: Path, name: str) -> None:
    chooser.write_text(str(1 + list(MUTATIONS).index(name)))
    folder = emit_broken(tmp_path / "layer", "int8" if name in INTEGERS else "bitmod4", chooser)
    try:
        result = simulate(folder, max_cycles=20_000)
    except VerifyError:  # an assertion fired, or it never ends
        return
    assert not result.ok, f"{name}: {result.text()}"
