"""The pass ``quantize``: which parameters it marks, what marks say, and that the interpreter honours them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.ir.errors import InputError, PassError
from penstock.ir.interpreter import interpret
from penstock.ir.mlir import ir
from penstock.ir.module import context, parse_module, print_module
from penstock.ir.quantized import QUANTIZED, Dequantized, Quantization, mark_of, quantized_params
from penstock.ir.steps import functions
from penstock.passes.pipeline import DEFAULT, parse_pipeline, run_pipeline, with_options
from penstock.passes.quantize import fake_quantize
from penstock.passes.quantize.mark import contracted, mark
from penstock.passes.quantize.mixed import mix
from penstock.passes.quantize.params import quantize_params

KIND = 'penstock.kind = "param", penstock.name'
TEXT = f"""
func.func private @layer(%x: tensor<3x160xf32>, %w: tensor<160x160xf32> {{{KIND} = "w"}},
    %b: tensor<160xf32> {{{KIND} = "b"}}) -> tensor<3x160xf32> {{
  %0 = "cascade.einsum"(%x, %w) {{expr = "Y[s,n] = sum[d] mul(X[s,d], W[n,d])"}}
    : (tensor<3x160xf32>, tensor<160x160xf32>) -> tensor<3x160xf32>
  %1 = "cascade.einsum"(%0, %b) {{expr = "Z[s,n] = add(Y[s,n], B[n])"}}
    : (tensor<3x160xf32>, tensor<160xf32>) -> tensor<3x160xf32>
  return %1 : tensor<3x160xf32>
}}
func.func @main(%x: tensor<3x160xf32> {{penstock.kind = "input", penstock.name = "x"}},
    %p: tensor<3x160xf32> {{{KIND} = "positions"}},
    %w0: tensor<160x160xf32> {{{KIND} = "layers.0.w"}}, %b0: tensor<160xf32> {{{KIND} = "layers.0.b"}},
    %w1: tensor<160x160xf32> {{{KIND} = "layers.1.w"}}, %b1: tensor<160xf32> {{{KIND} = "layers.1.b"}},
    %h: tensor<160x24xf32> {{{KIND} = "head"}}) -> (tensor<3x24xf32> {{penstock.name = "y"}}) {{
  %0 = "cascade.einsum"(%x, %p) {{expr = "E[s,d] = add(X[s,d], P[s,d])"}}
    : (tensor<3x160xf32>, tensor<3x160xf32>) -> tensor<3x160xf32>
  %1 = call @layer(%0, %w0, %b0) {{penstock.instance = "layers.0"}}
    : (tensor<3x160xf32>, tensor<160x160xf32>, tensor<160xf32>) -> tensor<3x160xf32>
  %2 = call @layer(%1, %w1, %b1) {{penstock.instance = "layers.1"}}
    : (tensor<3x160xf32>, tensor<160x160xf32>, tensor<160xf32>) -> tensor<3x160xf32>
  %3 = "cascade.einsum"(%2, %h) {{expr = "Q[s,n] = sum[d] mul(Z[s,d], H[d,n])"}}
    : (tensor<3x160xf32>, tensor<160x24xf32>) -> tensor<3x24xf32>
  return %3 : tensor<3x24xf32>
}}
"""
SHAPES = {"positions": (3, 160), "head": (160, 24)}
for layer in (0, 1):
    SHAPES |= {f"layers.{layer}.w": (160, 160), f"layers.{layer}.b": (160,)}


def after(pipeline: str, text: str = TEXT) -> ir.Module:
    """The module after passes; its text read back is itself after each."""

    def check(name: str, module: ir.Module) -> None:
        printed = print_module(module)
        assert print_module(parse_module(printed)) == printed, f"after {name}"

    return run_pipeline(parse_module(text), parse_pipeline(pipeline), check)[0]


@pytest.fixture
def params() -> dict[str, NDArray]:
    draw = np.random.default_rng(0)
    return {name: (draw.standard_normal(shape) * 0.1).astype(np.float32) for name, shape in SHAPES.items()}


def marks(module: ir.Module) -> dict[str, Quantization]:
    return {name: found for name, found, _ in quantized_params(module)}


def test_weights_of_contractions_are_marked_and_nothing_else() -> None:
    module = after("quantize{format=bitmod3}")
    weight = Quantization("bitmod3", 128, 8, (0,))
    assert marks(module) == {
        "layers.0.w": weight,
        "layers.1.w": weight,
        "head": Quantization("bitmod3", 128, 8, (1,)),
    }


def test_a_layer_is_marked_where_all_its_calls_agree() -> None:
    module = after("quantize")
    layer = functions(module)["layer"]
    assert mark_of(layer, 1) == Quantization("bitmod4", 128, 8, (0,))
    assert mark_of(layer, 0) is None
    assert mark_of(layer, 2) is None
    mixed = parse_module(TEXT)
    mark(mixed, {"layers.0.w": Quantization("int8", 128, 8, (0,))})
    assert mark_of(functions(mixed)["layer"], 1) is None
    assert list(marks(mixed)) == ["layers.0.w"]


def test_the_mark_reads_as_written() -> None:
    printed = print_module(after("quantize{format=int4-asym,group=32,scale_bits=32}"))
    said = 'bits = 4 : i64, channels = [0], format = "int4-asym", group = 32 : i64, scale_bits = 32 : i64'
    assert f"penstock.quantized = {{{said}}}" in printed


@pytest.mark.parametrize("pipeline", ["quantize,relabel,simplify,fuse,place", with_options(None, "bitmod4")])
def test_marks_survive_the_other_passes(pipeline: str) -> None:
    assert list(marks(after(pipeline))) == ["layers.0.w", "layers.1.w", "head"]


def test_the_default_pipeline_quantizes_before_it_fuses() -> None:
    assert str(with_options(None, "int8")).split(",") == [
        "relabel",
        "simplify",
        "quantize{format=int8}",
        "fuse",
        "place",
    ]
    assert "quantize" not in DEFAULT
    with pytest.raises(InputError, match="int7"):
        with_options(None, "int7")


@pytest.mark.parametrize("name", ["bitmod4", "int4-asym", "olive4", "mxfp4", "nvfp4"])
@pytest.mark.parametrize("stage", ["", ",relabel,simplify,fuse,place"])
def test_the_interpreter_computes_with_what_the_codes_stand_for(
    params: dict[str, NDArray], name: str, stage: str
) -> None:
    module = after(f"quantize{{format={name}}}{stage}")
    stored = dict(quantize_params(module, params).arrays)
    assert "layers.0.w" not in stored
    x = np.random.default_rng(1).standard_normal((3, 160))
    got = interpret(module, "main", {"x": x, **stored})["y"]
    values = dict(params)
    bits = None if name in ("mxfp4", "nvfp4") else 8
    for each in ("layers.0.w", "layers.1.w"):
        values[each] = fake_quantize(params[each], name, scale_bits=bits).dequantize().astype(np.float32)
    values["head"] = fake_quantize(params["head"].T, name, scale_bits=bits).dequantize().T.astype(np.float32)
    expected = interpret(parse_module(TEXT), "main", {"x": x, **values})["y"]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    plain = interpret(parse_module(TEXT), "main", {"x": x, **params})["y"]
    assert 0.01 < np.linalg.norm(got - plain) / np.linalg.norm(plain) < 0.5


def test_a_kernel_of_several_axes_is_one_row_a_channel() -> None:
    text = f"""
