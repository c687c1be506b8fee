"""Emitting a layer: what the directory holds, its images, and that a refusal leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.backends.verilog import emit
from penstock.backends.verilog.images import activation_words, hex_image, special_terms, weight_words
from penstock.ir.bitmod_format import BitmodWeights, Mode
from penstock.ir.errors import BundleError, InputError
from penstock.passes.quantize import quantize
from penstock.sim.cost.bitmod import BitmodArray, linear_cycles
from penstock.sim.rtl.bitmod import LinearDesign
from penstock.sim.rtl.verilator import lint

LAYER = "encoder.layer.0.attention.self.query"
WEIGHTS = np.random.default_rng(0).standard_normal((19, 300)).astype(np.float32)
BIAS = np.random.default_rng(1).standard_normal(19).astype(np.float32)
ACTS = np.random.default_rng(2).standard_normal((5, 300)).astype(np.float16)


def emit_layer(folder: Path, **changed: Any) -> Path:
    operands = {
        "quantized": quantize(WEIGHTS),
        "weights": WEIGHTS,
        "bias": BIAS,
        "activations": ACTS,
        **changed,
    }
    return emit(folder, LAYER, **operands)


def test_the_directory_is_complete_and_says_what_it_is(tmp_path: Path) -> None:
    folder = emit_layer(tmp_path / "layer")
    described = json.loads((folder / "design.json").read_text(encoding="utf-8"))
    assert described["shape"] == {"tokens": 5, "channels": 19, "inputs": 300}
    assert described["cycles"]["total"] == linear_cycles(BitmodArray(8, 8, 8, 3), 5, 19, 300).total
    names = [*described["sources"], *described["properties"]]
    names += [described[key] for key in ("driver", "weights", "activations", "operands", "trace")]
    assert all((folder / name).is_file() for name in names)
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert present == {*names, "design.json", "README.md"}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert LAYER in readme
    assert all(str(number) in readme for number in (5, 19, 300, described["cycles"]["total"]))


def test_the_top_is_named_after_the_layer_and_lint_clean(tmp_path: Path) -> None:
    folder = emit_layer(tmp_path / "layer")
    design = LinearDesign.load(folder)
    assert design.top == "encoder_layer_0_attention_self_query_top"
    top = (folder / "rtl" / f"{design.top}.sv").read_text(encoding="utf-8")
    assert top.startswith(f"// {LAYER}: Out[t, n] = sum[d] mul(X[t, d], W[n, d]) + bias[n]")
    assert "@" not in top
    lint(design.sources(traced=False), design.top)


@pytest.mark.parametrize("cols", [1, 2, 3])
def test_narrow_tops_are_lint_clean_too(tmp_path: Path, cols: int) -> None:
    design = LinearDesign.load(emit_layer(tmp_path / "layer", rows=1, cols=cols))
    lint(design.sources(traced=False), design.top)


def decode(words: list[int], channels: int, groups: int, mode: Mode) -> tuple[np.ndarray, ...]:
    """Weights back from their stream, from the words' stated format alone."""
    stream = iter(words)
    codes = np.zeros((channels, groups, 128), int)
    special, scale = np.zeros((channels, groups), int), np.zeros((channels, groups), int)
    bias, channel_scale = np.zeros(channels, np.uint32), np.zeros(channels, np.uint32)
    for n in range(channels):
        head = next(stream)
        bias[n], channel_scale[n] = head >> 32, head & 0xFFFFFFFF
        for g in range(groups):
            for word in range(8):
                value = next(stream)
                codes[n, g, 16 * word : 16 * word + 16] = [value >> 4 * lane & 15 for lane in range(16)]
            bits = mode.bits - 4
            count = 64 // bits if bits else 0
            for word in range(2 * bits):
                value = next(stream)
                high = [value >> bits * lane & (1 << bits) - 1 for lane in range(count)]
                codes[n, g, count * word : count * (word + 1)] += np.array(high) << 4
            value = next(stream)
            special[n, g], scale[n, g] = value >> 7, value & 127
    assert next(stream, None) is None
    return codes, special, scale, bias.view(np.float32), channel_scale.view(np.float32)


