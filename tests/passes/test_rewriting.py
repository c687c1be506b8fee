"""Deferral and iteration on cascades written as text: forms, and the values they compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penstock.ir.einsum import Einsum
from penstock.ir.interpreter.einsum import evaluate
from penstock.passes.analyse import Cascade, check, most_passes, parse_cascade, read_cascade
from penstock.passes.fuse import one_pass
from penstock.passes.fuse.defer import defer, prune
from penstock.passes.fuse.iterate import NotIterable, Tiling, iterate


def run(cascade: Cascade, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a cascade, generation by generation."""
    values = dict(inputs)
    rank = cascade.generational
    for einsum in cascade.init:
        generation = rank is not None and einsum.output.tensor in cascade.carried
        _write(cascade, einsum, values, {}, 0 if generation else None)
    body = [einsum for einsum in cascade.einsums if rank is not None and rank in einsum.ranks]
    if rank is not None:
        for step in range(cascade.extents[rank]):
            for einsum in body:
                _write(cascade, einsum, values, {rank: step}, step)
    for einsum in cascade.einsums:
        if einsum not in body:
            _write(cascade, einsum, values, {}, None)
    return values


def _write(cascade, einsum: Einsum, values, fixed: dict[str, int], step: int | None) -> None:
    rank = cascade.generational
    shape = []
    for index in einsum.output.index:
        name = index.ranks[0] if index.ranks else rank
        extra = 1 if einsum.output.tensor in cascade.carried and name == rank else 0
        shape.append(cascade.extents[name] + extra)
    output = values.setdefault(einsum.output.tensor, np.zeros(shape))
    place = tuple(
        slice(None) if index.ranks and index.ranks[0] not in fixed else index.const + (step or 0)
        if index.ranks or rank is None else index.const
        for index in einsum.output.index
    )  # fmt: skip
    kept = tuple(index for index in einsum.output.index if index.ranks and index.ranks[0] not in fixed)
    plain = Einsum(type(einsum.output)("", kept), einsum.map, einsum.operands, einsum.reduce, einsum.reduced)
    tensors = [values[access.tensor] for access in einsum.accesses]
    output[place] = evaluate(plain, tensors, dict(cascade.extents), np.dtype(float), fixed)


def example(checkout: Path, name: str) -> Cascade:
    return read_cascade(checkout / "examples" / "cascades" / f"{name}.txt")


