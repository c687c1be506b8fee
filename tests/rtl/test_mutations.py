"""The comparison with the oracle sees a broken design: each of these edits of the RTL must be noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.backends.verilog import Linear, emit
from penstock.ir.errors import VerifyError
from penstock.passes.quantize import quantize
from penstock.sim.cost.bitmod import BitmodArray
from penstock.sim.cost.bitmod_accel import Accelerator
from penstock.sim.rtl.simulate import simulate

# What breaks → file, text, text in its place.
MUTATIONS: dict[str, tuple[str, str, str]] = {
    "the first leading one is not cleared": (
        "bitmod_term_decode.sv",
        "high_found ? fixed & ~(5'd2 << high_exp) : fixed",
        "fixed",
    ),
    "ties away from even": (
        "bitmod_step_pkg.sv",
        "(AlignWidth + 1)'(odd & mask[0])",
        "(AlignWidth + 1)'(1'b0 & odd & mask[0])",
    ),
    "subnormals with exponent 0": ("fp16_unpack.sv", ": 5'd1", ": 5'd0"),
    "the accumulator survives its group": (
        "bitmod_step_pkg.sv",
        "kept     = first ? '0 :",
        "kept     = 1'b0 & first ? '0 :",
    ),
    "the step is not aligned to the accumulator": (
        "bitmod_step_pkg.sv",
        "drop_sum(step, larger - step_exp,",
        "drop_sum(step, '0 & larger,",
    ),
    "terms in the wrong order": (
        "bitmod_term_generate.sv",
        "term_i[0] ? decoded.high",
        "~term_i[0] ? decoded.high",
    ),
    "totals of the tile before": (
        "bitmod_column.sv",
        "total_clear_i ? 32'd0",
        "1'b0 & total_clear_i ? 32'd0",
    ),
    "no tile begins before the queue is empty": (
        "bitmod_sequencer.sv",
        "room_q >= rows_now",
        "room_q == CountWidth'(QueueDepth)",
    ),
    "the other half of the weights": (
        "bitmod_weight_buffer.sv",
        "(front_q ? GroupAddr",
        "(~front_q ? GroupAddr",
    ),
}

# The same of a layer of eight-bit integers.
INTEGER_MUTATIONS: dict[str, tuple[str, str, str]] = {
    "a term too few": ("bitmod_sequencer.sv", "slice_end ? mode_i :", "slice_end ? mode_i - 2'd1 :"),
    "the high bits of another slice": (
        "bitmod_weight_bank.sv",
        "high_slices[slice_q[SliceWidth-4:0]]",
        "high_slices[~slice_q[SliceWidth-4:0]]",
    ),
    "digits a place apart": ("bitmod_tile.sv", "{step3_q.term, 1'b0};", "{1'b0, step3_q.term};"),
}


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "element"), [("bitmod4", {}), ("int6", {"rounding": "truncate", "acc_width": 17})]
)
def test_the_unchanged_design_passes(tmp_path: Path, scheme: str, element: dict[str, Any]) -> None:
    assert simulate(emit_layer(tmp_path / "layer", scheme, **element)).ok


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MUTATIONS, *INTEGER_MUTATIONS])
def test_a_mutation_is_noticed(tmp_path: Path, name: str) -> None:
    file, before, after = {**MUTATIONS, **INTEGER_MUTATIONS}[name]
    folder = emit_layer(tmp_path / "layer", "bitmod4" if name in MUTATIONS else "int8")
    text = (folder / "rtl" / file).read_text(encoding="utf-8")
    assert text.count(before) == 1, f"the text to change is not in {file} once"
    (folder / "rtl" / file).write_text(text.replace(before, after), encoding="utf-8")
    try:
        result = simulate(folder, max_cycles=20_000)
    except VerifyError:  # an assertion fired, or it never ends
        return
    assert not result.ok, f"{name}: {result.text()}"