@pytest.mark.parametrize("scheme", ["bitmod4", "int8", "int6", "int5"])
def test_the_weight_image_holds_the_weights(scheme: str) -> None:
    quantized = quantize(WEIGHTS, scheme)
    lines = hex_image(weight_words(quantized, BIAS), ("heading",)).splitlines()
    assert lines[0] == "// heading"
    codes, special, scale, bias, channel_scale = decode(
        [int(line, 16) for line in lines[1:]], 19, 3, quantized.format.mode
    )
    np.testing.assert_array_equal(codes, quantized.codes)
    np.testing.assert_array_equal(special, quantized.special)
    np.testing.assert_array_equal(scale, quantized.group_scale)
    np.testing.assert_array_equal(bias, BIAS)
    np.testing.assert_array_equal(channel_scale, quantized.channel_scale)


@pytest.mark.parametrize(
    ("scheme", "mode", "said"),
    [("int8", "ModeInt8", "high four"), ("int6", "ModeInt6", "high two"), ("int5", "ModeInt6", "high two")],
)
def test_layers_of_integers_say_so_and_are_lint_clean(
    tmp_path: Path, scheme: str, mode: str, said: str
) -> None:
    folder = emit_layer(tmp_path / "layer", quantized=quantize(WEIGHTS, scheme), rounding="truncate", cols=2)
    design = LinearDesign.load(folder)
    top = (folder / "rtl" / f"{design.top}.sv").read_text(encoding="utf-8")
    assert f"bitmod_pkg::{mode}" in top
    assert ".Truncate (1'b1)" in top
    assert said in (folder / "README.md").read_text(encoding="utf-8")
    assert design.weights.format.name == scheme
    lint(design.sources(traced=False), design.top)


def test_the_activation_image_pads_each_token_to_whole_groups() -> None:
    words = activation_words(ACTS, 3)
    back = words.astype("<u8").view("<f2").reshape(5, 384)
    np.testing.assert_array_equal(back[:, :300], ACTS)
    assert not back[:, 300:].any()


def test_special_values_go_in_as_terms() -> None:
    # +5 = 2·2² + 2¹, −5, +8 = 2·2³, −8: sign, present, exponent of both terms.
    assert special_terms(quantize(WEIGHTS)) == 0xF0_70_ED_65


def test_long_layers_run_in_chunks_that_fit_the_activation_buffer(tmp_path: Path) -> None:
    acts = np.zeros((700, 300), np.float16)
    design = LinearDesign.load(emit_layer(tmp_path / "layer", activations=acts))
    assert design.array.max_tokens == 680
    assert design.weight_passes == 2


def test_floats_beyond_half_precision_become_infinities(tmp_path: Path) -> None:
    design = LinearDesign.load(emit_layer(tmp_path / "layer", activations=np.full((1, 300), 1e6)))
    assert np.isinf(design.operands["activations"]).all()


def quantized_like(shape: tuple[int, int]) -> BitmodWeights:
    return quantize(np.ones(shape))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"activations": ACTS[:, :299]}, "activations of shape"),
        ({"activations": ACTS[:0]}, "T at least 1"),
        ({"bias": BIAS[:3]}, "bias of shape"),
        ({"quantized": quantized_like((19, 299))}, "were not quantized"),
        ({"rows": 45}, "1..44 rows"),
        ({"cols": 0}, "1..64 columns"),
        ({"acc_width": 19}, "12..18"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        emit_layer(tmp_path / "layer", **changed)
    assert not list(tmp_path.iterdir())


def test_inputs_too_long_for_the_activation_buffer_are_refused(tmp_path: Path) -> None:
    inputs = 40_000
    wide = np.ones((1, inputs), np.float32)
    with pytest.raises(InputError, match="activation buffer"):
        emit(tmp_path / "layer", "wide", quantize(wide), wide, None, wide)


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "layer"
    folder.mkdir()
    (folder / "mine").write_text("keep", encoding="utf-8")
    with pytest.raises(BundleError, match="new or empty"):
        emit_layer(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["layer", "mine"]
