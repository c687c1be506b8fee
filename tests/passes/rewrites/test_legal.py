"""What is legal and what is not: conditions, caveats, and cascades that are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penstock.ir.errors import NotationError
from penstock.ir.interpreter import run_cascade
from penstock.passes.analyse import parse_cascade
from penstock.passes.fuse.iterate import Tiling
from penstock.passes.rewrites import legal_rewrites, search
from penstock.passes.rewrites.canonical import canonical
from penstock.passes.rewrites.homomorphism import NotHomomorphic
from penstock.passes.rewrites.signs import positive
from penstock.passes.rewrites.split import split_k

from .cascades import assert_same, example, inputs_of


def names(text: str) -> list[str]:
    return [each.name for each in legal_rewrites(parse_cascade(text))]


def test_cascade_1_becomes_cascade_2_or_with_a_value_that_is_not_zero_cascade_3(checkout: Path) -> None:
    base = example(checkout, "cascade1")
    found = {each.name: each for each in legal_rewrites(base)}
    assert list(found) == ["defer", "iterate", "split_k"]
    assert [found[name].condition for name in found] == ["", "Y never zero", "Y never zero"]
    assert [found[name].passes for name in found] == [(2, 1)] * 3
    inputs = {name: values**2 for name, values in inputs_of(base).items()}
    for each in found.values():
        assert_same(base, each.cascade, inputs)


def test_what_is_declared_not_to_be_zero_needs_no_condition(checkout: Path) -> None:
    found = legal_rewrites(example(checkout, "cascade1"), nonzero=["Y"])
    assert [each.condition for each in found] == ["", "", ""]


def test_the_footprints_of_attention_are_those_of_the_paper(checkout: Path) -> None:
    found = {each.name: each for each in legal_rewrites(example(checkout, "attention3"), "m", tile=2)}
    figures = {name: (each.passes, str(each.footprint_after)) for name, each in found.items()}
    assert figures == {
        "defer": ((3, 2), "M + 1"),
        "iterate": ((3, 1), "F + M0 + 3"),
        "split_k": ((3, 1), "F*M1 + M0 + 2*M1 + 2"),
    }
    assert found["defer"].passes_before == {"K": 3, "V": 1}
    assert found["defer"].passes_after == {"K": 2, "V": 1}


def test_tile_summaries_may_be_read_again_without_a_pass(checkout: Path) -> None:
    (found,) = legal_rewrites(example(checkout, "attention2"), "m1")
    assert (found.name, found.passes, str(found.footprint_after)) == (
        "reassociate", (2, 1), "F*M1 + 2*M1 + 1",
    )  # fmt: skip


def test_a_cascade_as_good_as_it_gets_is_left_alone(checkout: Path) -> None:
    for name in ("cascade2", "cascade3", "attention1", "mlp_chain"):
        assert legal_rewrites(example(checkout, name)) == ()


@pytest.mark.parametrize(
    "between",
    ["tanh(S[p,m])", "exp(S[p,m])", "max(S[p,m], 0.0)", "add(S[p,m], B[m])"],
)
def test_nothing_but_products_may_stand_between_two_products(between: str) -> None:
    text = (
        "P=32 M=32 D=4 F=4\nS[p,m] = sum[d] mul(Q[p,d], K[m,d])\n"
        f"T[p,m] = {between}\nY[p,f] = sum[m] mul(T[p,m], V[m,f])"
    )
    assert "reassociate" not in names(text)


def test_a_tensor_that_leaves_stays() -> None:
    text = "A=40 B=3 C=30 D=4\nT[a,c] = sum[b] mul(X[a,b], Y[b,c])\nZ[a,d] = sum[c] mul(T[a,c], W[c,d])\n"
    assert names(text) == ["reassociate"]
    assert names(text + "outputs: T, Z") == []


def test_a_division_stays_with_what_it_divides() -> None:
    text = "P=2 M=64 F=64\nA[m,p] = div(N[m,p], D[p])\nY[f,p] = sum[m] mul(A[m,p], V[f,m])"
    for each in legal_rewrites(parse_cascade(text)):
        assert not any("div(V" in str(einsum) for einsum in each.cascade.einsums)


def test_an_input_read_along_two_ranks_that_wait_for_each_other_is_not_taken_for_one_pass() -> None:
    text = "K=6\nS = sum[k] A[k]\nT[k] = mul(A[k], S)\nZ = sum[k] mul(T[k], T[k])"
    for each in legal_rewrites(parse_cascade(text)):
        assert not any("_2" in rank for einsum in each.cascade.einsums for rank in einsum.ranks)


def test_a_difference_of_moments_says_that_digits_cancel() -> None:
    text = "K=8\nS = sum[k] X[k]\nM = mul(S, 0.125)\nC[k] = sub(X[k], M)\nV = sum[k] square(C[k])"
    (found,) = [each for each in legal_rewrites(parse_cascade(text)) if each.name == "distribute"]
    assert "digits cancel" in found.caveat
    assert found.to_json()["caveat"] == found.caveat


VARIANCE = "K=12\nS = sum[k] X[k]\nM = div(S, 12.0)\nC[k] = sub(X[k], M)\nV = sum[k] square(C[k])"
LAYER_NORM = """
T=5 D=8 O=3
S[t] = sum[d] X[t,d]
M[t] = mul(S[t], 0.125)
C[t,d] = sub(X[t,d], M[t])
Q[t] = sum[d] square(C[t,d])
V[t] = mul(Q[t], 0.125)
E[t] = add(V[t], 0.01)
R[t] = rsqrt(E[t])
N[t,d] = mul(C[t,d], R[t])
G[t,d] = mul(N[t,d], GA[d])
B[t,d] = add(G[t,d], BE[d])
Y[t,o] = sum[d] mul(B[t,d], W[d,o])
"""


def test_a_variance_far_from_zero_is_right_when_it_is_carried_and_not_from_its_moments() -> None:
    cascade = parse_cascade(VARIANCE)
    far = {"X": 1e8 + np.random.default_rng(0).normal(size=12)}
    values = {e.name: run_cascade(e.cascade, far)["V"] for e in legal_rewrites(cascade, tile=4)}
    wanted = run_cascade(cascade, far)["V"]
    assert abs(values["welford"] / wanted - 1) < 1e-6
    assert abs(values["distribute"] / wanted - 1) > 0.5


@pytest.mark.parametrize(("stable", "rewrites"), [(False, "distribute"), (True, "welford")])
def test_a_layer_norm_before_a_product_takes_one_pass(stable: bool, rewrites: str) -> None:
    cascade = parse_cascade(LAYER_NORM if not stable else VARIANCE)
    found = search(cascade, buffer_elements=64, stable=stable)
    assert found.best.passes == 1
    assert found.best.rewrites[-1] == rewrites
    assert bool(found.best.caveats) != stable
    for option in found.options:
        assert_same(cascade, option.cascade, inputs_of(cascade))


def test_the_variance_of_a_layer_norm_is_carried_where_nothing_else_waits_for_it() -> None:
    distributed = next(e for e in legal_rewrites(parse_cascade(LAYER_NORM)) if "Y" in e.steps[0].why)
    carried = next(e for e in legal_rewrites(distributed.cascade, tile=4) if e.name == "welford")
    assert carried.passes == (2, 1)
    assert_same(parse_cascade(LAYER_NORM), carried.cascade, inputs_of(parse_cascade(LAYER_NORM)))


def test_moments_count_points_so_their_extents_must_be_known() -> None:
    text = "S = sum[k] X[k]\nM = mul(S, 0.125)\nC[k] = sub(X[k], M)\nV = sum[k] square(C[k])"
    assert "distribute" not in names(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("G = max[k] X[k]\nN[k] = exp_sub(X[k], G)\nS = sum[k] N[k]\nA[k] = div(N[k], S)", "streams out"),
        ("S = sum[k] X[k]\nT[k] = mul(X[k], S)\nZ = sum[k] T[k]", "may be zero over a part"),
        ("S = max[k] X[k]\nT[k] = sub(X[k], S)\nU[k] = tanh(T[k])\nZ = sum[k] U[k]", "not homomorphic"),
        ("G = max[k] X[k]\nN[k] = exp_sub(X[k], G)\nZ = max[k] N[k]", "is a factor of"),
        (
            "G = max[k] X[k]\nN[k] = exp_sub(X[k], G)\nB[k] = div(X[k], N[k])\nZ = sum[k] B[k]",
            "a division by N",
        ),
        ("T[k] = exp(X[k])\nZ = sum[k] mul(T[k], T[k+1])", "across the border"),
    ],
)
def test_what_cannot_be_cut_in_parts_is_named(text: str, message: str) -> None:
    with pytest.raises(NotHomomorphic, match=message):
        split_k(parse_cascade("K=6\n" + text), Tiling("k", 6, 2), frozenset())


SCAN = "T=8\ninit:\n  S[0] = 0.0\neinsums:\n  {body}\nstop: t >= T"


@pytest.mark.parametrize("tile", [2, 4, 8, 16, 32])
def test_a_selective_scan_computes_the_same_in_chunks(checkout: Path, tile: int) -> None:
    scan = example(checkout, "gated_scan")
    (found,) = legal_rewrites(scan, tile=tile)
    assert (found.name, found.passes) == ("chunk", (1, 1))
    assert_same(scan, found.cascade, inputs_of(scan))


@pytest.mark.parametrize(
    "body",
    [
        "D[t] = mul(A[t], S[t])\n  E[t] = tanh(D[t])\n  S[t+1] = add(E[t], X[t])",
        "D[t] = mul(S[t], S[t])\n  S[t+1] = add(D[t], X[t])",
        "D[t] = mul(A[t], S[t])\n  S[t+1] = add(D[t], X[t])\n  Y[t] = exp(S[t])",
        "D[t] = mul(A[t], S[t])\n  B[t] = mul(X[t], S[t])\n  S[t+1] = add(D[t], B[t])",
        "D[t] = mul(A[t], S[t])\n  S[t+1] = max(D[t], X[t])",
    ],
)
def test_what_is_carried_otherwise_than_linearly_stays_in_generations(body: str) -> None:
    assert legal_rewrites(parse_cascade(SCAN.format(body=body))) == ()


def test_an_unknown_rank_is_refused(checkout: Path) -> None:
    with pytest.raises(NotationError, match="no rank 'q'"):
        legal_rewrites(example(checkout, "attention3"), "q")


def test_signs_follow_the_operators() -> None:
    cascade = parse_cascade(
        "K=3\nE[k] = exp(X[k])\nR[k] = max(X[k], 0.0)\nP[k] = add(E[k], R[k])\nS = sum[k] P[k]\n"
        "Q[k] = square(X[k])\nM = sum[k] Q[k]\nA = add(M, 0.001)\nI = rsqrt(A)\nN[k] = mul(E[k], X[k])\n"
        "B[k] = sub(E[k], 1.0)\nL = log(S)"
    )
    assert positive(cascade) == {"E", "P", "S", "A", "I"}


def test_names_and_layouts_inside_do_not_tell_cascades_apart() -> None:
    one = parse_cascade("A=2 B=3\nT[a,b] = exp(X[a,b])\nZ[a] = sum[b] mul(T[a,b], S[b])")
    other = parse_cascade("A=2 B=3\nU[b,a] = exp(X[a,b])\nZ[a] = sum[b] mul(S[b], U[b,a])")
    third = parse_cascade("A=2 B=3\nU[b,a] = tanh(X[a,b])\nZ[a] = sum[b] mul(S[b], U[b,a])")
    assert canonical(one) == canonical(other) != canonical(third)
    np.testing.assert_equal(len({canonical(one), canonical(other), canonical(third)}), 2)
