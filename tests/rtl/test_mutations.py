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
    "no tile begins before the queue is empty": (
        "bitmod_sequencer.sv",
        "room_q >= rows_now",
        "room_q == CountWidth'(QueueDepth)",
    ),
}

# The same of a layer of eight-bit integers.
INTEGER_MUTATIONS: dict[str, tuple[str, str, str]] = {
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
