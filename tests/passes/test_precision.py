"""The pass ``precision``: what it rounds and leaves, layers and tied parameters, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.ir.bfloat16 import decode, encode
from penstock.ir.build import EinsumView, is_einsum
from penstock.ir.cascade import walk
from penstock.ir.einsum import Einsum
from penstock.ir.errors import InputError, PassError
from penstock.ir.interpreter import interpret
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module
from penstock.ir.quantized import Dequantized
from penstock.ir.steps import functions
from penstock.passes.pipeline import parse_pipeline, rounds, run_pipeline, with_options
from penstock.passes.precision import is_matrix_product, round_params
from penstock.passes.quantize.params import quantize_params
from penstock.sim.cost.module import count_groups

PARAM = 'penstock.kind = "param", penstock.name'
TIED = f"""
func.func private @layer(%x: tensor<3x8xf32>, %w: tensor<8x8xf32> {{{PARAM} = "w"}}) -> tensor<3x8xf32> {{
  %0 = "cascade.einsum"(%x, %w) {{expr = "Y[s,n] = sum[d] mul(X[s,d], W[n,d])"}}
    : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  %1 = "cascade.einsum"(%0, %w) {{expr = "Z[s,n] = add(Y[s,n], W[0,n])"}}
    : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  return %1 : tensor<3x8xf32>
}}
func.func @main(%x: tensor<3x8xf32> {{penstock.kind = "input", penstock.name = "x"}},
    %w: tensor<8x8xf32> {{{PARAM} = "0.w"}}) -> (tensor<3x8xf32> {{penstock.name = "y"}}) {{
  %0 = call @layer(%x, %w) {{penstock.instance = "0"}} : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  %1 = call @layer(%0, %w) {{penstock.instance = "1"}} : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  return %1 : tensor<3x8xf32>
}}
"""
DRAW = np.random.default_rng(0)
VALUES = {
    "x": DRAW.standard_normal((3, 8)).astype(np.float32),
    "0.w": DRAW.standard_normal((8, 8)).astype(np.float32),
}


def after(pipeline: str, text: str = TIED) -> ir.Module:
    return run_pipeline(parse_module(text), parse_pipeline(pipeline))[0]


@pytest.mark.parametrize("pipeline", ["precision", "precision,fuse,place"])
def test_a_weight_that_a_layer_also_adds_is_handed_to_it_twice(pipeline: str) -> None:
    module = after(pipeline)
    layer = functions(module)["layer"]
    assert [str(kind) for kind in layer.type.inputs] == [
        "tensor<3x8xf32>",
        "tensor<8x8xf32>",
        "tensor<8x8xbf16>",
    ]
    weight = VALUES["0.w"].astype(np.float64)
    half = decode(encode(VALUES["0.w"])).astype(np.float64)
    wanted = VALUES["x"]
    for _ in range(2):
        wanted = decode(encode(wanted)).astype(np.float64) @ half.T + weight[0]
    for given in (VALUES, round_params(module, VALUES)):
        got = interpret(module, "main", given)["y"]
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_parameters_are_rounded_once_and_tied_ones_share_their_bits() -> None:
    module = after("precision")
    arrays = round_params(module, VALUES)
    assert set(arrays) == {"x", "0.w", "0.w.bf16"}
    np.testing.assert_array_equal(arrays["0.w.bf16"], encode(VALUES["0.w"]))
    with pytest.raises(InputError, match=r"0\.w: the parameter has no value"):
        round_params(module, {"x": VALUES["x"]})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Y[s,n] = sum[d] mul(X[s,d], W[n,d])", True),
        ("Y[b,n,x] = sum[c,k] mul(A[b,c,x+k], W[n,c,k])", True),
        ("Y[n] = sum[d] mul(X[d], W[n,d])", True),
        ("Y[s] = sum[d] mul(X[s,d], X[s,d])", False),
        ("Y[s] = sum[d] mul(X[s,d], Z[s,d])", False),
        ("Y[s] = sum[d] square(X[s,d])", False),
        ("Y[s,d] = mul(X[s,d], W[d])", False),
        ("Y[s] = sum[d] mul(X[s,d], 0.5)", False),
        ("Y[s] = max[d] mul(X[s,d], W[d])", False),
    ],
)
def test_what_is_a_matrix_product(text: str, wanted: bool) -> None:
    assert is_matrix_product(Einsum.parse(text)) is wanted


def test_contractions_with_quantized_weights_are_left_alone() -> None:
    text = TIED.replace("8x8", "128x128").replace("3x8", "3x128")
    module = after("quantize{format=bitmod4},precision", text)
    elements = {
        str(ir.RankedTensorType(value.type).element_type)
        for op in walk(module.operation)
        if is_einsum(op)
        for value in EinsumView.of(op).operands
    }
    assert elements == {"f32"}


PACKED = TIED.replace("8x8", "128x128").replace("3x8", "3x128")


ONE = f"""
func.func @main(%x: tensor<3x128xf32> {{penstock.kind = "input", penstock.name = "x"}},
    %w: tensor<128x128xf32> {{{PARAM} = "w"}}) -> (tensor<3x128xf32> {{penstock.name = "y"}}) {{
  %0 = "cascade.einsum"(%x, %w) {{expr = "Y[s,n] = sum[d] mul(X[s,d], W[n,d])"}}
    : (tensor<3x128xf32>, tensor<128x128xf32>) -> tensor<3x128xf32>
  %1 = "cascade.einsum"(%0) {{expr = "Z[s,n] = gelu(Y[s,n])"}} : (tensor<3x128xf32>) -> tensor<3x128xf32>
  return %1 : tensor<3x128xf32>
}}
"""


def operands(module: ir.Module) -> dict[str, list[str]]:
    """Element types of the operands of every sum of products, by its Einsum."""
    return {
        str(view.einsum): [str(ir.RankedTensorType(value.type).element_type) for value in view.operands]
        for view in (EinsumView.of(op) for op in walk(module.operation) if is_einsum(op))
        if is_matrix_product(view.einsum)
    }


def test_tokens_of_packed_weights_are_rounded_where_they_are_asked_for() -> None:
    module = after("quantize{format=bitmod4},precision{tokens=bf16}", PACKED)
    assert operands(module) == {"Y[s,n] = sum[d] mul(X_bf16[s,d], W[n,d])": ["bf16", "f32"]}
    layer = functions(module)["layer"]
    assert [str(kind) for kind in layer.type.inputs] == ["tensor<3x128xf32>", "tensor<128x128xf32>"]
    draw = np.random.default_rng(2)
    given = {name: draw.standard_normal((n, 128), np.float32) for name, n in (("x", 3), ("0.w", 128))}
    arrays = quantize_params(module, given).arrays
    weight = Dequantized(module, arrays)["0.w"].astype(np.float64)
    wanted = given["x"]
    for _ in range(2):
        wanted = decode(encode(wanted.astype(np.float32))).astype(np.float64) @ weight.T + weight[0]
    got = interpret(module, "main", {**arrays, "x": given["x"]})["y"]
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_packed_weights_of_rounded_tokens_are_priced_as_they_are_stored() -> None:
    module = after("quantize{format=bitmod4},precision{tokens=bf16},fuse", ONE)
    (group,) = (each for each in count_groups(module, "main") if "mac" in each.operations)
    codes, tokens = 128 * 128 // 2, 3 * 128 * 2
    assert codes + tokens < group.bytes_read < codes + tokens + 128 * 16, "not 64 KiB in float32"


@pytest.mark.parametrize("form", ["int8", "bitmod4{group=64}"])
def test_tokens_of_weights_without_packed_kernels_are_left_alone(form: str) -> None:
    name, _, more = form.rstrip("}").partition("{")
    options = f"format={name}{',' * bool(more)}{more}"
    module = after(f"quantize{{{options}}},precision{{tokens=bf16}}", PACKED)
    assert list(operands(module).values()) == [["f32", "f32"]]


ATTENTION = """
func.func @main(%q: tensor<5x8xf32> {penstock.kind = "input", penstock.name = "q"},
    %k: tensor<300x8xf32> {penstock.kind = "input", penstock.name = "k"},
    %v: tensor<300x8xf32> {penstock.kind = "input", penstock.name = "v"},
    %m: tensor<5x300xi1> {penstock.kind = "input", penstock.name = "m"})
    -> (tensor<5x8xf32> {penstock.name = "y"}) {
  %0 = "cascade.einsum"(%q, %k) {expr = "QK[p,m] = sum[e] mul(Q[p,e], K[m,e])"}
    : (tensor<5x8xf32>, tensor<300x8xf32>) -> tensor<5x300xf32>
  %1 = "cascade.einsum"(%m, %0) {expr = "S[p,m] = where(M[p,m], QK[p,m], -inf)"}
    : (tensor<5x300xi1>, tensor<5x300xf32>) -> tensor<5x300xf32>
  %2 = "cascade.einsum"(%1) {expr = "GM[p] = max[m] S[p,m]"} : (tensor<5x300xf32>) -> tensor<5xf32>
  %3 = "cascade.einsum"(%1, %2) {expr = "SN[p,m] = exp_sub_left(S[p,m], GM[p])"}
    : (tensor<5x300xf32>, tensor<5xf32>) -> tensor<5x300xf32>
  %4 = "cascade.einsum"(%3) {expr = "SD[p] = sum[m] SN[p,m]"} : (tensor<5x300xf32>) -> tensor<5xf32>
  %5 = "cascade.einsum"(%3, %4) {expr = "A[p,m] = div_left(SN[p,m], SD[p])"}
    : (tensor<5x300xf32>, tensor<5xf32>) -> tensor<5x300xf32>
  %6 = "cascade.einsum"(%5, %v) {expr = "Y[p,f] = sum[m] mul(A[p,m], V[m,f])"}
    : (tensor<5x300xf32>, tensor<300x8xf32>) -> tensor<5x8xf32>
  return %6 : tensor<5x8xf32>
}
"""


def test_attention_keeps_its_one_pass_form_and_rows_that_see_nothing_stay_zero() -> None:
    draw = np.random.default_rng(1)
    given: dict[str, np.ndarray] = {
        name: draw.standard_normal((n, 8)) for name, n in (("q", 5), ("k", 300), ("v", 300))
    }
    seen = draw.random((5, 300)) < 0.5
    seen[2], seen[3, 1:], seen[4, :200] = False, False, False
    given["m"] = seen
    exact = interpret(parse_module(ATTENTION), "main", given)["y"]
    module = after("precision,fuse,place", ATTENTION)
    assert any(op.name == "cascade.iterate" for op in walk(module.operation))
    got = interpret(module, "main", given)["y"]
    assert not exact[2].any()
    assert not got[2].any()
    difference = np.linalg.norm(got - exact) / np.linalg.norm(exact)
    assert 1e-4 < difference < 1e-2, "rounded, and no more than that"


def test_the_pass_says_what_it_takes() -> None:
    with pytest.raises(PassError, match=r"contractions in 'f8'.*accepted: bf16"):
        after("precision{contract=f8}")
    with pytest.raises(PassError, match=r"tokens in 'f16'.*accepted: f32, bf16"):
        after("precision{tokens=f16}")
    with pytest.raises(PassError, match=r"fused already.*relabel,simplify,precision,fuse,place"):
        after("fuse,precision")


def test_precision_comes_after_quantize_and_before_fuse() -> None:
    text = with_options(None, "bitmod4", "bf16")
    assert "precision{contract=bf16,tokens=bf16}" in str(with_options(None, "bitmod4", "bf16", (), "bf16"))
    assert "tokens" not in str(with_options(None, None, "bf16", (), "bf16"))
    assert text == "relabel,simplify,quantize{format=bitmod4},precision{contract=bf16},fuse,place"
    assert rounds(parse_pipeline(text)) == "bf16"
    assert with_options(None) is None
    assert rounds(parse_pipeline(None)) == "fp32"
    with pytest.raises(InputError, match=r"no precision 'fp8'.*fp32, bf16"):
        with_options(None, precision="fp8")
    with pytest.raises(InputError, match=r"both a pipeline and --precision.*precision\{contract=bf16\}"):
        with_options("fuse", precision="bf16")
