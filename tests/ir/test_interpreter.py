"""The interpreter gives what the definitions say, checked against PyTorch in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from penstock.ir.errors import InputError
from penstock.ir.interpreter import interpret
from penstock.ir.module import parse_module, print_module

RUNNING_SOFTMAX = """
func.func @main(%q: tensor<4x8xf32> {{penstock.name = "q"}}, %k: tensor<{M}x8xf32> {{penstock.name = "k"}},
                %v: tensor<{M}x5xf32> {{penstock.name = "v"}}) -> (tensor<4x5xf32> {{penstock.name = "y"}}) {{
  %rm = "cascade.einsum"() {{expr = "RM[p] = -inf"}} : () -> tensor<4xf32>
  %rd = "cascade.einsum"() {{expr = "RD[p] = 0.0"}} : () -> tensor<4xf32>
  %rnv = "cascade.einsum"() {{expr = "RNV[p,f] = 0.0"}} : () -> tensor<4x5xf32>
  %f:3 = "cascade.iterate"(%rm, %rd, %rnv) ({{
  ^bb0(%m: tensor<4xf32>, %d: tensor<4xf32>, %n: tensor<4x5xf32>):
    %qk = "cascade.einsum"(%q, %k) {{expr = "BQK[m0,p] = sum[e] mul(Q[p,e], K[m1*4+m0,e])"}} : (tensor<4x8xf32>, tensor<{M}x8xf32>) -> tensor<4x4xf32>
    %lm = "cascade.einsum"(%qk) {{expr = "LM[p] = max[m0] BQK[m0,p]"}} : (tensor<4x4xf32>) -> tensor<4xf32>
    %mn = "cascade.einsum"(%m, %lm) {{expr = "RM[p] = max(RM[p], LM[p])"}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %sn = "cascade.einsum"(%qk, %mn) {{expr = "SLN[m0,p] = exp_sub_left(BQK[m0,p], RM[p])"}} : (tensor<4x4xf32>, tensor<4xf32>) -> tensor<4x4xf32>
    %sd = "cascade.einsum"(%sn) {{expr = "SLD[p] = sum[m0] SLN[m0,p]"}} : (tensor<4x4xf32>) -> tensor<4xf32>
    %nv = "cascade.einsum"(%sn, %v) {{expr = "SLNV[p,f] = sum[m0] mul(SLN[m0,p], V[m1*4+m0,f])"}} : (tensor<4x4xf32>, tensor<{M}x5xf32>) -> tensor<4x5xf32>
    %pr = "cascade.einsum"(%m, %mn) {{expr = "PRM[p] = exp_sub_left(RM[p], RMN[p])"}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %pd = "cascade.einsum"(%d, %pr) {{expr = "SPD[p] = mul(RD[p], PRM[p])"}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %dn = "cascade.einsum"(%sd, %pd) {{expr = "RD[p] = add(SLD[p], SPD[p])"}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %pn = "cascade.einsum"(%n, %pr) {{expr = "SPNV[p,f] = mul(RNV[p,f], PRM[p])"}} : (tensor<4x5xf32>, tensor<4xf32>) -> tensor<4x5xf32>
    %nn = "cascade.einsum"(%nv, %pn) {{expr = "RNV[p,f] = add(SLNV[p,f], SPNV[p,f])"}} : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    "cascade.yield"(%mn, %dn, %nn) : (tensor<4xf32>, tensor<4xf32>, tensor<4x5xf32>) -> ()
  }}) {{rank = "m1", generations = {G}, split = "m", extent = {M}, tile_rank = "m0", tile = 4, until = "m1>={G}"}} : (tensor<4xf32>, tensor<4xf32>, tensor<4x5xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x5xf32>)
  %y = "cascade.einsum"(%f#2, %f#1) {{expr = "AV[p,f] = div(RNV[p,f], RD[p])"}} : (tensor<4x5xf32>, tensor<4xf32>) -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}}
"""  # noqa: E501


@pytest.mark.parametrize("length", [1, 4, 7, 10])
def test_one_pass_attention_visits_ragged_last_tile(length: int) -> None:
    module = parse_module(RUNNING_SOFTMAX.format(M=length, G=-(-length // 4)))
    q, k, v = (torch.randn(n, d, dtype=torch.float64) for n, d in ((4, 8), (length, 8), (length, 5)))
    got = interpret(module, "main", {"q": q.numpy(), "k": k.numpy(), "v": v.numpy()})["y"]
    np.testing.assert_allclose(got, (torch.softmax(q @ k.T, -1) @ v).numpy(), rtol=1e-13, atol=1e-14)


def test_iteration_round_trips_as_text() -> None:
    text = print_module(parse_module(RUNNING_SOFTMAX.format(M=10, G=3)))
    assert print_module(parse_module(text)) == text


def run_one(expr: str, shape: str, **tensors: np.ndarray) -> np.ndarray:
    """One Einsum as a whole function; tensors by name in order of access."""
    types = {name: f"tensor<{'x'.join(map(str, (*array.shape, 'f64')))}>" for name, array in tensors.items()}
    arguments = ", ".join(f'%{name}: {kind} {{penstock.name = "{name}"}}' for name, kind in types.items())
    operands = ", ".join(f"%{name}" for name in types)
    module = parse_module(
        f"func.func @main({arguments}) -> {shape} {{\n"
        f'  %r = "cascade.einsum"({operands}) {{expr = "{expr}"}} : '
        f"({', '.join(types.values())}) -> {shape}\n"
        f"  return %r : {shape}\n}}"
    )
    return interpret(module, "main", tensors)["output0"]


def test_padding_of_a_convolution_is_absent_points() -> None:
    x, w = torch.randn(2, 3, 9, 8, dtype=torch.float64), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    got = run_one(
        "Y[n,k,h,w] = sum[c,r,s] mul(X[n,c,h*2+r-1,w*2+s-1], W[k,c,r,s])",
        "tensor<2x4x5x4xf64>",
        x=x.numpy(),
        w=w.numpy(),
    )
    np.testing.assert_allclose(got, F.conv2d(x, w, stride=2, padding=1).numpy(), rtol=1e-12, atol=1e-12)


def test_points_nobody_visits_hold_the_identity() -> None:
    x = np.arange(3.0)
    assert run_one("Y[i] = X[i-1]", "tensor<5xf64>", x=x).tolist() == [0, 0, 1, 2, 0]
    assert run_one("Y[i] = X[-i+2]", "tensor<3xf64>", x=x).tolist() == [2, 1, 0]


def test_integers_have_ends_instead_of_infinities() -> None:
    text = """func.func @main(%x: tensor<3xi64> {penstock.name = "x"}) -> (tensor<3xi64>, tensor<3xi64>) {
      %k = "cascade.einsum"() {expr = "K[r] = 0"} : () -> tensor<3xi64>
      %a = "cascade.einsum"(%x, %k) {expr = "A[i] = min[r] add(X[i+r-1], K[r])"}
        : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
      %b = "cascade.einsum"(%x, %k) {expr = "B[i] = max[r] add(X[i+r-1], K[r])"}
        : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
      return %a, %b : tensor<3xi64>, tensor<3xi64>
    }"""
    low, high = interpret(parse_module(text), "main", {"x": np.array([5, -7, 9])}).values()
    assert low.tolist() == [-7, -7, -7]
    assert high.tolist() == [5, 9, 9]


def test_left_operators_give_zero_where_the_left_operand_is_empty() -> None:
    a, b = np.array([-np.inf, 0.0, 1.0]), np.array([-np.inf, -np.inf, 2.0])
    got = run_one("Y[i] = exp_sub_left(A[i], B[i])", "tensor<3xf64>", a=a, b=b)
    assert got[0] == 0
    assert got[1] == np.inf
    assert got[2] == np.exp(-1.0)
    zero = np.zeros(3)
    assert run_one("Y[i] = div_left(A[i], B[i])", "tensor<3xf64>", a=zero, b=zero).tolist() == [0, 0, 0]
    assert np.isnan(run_one("Y[i] = div(A[i], B[i])", "tensor<3xf64>", a=zero, b=zero)).all()


def test_large_spaces_are_visited_in_slices_with_the_same_result() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 700, 300))
    got = run_one("Y[i,j] = sum[k] add(A[i,k], B[j,k])", "tensor<700x700xf64>", a=x, b=y)
    np.testing.assert_allclose(got, x.sum(1)[:, None] + y.sum(1)[None], rtol=1e-12, atol=1e-11)


def test_missing_and_misshapen_inputs_are_named() -> None:
    module = parse_module(RUNNING_SOFTMAX.format(M=4, G=1))
    with pytest.raises(InputError, match="input 'k' is missing"):
        interpret(module, "main", {"q": np.zeros((4, 8))})
    with pytest.raises(InputError, match=r"q: shape \[3, 8\]"):
        interpret(module, "main", {"q": np.zeros((3, 8)), "k": np.zeros((4, 8)), "v": np.zeros((4, 5))})
    with pytest.raises(InputError, match="no function 'other'"):
        interpret(module, "other", {})