func.func @main(%x: tensor<1x8x6x6xf32> {{penstock.kind = "input", penstock.name = "x"}},
    %w: tensor<4x8x3x3xf32> {{{KIND} = "w"}}) -> (tensor<1x4x6x6xf32> {{penstock.name = "y"}}) {{
  %0 = "cascade.einsum"(%x, %w)
    {{expr = "Y[n,k,h,w] = sum[c,r,s] mul(X[n,c,h+r-1,w+s-1], W[k,c,r,s])"}}
    : (tensor<1x8x6x6xf32>, tensor<4x8x3x3xf32>) -> tensor<1x4x6x6xf32>
  return %0 : tensor<1x4x6x6xf32>
}}
"""
    module = after("quantize{format=int8}", text)
    weights = np.random.default_rng(2).standard_normal((4, 8, 3, 3)).astype(np.float32)
    stored = quantize_params(module, {"w": weights}).arrays
    assert stored["w.codes"].shape == (4, 1, 128)  # eight bits each
    got = Dequantized(module, stored)["w"]
    expected = fake_quantize(weights.reshape(4, 72), "int8", scale_bits=8).dequantize()
    np.testing.assert_array_equal(got, expected.astype(np.float32).reshape(4, 8, 3, 3))


def test_tied_parameters_share_their_codes(params: dict[str, NDArray]) -> None:
    module = after("quantize")
    params["layers.1.w"] = params["layers.0.w"]
    found = quantize_params(module, params)
    assert found.arrays["layers.0.w.codes"] is found.arrays["layers.1.w.codes"]
    values = Dequantized(module, found.arrays)
    assert values["layers.0.w"] is values["layers.1.w"]
    assert found.to_json()["quantized"]["formats"]["head"] == "bitmod4"
    assert found.bits_per_weight == pytest.approx(4.078, abs=1e-3)


@pytest.mark.parametrize("stage", ["", ",relabel,simplify,fuse,place"])
def test_formats_by_parameter_keep_to_the_average(params: dict[str, NDArray], stage: str) -> None:
    module = after(f"quantize{stage}")
    found = mix(module, params, 5.5)
    assert len(set(found.formats.values())) > 1
    assert {name: each.format for name, each in marks(module).items()} == found.formats
    stored = quantize_params(module, params)
    assert stored.bits_per_weight == pytest.approx(found.bits_per_weight)
    assert found.bits_per_weight <= 5.5
    same = found.formats["layers.0.w"] == found.formats["layers.1.w"]
    assert (mark_of(functions(module)["layer"], 1) is not None) == same


def test_tied_parameters_are_given_one_format(params: dict[str, NDArray]) -> None:
    module = after("quantize")
    params["layers.1.w"] = params["layers.0.w"]
    found = mix(module, params, 4.2)
    assert list(found.formats) == ["layers.0.w", "head"]
    assert marks(module)["layers.1.w"] == marks(module)["layers.0.w"]
    del params["head"]
    with pytest.raises(InputError, match=r"head: .*no value"):
        mix(module, params, 4.2)


def test_an_unquantized_module_keeps_its_parameters(params: dict[str, NDArray]) -> None:
    found = quantize_params(parse_module(TEXT), params)
    assert found.arrays == params
    assert found.to_json() == {}


def test_codes_that_are_missing_or_corrupt_are_named(params: dict[str, NDArray]) -> None:
    module = after("quantize")
    x = np.zeros((3, 160))
    with pytest.raises(InputError, match=r"layers\.0\.w: no codes, variant, scale stored"):
        interpret(module, "main", {"x": x, **params})
    stored = dict(quantize_params(module, params).arrays)
    wrong = {
        "corrupt": {"head.variant": stored["head.variant"] | 4},
        "shape": {"head.codes": stored["head.codes"][:, :, :63]},
        "one a group": {"head.variant": stored["head.variant"][:1]},
        "no scale": {"head.scale": None},
    }
    for message, change in wrong.items():
        arrays = {name: array for name, array in {**stored, **change}.items() if array is not None}
        with pytest.raises(InputError, match=f"head: .*{message}"):
            Dequantized(module, arrays)["head"]


def test_values_that_cannot_be_quantized_name_their_parameter(params: dict[str, NDArray]) -> None:
    module = after("quantize")
    params["layers.1.w"][3, 7] = np.nan
    with pytest.raises(InputError, match=r"layers\.1\.w: .*NaN"):
        quantize_params(module, params)
    del params["layers.1.w"]
    with pytest.raises(InputError, match=r"layers\.1\.w: .*no value"):
        quantize_params(module, params)


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("quantize{format=int7}", "no number format 'int7'.*bitmod4"),
        ("quantize{group=-1}", "groups of -1"),
        ("quantize{format=mxfp4,group=128}", "groups of 128.*32"),
        ("quantize{scale_bits=4}", "scales of 4 bits.*8, 32"),
        ("quantize{format=nvfp4,scale_bits=32}", "scales of 32 bits"),
        ("relabel,simplify,fuse,quantize", "fused already"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(pipeline: str, message: str) -> None:
    with pytest.raises(PassError, match=message):
        after(pipeline)


def test_a_module_without_weights_is_refused() -> None:
    text = TEXT.replace('penstock.kind = "param"', 'penstock.kind = "input"')
    assert contracted(parse_module(text)) == {}
    with pytest.raises(PassError, match="no contraction reads a parameter"):
        after("quantize", text)
    with pytest.raises(PassError, match="no parameter 'tail'"):
        mark(parse_module(TEXT), {"tail": Quantization("int8", 128, 8, (0,))})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{}", "is no quantization"),
        ('"bitmod4"', "is no quantization"),
        (
            '{bits = 3 : i64, channels = [0], format = "int4", group = 8 : i64, scale_bits = 8 : i64}',
            "3 bits",
        ),
        (
            '{bits = 3 : i64, channels = [0], format = "x", group = 8 : i64, scale_bits = 8 : i64}',
            "format 'x'",
        ),
    ],
)
def test_marks_that_say_nothing_are_refused(said: str, message: str) -> None:
    with context():
        mark = ir.Attribute.parse(said)
        with pytest.raises(InputError, match=message):
            Quantization.of(mark)
        good = Quantization("int4", 32, 32, (0, 2))
        assert Quantization.of(good.attribute()) == good
    assert QUANTIZED.startswith("penstock.")