def inputs_of(cascade: Cascade, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    return {name: generator.normal(size=shapes[name]) for name in cascade.inputs}


ATTENTION = {"Q": (4, 3), "K": (4, 8), "V": (4, 8)}


@pytest.mark.parametrize("name", ["attention2", "attention1"])
def test_the_published_attention_cascades_compute_the_same(checkout: Path, name: str) -> None:
    base = example(checkout, "attention3")
    given = inputs_of(base, ATTENTION)
    np.testing.assert_allclose(run(example(checkout, name), given)["AV"], run(base, given)["AV"], rtol=1e-12)


def test_the_toy_cascades_compute_the_same(checkout: Path) -> None:
    given = inputs_of(example(checkout, "cascade1"), {"A": (6,), "B": (6,)})
    wanted = run(example(checkout, "cascade1"), given)["Z"]
    for name in ("cascade2", "cascade3"):
        np.testing.assert_allclose(run(example(checkout, name), given)["Z"], wanted, rtol=1e-12)


def test_deferral_takes_cascade_1_to_cascade_2(checkout: Path) -> None:
    cascade, steps = defer(example(checkout, "cascade1"), "k")
    assert [str(einsum) for einsum in cascade.einsums] == [
        "Y[] = sum[k] mul(A[k], B[k])",
        "Z_num[] = sum[k] A[k]",
        "Z[] = mul(Z_num[], Y[])",
    ]
    assert (most_passes(cascade).passes, len(steps)) == (1, 1)


def test_iteration_takes_cascade_1_to_the_form_of_cascade_3(checkout: Path) -> None:
    base = example(checkout, "cascade1")
    cascade, _ = iterate(base, Tiling("k", 6, 1), ["Y"])
    check(cascade)
    assert most_passes(cascade).passes == 1
    given = inputs_of(base, {"A": (6,), "B": (6,)})
    np.testing.assert_allclose(run(cascade, given)["Z"], run(base, given)["Z"], rtol=1e-12)


@pytest.mark.parametrize("tile", [1, 2, 4, 8])
def test_iteration_takes_cascade_4_to_cascade_5(checkout: Path, tile: int) -> None:
    base = example(checkout, "attention3")
    rewriting = one_pass(base, "m", tile)
    assert rewriting is not None
    check(rewriting.after)
    assert (rewriting.passes_before, rewriting.passes_after) == (3, 1)
    assert rewriting.rewrites == ["defer", "split", "iterate"]
    given = inputs_of(base, ATTENTION)
    np.testing.assert_allclose(run(rewriting.after, given)["AV"], run(base, given)["AV"], rtol=1e-12)


def test_a_ratio_of_running_values_needs_them_to_be_known_not_zero(checkout: Path) -> None:
    with pytest.raises(NotIterable, match="Y may be zero"):
        iterate(example(checkout, "cascade1"), Tiling("k", 6, 2))


def test_a_summand_that_is_not_homomorphic_has_no_one_pass_form() -> None:
    variance = parse_cascade("K=6\nM = sum[k] X[k]\nC[k] = sub(X[k], M[])\nV = sum[k] square(C[k])")
    assert one_pass(variance, "k", 2) is None
    with pytest.raises(NotIterable, match="not homomorphic"):
        iterate(variance, Tiling("k", 6, 2))


def test_a_stream_that_leaves_has_no_one_pass_form() -> None:
    softmax = parse_cascade(
        "K=6\nM = max[k] X[k]\nN[k] = exp_sub(X[k], M[])\nS = sum[k] N[k]\nA[k] = div(N[k], S[])"
    )
    with pytest.raises(NotIterable, match="streams out"):
        iterate(softmax, Tiling("k", 6, 2))


def test_one_pass_already_is_left_alone(checkout: Path) -> None:
    assert one_pass(example(checkout, "cascade2"), "k", 2) is None


def test_a_factor_in_the_middle_of_a_chain_is_deferred_through_it() -> None:
    cascade = parse_cascade(
        "K=6 F=2\nS = sum[k] X[k]\nA[k] = div(X[k], S[])\nB[k] = mul(A[k], D[k])\n"
        "Y[f] = sum[k] mul(B[k], V[k,f])"
    )
    deferred, _ = defer(cascade, "k")
    assert most_passes(deferred).passes == 1
    given = inputs_of(cascade, {"X": (6,), "D": (6,), "V": (6, 2)})
    np.testing.assert_allclose(run(deferred, given)["Y"], run(cascade, given)["Y"], rtol=1e-12)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("T[k] = sum[d] mul(N[d], U[k,d])", "is a factor of"),
        ("T[k] = max[d] mul(N[d], U[k,d])", "is a factor of"),
    ],
)
def test_a_factor_that_differs_between_the_points_of_an_inner_fold_is_no_correction(
    inner: str, message: str
) -> None:
    cascade = parse_cascade(
        f"K=6 D=3\nS[d] = sum[k] square(U[k,d])\nN[d] = exp(S[d])\n{inner}\nZ = sum[k] T[k]"
    )
    with pytest.raises(NotIterable, match=message):
        iterate(cascade, Tiling("k", 6, 2), ["N"])


def test_a_stream_read_at_other_ranks_than_it_is_written_at_is_no_summand() -> None:
    cascade = parse_cascade(
        "K=6 D=3 E=3\nS[d] = max[k] U[k,d]\nT[k,d] = exp_sub(U[k,d], S[d])\nZ[e] = sum[k] T[k,e]"
    )
    with pytest.raises(NotIterable, match="other ranks"):
        iterate(cascade, Tiling("k", 6, 2))


def test_what_is_carried_is_kept_where_only_the_next_generation_reads_it() -> None:
    text = (
        "T=3\ninit:\n  S[0] = 1.0\neinsums:\n  Y[t] = exp(S[t])\n  S[t+1] = add(S[t], X[t])\n"
        "  U[t] = neg(X[t])\nstop: t >= T\noutputs: Y\n"
    )
    kept = prune(parse_cascade(text))
    assert [einsum.output.tensor for einsum in kept.einsums] == ["Y", "S"]


@pytest.mark.parametrize(
    ("queries", "mask", "tile"),
    [(1, "le(@m, L[])", 16), (8, "le(@m, L[])", 16), (9, "le(@m, L[])", 64), (1, "le(@m, 40)", 64)],
)
def test_generations_are_short_where_few_share_what_is_read_up_to_a_point_found_late(
    queries: int, mask: str, tile: int
) -> None:
    cascade = parse_cascade(
        f"H=2 P={queries} M=200 E=4 F=4\n"
        "QK[h,p,m] = sum[e] mul(Q[h,p,e], K[h,m,e])\n"
        f"L1[m] = {mask}\n"
        "S[h,p,m] = where(L1[m], QK[h,p,m], -inf)\n"
        "M1[h,p] = max[m] S[h,p,m]\n"
        "N[h,p,m] = exp_sub_left(S[h,p,m], M1[h,p])\n"
        "D[h,p] = sum[m] N[h,p,m]\n"
        "A[h,p,m] = div(N[h,p,m], D[h,p])\n"
        "AV[h,p,f] = sum[m] mul(A[h,p,m], V[h,m,f])"
    )
    rewriting = one_pass(cascade, "m", 64)
    assert rewriting is not None
    assert rewriting.tiling is not None
    assert rewriting.tiling.tile == tile
