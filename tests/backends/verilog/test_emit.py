"""Emitting layers: what the directory holds, its memory image, and that a refusal leaves nothing behind."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.backends.verilog import Linear, emit
from penstock.backends.verilog.images import activation_words, hex_image, weight_words
from penstock.ir.bitmod_format import BitmodWeights, Mode
from penstock.ir.errors import BundleError, InputError
from penstock.passes.quantize import quantize
from penstock.sim.cost.bitmod import BitmodArray
from penstock.sim.cost.bitmod_accel import Accelerator, chain_cycles
from penstock.sim.rtl.bitmod import ChainDesign
from penstock.sim.rtl.verilator import lint

NAME = "encoder.layer.0"
ACCELERATOR = Accelerator(BitmodArray(8, 8, 16, 3), 16, 64)
WEIGHTS = np.random.default_rng(0).standard_normal((19, 300)).astype(np.float32)
BIAS = np.random.default_rng(1).standard_normal(19).astype(np.float32)
ACTS = np.random.default_rng(2).standard_normal((5, 300)).astype(np.float16)


def linear(name: str = "query", **changed: Any) -> Linear:
    operands = {
        "quantized": quantize(WEIGHTS),
        "weights": WEIGHTS,
        "bias": BIAS,
        "activations": ACTS,
        **changed,
    }
    return Linear.of(name, **operands)


def two_layers() -> list[Linear]:
    other = WEIGHTS[:3, :129]
    acts = np.ones((21, 129), np.float16)
    return [linear(), Linear.of("value", quantize(other, "int6"), other, None, acts)]


def emit_layers(folder: Path, linears: list[Linear] | None = None, **changed: Any) -> Path:
    options = {"accelerator": ACCELERATOR, **changed}
    return emit(folder, NAME, two_layers() if linears is None else linears, **options)


def test_the_directory_is_complete_and_says_what_it_is(tmp_path: Path) -> None:
    folder = emit_layers(tmp_path / "block")
    described = json.loads((folder / "design.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in described["layers"]] == ["query", "value"]
    design = ChainDesign.load(folder)
    wanted = chain_cycles(ACCELERATOR, design.layers, latency=80, base=described["memory"]["base"])
    assert described["cycles"]["total"] == wanted.total
    names = [*described["sources"], *described["properties"], described["memory"]["image"]]
    names += [described[key] for key in ("driver", "operands", "trace")]
    assert all((folder / name).is_file() for name in names)
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert present == {*names, "design.json", "README.md"}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    told = (NAME, "5 × 19 × 300", "21 × 3 × 129", "int6", f"{wanted.total}", f"0x{design.memory['end']:x}")
    assert all(text in readme for text in told)


@pytest.mark.parametrize(
    "array", [BitmodArray(8, 8, 16, 3), BitmodArray(1, 1, 1, 3), BitmodArray(2, 3, 8, 3, 2, 2, 8)], ids=str
)
def test_the_top_is_named_after_the_part_and_lint_clean(tmp_path: Path, array: BitmodArray) -> None:
    accelerator = Accelerator(array, 16, 64)
    design = ChainDesign.load(emit_layers(tmp_path / "block", accelerator=accelerator, rounding="truncate"))
    assert design.top == "encoder_layer_0_top"
    top = (design.folder / "rtl" / f"{design.top}.sv").read_text(encoding="utf-8")
    assert top.startswith(f"// {NAME}: 2 linear layers, Out[t, n] = sum[d] mul(X[t, d], W[n, d]) + bias[n]")
    assert "@" not in top
    assert ".Truncate  (1'b1)" in top
    lint(design.sources(traced=False), design.top)


def test_descriptors_lead_to_the_operands(tmp_path: Path) -> None:
    """Read back from the image by the format that docs/verilog.md states."""
    linears = two_layers()
    design = ChainDesign.load(emit_layers(tmp_path / "block", linears))
    base, image = design.memory["base"], Path(design.image()).read_bytes()
    free = design.memory["results"]
    for number, each in enumerate(linears):
        found = struct.unpack("<QQQHHHBBI", image[64 * number :][:36])
        weights, acts, results, tokens, channels, groups, mode, flags, specials = found
        assert not any(image[64 * number + 36 : 64 * number + 64])
        assert (tokens, channels) == (len(each.activations), each.quantized.channels)
        assert (groups, flags) == (each.quantized.groups, 0)
        assert (mode, specials) == (each.quantized.format.mode, each.quantized.format.special_terms)
        words = weight_words(each.quantized, each.bias).astype("<u8").tobytes()
        assert image[weights - base :][: len(words)] == words
        words = activation_words(each.activations, groups).astype("<u8").tobytes()
        assert image[acts - base :][: len(words)] == words
        assert weights % 64 == acts % 64 == results % 64 == 0
        assert results == free
        free += -(-4 * tokens * channels // 64) * 64
    assert free == design.memory["end"]
    assert base + len(image) == design.memory["results"]


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


def test_the_activation_image_pads_each_token_to_whole_groups() -> None:
    words = activation_words(ACTS, 3)
    back = words.astype("<u8").view("<f2").reshape(5, 384)
    np.testing.assert_array_equal(back[:, :300], ACTS)
    assert not back[:, 300:].any()


def test_special_values_go_in_as_terms() -> None:
    # +5 = 2·2² + 2¹, −5, +8 = 2·2³, −8: sign, present, exponent of both terms.
    assert quantize(WEIGHTS).format.special_terms == 0xF0_70_ED_65


def test_floats_beyond_half_precision_become_infinities() -> None:
    assert np.isinf(linear(activations=np.full((1, 300), 1e6)).activations).all()


def quantized_like(shape: tuple[int, int]) -> BitmodWeights:
    return quantize(np.ones(shape))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"activations": ACTS[:, :299]}, "activations of shape"),
        ({"activations": ACTS[:0]}, "T at least 1"),
        ({"bias": BIAS[:3]}, "bias of shape"),
        ({"quantized": quantized_like((19, 299))}, "were not quantized"),
        ({"activations": np.zeros((65536, 300), np.float16)}, "less than 65536"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_operands_that_do_not_fit_together_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        linear(**changed)
    assert refused.value.where == "query"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"accelerator": Accelerator(BitmodArray(8, 8, 8, 3), 64, 16)}, "fit the queues"),
        ({"acc_width": 19}, "12..18"),
        ({"linears": []}, "at least one"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_accelerators_that_cannot_be_built_are_refused(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        emit_layers(tmp_path / "block", **changed)
    assert not list(tmp_path.iterdir())


def test_a_layer_beyond_the_buffers_is_named_with_what_would_fit(tmp_path: Path) -> None:
    wide = np.ones((1, 385), np.float32)
    linears = [*two_layers(), Linear.of("wide", quantize(wide), wide, None, wide)]
    with pytest.raises(InputError, match="4 groups") as refused:
        emit_layers(tmp_path / "block", linears)
    assert refused.value.where == "wide"
    assert "at most 384 inputs" in str(refused.value.accepted)
    assert not list(tmp_path.iterdir())


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "block"
    folder.mkdir()
    (folder / "mine").write_text("keep", encoding="utf-8")
    with pytest.raises(BundleError, match="new or empty"):
        emit_layers(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["block", "mine"]
