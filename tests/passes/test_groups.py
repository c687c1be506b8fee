"""Forming groups: what goes together, what stays apart, and that no group closes a cycle."""

from __future__ import annotations

import pytest

from penstock.ir.build import EinsumView, integer, is_einsum, string, strings
from penstock.ir.cascade import FUSED, walk
from penstock.ir.errors import PassError
from penstock.ir.mlir import ir
from penstock.passes.base import create

from .attention import Script
from .modules import assert_same_values, module_text


def fused(script: Script, arguments: list[str], result: str) -> tuple[ir.Module, list[list[str]]]:
    """The module after fusing, and per group the tensors it writes."""
    kind = f"tensor<{script.types[result]}>"
    module = assert_same_values(module_text(arguments, script.lines, kind, f"%{result}"), "fuse")
    return module, [
        [EinsumView.of(inner).einsum.output.tensor for inner in walk(op) if is_einsum(inner)]
        for op in walk(module.operation)
        if op.name == FUSED
    ]


def start(*arguments: str) -> tuple[Script, list[str]]:
    script = Script()
    script.types |= dict(each.split(": ") for each in arguments)
    return script, list(arguments)


def kinds(module: ir.Module) -> list[str]:
    return [string(op, "kernel") for op in walk(module.operation) if op.name == FUSED]


def test_bias_activation_and_residual_join_the_product_they_follow() -> None:
    script, arguments = start("x: 5x8xf64", "w: 16x8xf64", "c: 16xf64", "r: 5x16xf64")
    script.einsum("y", "Y[s,n] = sum[d] mul(X[s,d], W[n,d])", "x,w", "5x16xf64")
    script.einsum("b", "B[s,n] = add(Y[s,n], C[n])", "y,c", "5x16xf64")
    script.einsum("g", "G[s,n] = gelu(B[s,n])", "b", "5x16xf64")
    script.einsum("z", "Z[s,n] = add(G[s,n], R[s,n])", "g,r", "5x16xf64")
    module, groups = fused(script, arguments, "z")
    assert groups == [["Y", "B", "G", "Z"]]
    assert kinds(module) == ["contract"]


def test_a_gate_joins_the_later_of_the_two_products_it_multiplies() -> None:
    script, arguments = start("x: 5x8xf64", "w: 16x8xf64", "v: 16x8xf64")
    script.einsum("a", "A[s,n] = sum[d] mul(X[s,d], W[n,d])", "x,w", "5x16xf64")
    script.einsum("g", "G[s,n] = silu(A[s,n])", "a", "5x16xf64")
    script.einsum("u", "U[s,n] = sum[d] mul(X[s,d], V[n,d])", "x,v", "5x16xf64")
    script.einsum("z", "Z[s,n] = mul(G[s,n], U[s,n])", "g,u", "5x16xf64")
    _, groups = fused(script, arguments, "z")
    assert groups == [["A", "G"], ["U", "Z"]]


def test_a_residual_that_waits_for_a_later_product_does_not_close_a_cycle() -> None:
    script, arguments = start("x: 8x8xf64", "w: 8x8xf64", "v: 8x8xf64")
    script.einsum("a", "A[s,n] = sum[d] mul(X[s,d], W[n,d])", "x,w", "8x8xf64")
    script.einsum("u", "U[s,n] = sum[d] mul(A[s,d], V[n,d])", "a,v", "8x8xf64")
    script.einsum("z", "Z[s,n] = add(A[s,n], U[s,n])", "a,u", "8x8xf64")
    _, groups = fused(script, arguments, "z")
    assert groups == [["A"], ["U", "Z"]]


def test_a_follower_that_saves_no_tensor_stays_out() -> None:
    script, arguments = start("x: 5x8xf64", "w: 16x8xf64", "v: 8x16xf64")
    script.einsum("a", "A[s,n] = sum[d] mul(X[s,d], W[n,d])", "x,w", "5x16xf64")
    script.einsum("q", "Q[s,n] = square(A[s,n])", "a", "5x16xf64")
    script.einsum("u", "U[s,m] = sum[n] mul(A[s,n], V[m,n])", "a,v", "5x8xf64")
    script.einsum("r", "R[s] = sum[n] Q[s,n]", "q", "5xf64")
    script.einsum("z", "Z[s,m] = mul(U[s,m], R[s])", "u,r", "5x8xf64")
    _, groups = fused(script, arguments, "z")
    assert sorted(groups) == [["A"], ["Q", "R"], ["U", "Z"]]


def test_a_tensor_read_at_a_shift_is_computed_before() -> None:
    script, arguments = start("x: 5x8xf64")
    script.einsum("a", "A[s,d] = tanh(X[s,d])", "x", "5x8xf64")
    script.einsum("z", "Z[s,d] = sub(A[s,d], A[s,7-d])", "a,a", "5x8xf64")
    module, groups = fused(script, arguments, "z")
    assert groups == [["A"], ["Z"]]
    assert kinds(module) == ["map", "map"]


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_norm_is_one_group_whose_passes_are_told_as_they_are(norm: str) -> None:
    script, arguments = start("x: 5x8xf64", "g: 8xf64")
    centred = "x"
    if norm == "layer":
        script.einsum("s", "S[s] = sum[d] X[s,d]", "x", "5xf64")
        script.einsum("m", "M[s] = div(S[s], 8.0)", "s", "5xf64")
        script.einsum("c", "C[s,d] = sub(X[s,d], M[s])", "x,m", "5x8xf64")
        centred = "c"
    script.einsum("q", "Q[s] = sum[d] square(C[s,d])", centred, "5xf64")
    script.einsum("r", "R[s] = rsqrt(Q[s])", "q", "5xf64")
    script.einsum("n", "N[s,d] = mul(C[s,d], R[s])", f"{centred},r", "5x8xf64")
    script.einsum("z", "Z[s,d] = mul(N[s,d], G[d])", "n,g", "5x8xf64", "norm")
    module, groups = fused(script, arguments, "z")
    assert len(groups) == 1
    (op,) = [op for op in walk(module.operation) if op.name == FUSED]
    passes = 3 if norm == "layer" else 2
    assert (integer(op, "passes_before"), integer(op, "passes_after")) == (passes, passes)
    assert (string(op, "kernel"), strings(op, "rewrites"), integer(op, "parallel")) == ("rows", (), 1)


def test_log_softmax_and_the_pick_of_a_target_are_one_group() -> None:
    script, arguments = start("x: 5x9xf64", "t: 5xi64")
    script.einsum("g", "G[s] = max[v] X[s,v]", "x", "5xf64")
    script.einsum("c", "C[s,v] = sub(X[s,v], G[s])", "x,g", "5x9xf64")
    script.einsum("n", "N[s] = sum[v] exp(C[s,v])", "c", "5xf64")
    script.einsum("l", "L[s] = log(N[s])", "n", "5xf64")
    script.einsum("o", "O[s,v] = sub(C[s,v], L[s])", "c,l", "5x9xf64")
    script.einsum("h", "H[s,v] = eq(T[s], @v)", "t", "5x9xi1")
    script.einsum("p", "P[s,v] = where(H[s,v], O[s,v], 0.0)", "h,o", "5x9xf64")
    script.einsum("z", "Z[s] = sum[v] P[s,v]", "p", "5xf64", "nll")
    module, groups = fused(script, arguments, "z")
    assert len(groups) == 1
    assert kinds(module) == ["rows"]


def test_two_readers_of_one_mask_compute_it_each() -> None:
    script, arguments = start("x: 5x5xf64", "y: 5x5xf64", "w: 5x5xf64")
    script.einsum("m", "M[p,m] = le(@m, @p)", "", "5x5xi1")
    script.einsum("a", "A[p,m] = where(M[p,m], X[p,m], 0.0)", "m,x", "5x5xf64")
    script.einsum("u", "U[p,n] = sum[m] mul(A[p,m], W[n,m])", "a,w", "5x5xf64")
    script.einsum("z", "Z[p,m] = where(M[p,m], U[p,m], 0.0)", "m,u", "5x5xf64")
    _, groups = fused(script, arguments, "z")
    assert sorted(sorted(group) for group in groups) == [["A", "M"], ["M"], ["U", "Z"]]


def test_one_tensor_read_as_queries_and_as_keys_keeps_two_ranks() -> None:
    script, arguments = start("x: 5x8xf64")
    script.einsum("t", "T[s,e] = tanh(X[s,e])", "x", "5x8xf64")
    script.einsum("q", "QK[p,m] = sum[e] mul(T[p,e], T[m,e])", "t,t", "5x5xf64")
    script.einsum("g", "GM[p] = max[m] QK[p,m]", "q", "5xf64")
    script.einsum("n", "SN[p,m] = exp_sub(QK[p,m], GM[p])", "q,g", "5x5xf64")
    script.einsum("d", "SD[p] = sum[m] SN[p,m]", "n", "5xf64")
    script.einsum("a", "A[p,m] = div(SN[p,m], SD[p])", "n,d", "5x5xf64")
    script.einsum("z", "AV[p,f] = sum[m] mul(A[p,m], T[m,f])", "a,t", "5x8xf64")
    module, groups = fused(script, arguments, "z")
    assert kinds(module) == ["map", "attention"]
    assert groups[0] == ["T"]


@pytest.mark.parametrize("options", [{"p_tile": "0"}, {"m_tile": "-1"}])
def test_tiles_must_be_positive(options: dict[str, str]) -> None:
    with pytest.raises(PassError, match="tiles must be positive"):
        create("fuse", options).run(ir.Module.parse("module {}", ir.Context()))
