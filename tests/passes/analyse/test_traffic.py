"""The least traffic of a cascade: the paper's counts, schedules walked step by step, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError
from penstock.passes.analyse import Cascade, parse_cascade
from penstock.passes.analyse.nest import Nest
from penstock.passes.analyse.part import Part, in_order
from penstock.passes.analyse.traffic import Phase, Traffic, least_traffic

MATMUL = "C[m,n] = sum[k] mul(A[m,k], B[k,n])"
LONG = 1 << 16
SOFTMAX_APART = (("QK",), ("GM", "SN", "SD", "A"), ("AV",))


def shaped(checkout: Path, name: str, **shape: int) -> Cascade:
    text = (checkout / "examples" / "cascades" / f"{name}.txt").read_text(encoding="utf-8")
    return parse_cascade(text, shape=shape)


def three_pass(checkout: Path) -> Cascade:
    return shaped(checkout, "attention3", e=64, f=64, m=LONG, p=LONG)


def two_pass(checkout: Path) -> Cascade:
    return shaped(checkout, "attention2", e=64, f=64, m1=256, m0=256, p=LONG)


def one_pass(checkout: Path, length: int, width: int = 64) -> Cascade:
    return shaped(checkout, "attention1", e=width, f=width, m1=length // 256, m0=256, p=length)


def scores_moved(traffic: Traffic, *tensors: str) -> float:
    """Traffic of score-shaped intermediates in units of M·P elements, the paper's 2·M·P bytes."""
    return sum(traffic.moved(tensor) for tensor in tensors) / LONG**2


# FuseMax's counts of off-chip intermediates.


def test_three_passes_move_seven_score_matrices_when_no_fiber_fits(checkout: Path) -> None:
    found = least_traffic(three_pass(checkout), 1 << 14, phases=SOFTMAX_APART, recompute=False)
    assert {name: scores_moved(found, name) for name in ("QK", "SN", "A")} == {"QK": 3, "SN": 2, "A": 2}


def test_three_passes_move_four_when_a_fiber_fits_and_the_scores_do_not(checkout: Path) -> None:
    found = least_traffic(three_pass(checkout), 1 << 20, phases=SOFTMAX_APART, recompute=False)
    assert {name: scores_moved(found, name) for name in ("QK", "SN", "A")} == {"QK": 2, "SN": 0, "A": 2}


def test_two_passes_spill_the_numerator_or_make_it_again_from_the_keys(checkout: Path) -> None:
    spilled = least_traffic(two_pass(checkout), 1 << 20, recompute=False)
    assert scores_moved(spilled, "SLN") == 2
    assert scores_moved(spilled, "BQK", "A") == 0
    again = least_traffic(two_pass(checkout), 1 << 20)
    assert scores_moved(again, "BQK", "SLN", "A") == 0
    assert {"BQK", "SLN"} <= set(again.phases[-1].recomputed)
    assert again.elements < spilled.elements


def test_one_pass_moves_no_scores(checkout: Path) -> None:
    cascade = one_pass(checkout, LONG)
    found = least_traffic(cascade, 1 << 17, recompute=False)
    assert {move.tensor for phase in found.phases for move in phase.moves} == {"Q", "K", "V", "AV"}


def paper_p2(length: int, width: int, buffer_bytes: int = 16 << 20) -> int:
    """The artifact's rule: P1 the largest divisor of P/256 whose queries fit beside a tile of keys."""
    columns = length // 256
    bound = (buffer_bytes - 256 * 2 * width * 2) // (256 * 2 * (2 * width + 2))
    p1 = max(divisor for divisor in range(1, columns + 1) if columns % divisor == 0 and divisor <= bound)
    return columns // p1


@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize("length", [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20])
def test_the_papers_block_of_queries_gives_its_dram_bytes(checkout: Path, length: int, width: int) -> None:
    cascade = one_pass(checkout, length, width)
    part = Part(cascade, in_order(cascade))
    nest = Nest(part, ("m1",), ("p",))
    p2 = paper_p2(length, width)
    blocks, trips = {"p": length // p2}, {"p": p2}
    assert int(nest.elements(blocks, trips)) == width * length * 2 * (1 + p2)
    assert int(nest.occupancy(blocks, trips)) <= 8 << 20


def test_the_papers_dram_bytes_of_bert_at_1k(checkout: Path) -> None:
    heads = 64 * 12
    assert least_traffic(one_pass(checkout, 1 << 10), 8 << 20).bytes(2) * heads == 402653184


@pytest.mark.parametrize(("length", "ours", "papers"), [(1 << 16, 2, 2), (1 << 18, 5, 8), (1 << 20, 17, 32)])
def test_blocks_that_need_not_divide_the_queries_move_no_more(
    checkout: Path, length: int, ours: int, papers: int
) -> None:
    found = least_traffic(one_pass(checkout, length), 8 << 20, recompute=False)
    assert paper_p2(length, 64) == papers
    assert found.elements == 64 * length * 2 * (1 + ours)


# Schedules walked step by step: every load counted as it happens.


def loads_walked(cascade: Cascade, phase: Phase) -> dict[str, int]:
    """Elements loaded when the loops of a phase of one pass run, a tensor's last tile staying."""
    einsums = [einsum for einsum in cascade.einsums if einsum.output.tensor in phase.tensors]
    accesses = {
        access.tensor: access
        for einsum in einsums
        for access in einsum.accesses
        if access.tensor not in phase.tensors
    }
    starts = [range(0, cascade.extents[rank], block) for rank, block in phase.blocks.items()]
    steps = [range(cascade.extents[rank]) for rank in phase.stream]
    loaded = dict.fromkeys(accesses, 0)
    last: dict[str, Mapping[str, int]] = {}
    for place in product(*starts, *steps):
        at = dict(zip((*phase.blocks, *phase.stream), place, strict=True))
        sizes = {
            **{rank: min(block, cascade.extents[rank] - at[rank]) for rank, block in phase.blocks.items()},
            **dict.fromkeys(phase.stream, 1),
        }
        for tensor, access in accesses.items():
            tile = {rank: start for rank, start in at.items() if rank in access.ranks}
            if last.get(tensor) != tile:
                last[tensor] = tile
                loaded[tensor] += prod(sizes.get(r, cascade.extents[r]) for r in access.ranks)
    return loaded


def check_walk(cascade: Cascade, found: Traffic) -> None:
    for phase in found.phases:
        assert phase.occupancy <= found.buffer_elements
        if phase.passes == 1 and (phase.stream or phase.blocks):
            said = {move.tensor: move.elements for move in phase.moves if move.kind == "load"}
            assert said == loads_walked(cascade, phase)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(1, 30)] * 3), st.integers(4, 400))
def test_a_products_loads_are_those_of_its_loops(shape: tuple[int, int, int], buffer: int) -> None:
    m, n, k = shape
    cascade = parse_cascade(f"M={m} N={n} K={k}\n{MATMUL}")
    found = least_traffic(cascade, buffer)
    check_walk(cascade, found)
    assert found.elements >= found.compulsory
    if not found.phases[0].stream:
        assert found.elements == found.compulsory == m * n + m * k + k * n


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(1, 12)] * 5), st.integers(8, 300))
def test_a_chains_loads_are_those_of_its_loops(shape: tuple[int, ...], buffer: int) -> None:
    b, t, d, s, o = shape
    text = "H[b,t,s] = sum[d] mul(X[b,t,d], U[d,s])\nR[b,t,s] = relu(H[b,t,s])\n"
    cascade = parse_cascade(f"B={b} T={t} D={d} S={s} O={o}\n{text}Y[b,t,o] = sum[s] mul(R[b,t,s], W[s,o])")
    check_walk(cascade, least_traffic(cascade, buffer))


def test_a_products_block_holds_results_a_row_and_an_element() -> None:
    cascade = parse_cascade(f"M=512 N=512 K=512\n{MATMUL}")
    (phase,) = least_traffic(cascade, 1024).phases
    rows, columns = phase.blocks.values()
    assert phase.occupancy == rows * columns + columns + 1 <= 1024
    assert phase.elements == 512 * 512 * (1 + -(-512 // rows) + -(-512 // columns))


def test_what_the_one_pass_cascade_holds_is_the_papers_sum(checkout: Path) -> None:
    cascade = one_pass(checkout, LONG)
    (phase,) = least_traffic(cascade, 8 << 20, recompute=False).phases
    queries = phase.blocks["p"]
    beside = phase.occupancy - (queries * (64 + 64 + 2) + 256 * (64 + 64))
    assert phase.stream == ("m1",)
    # Beside the paper's terms: one column of scores with its weights, and the few sums of one query.
    assert 256 < beside < 4 * 256


# More room never hurts, and making nothing twice never helps.


@pytest.mark.parametrize(
    "name", ["attention3", "attention2", "gated_scan", "linear_attention", "logsumexp_loss", "norm_matmul"]
)
def test_a_larger_buffer_moves_no_more(checkout: Path, name: str) -> None:
    cascade = shaped(checkout, name)
    buffers = [12, 24, 48, 96, 192, 384, 768, 1536, 3072, 6144, 12288, 24576]
    moved = [least_traffic(cascade, buffer).elements for buffer in buffers]
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] == least_traffic(cascade, 1 << 30).compulsory


@pytest.mark.parametrize("buffer", [24, 96, 384])
def test_making_nothing_twice_moves_no_less(checkout: Path, buffer: int) -> None:
    cascade = shaped(checkout, "attention2")
    once = least_traffic(cascade, buffer, recompute=False)
    assert once.elements >= least_traffic(cascade, buffer).elements
    assert not any(phase.made for phase in once.phases)


# What is refused.


def test_a_rank_without_extent_is_named() -> None:
    with pytest.raises(InputError, match="rank 'k' has no extent"):
        least_traffic(parse_cascade("Y = sum[k] mul(A[k], B[k])"), 100)


def test_a_buffer_too_small_for_one_point_says_how_much_would_do() -> None:
    with pytest.raises(InputError, match="4 elements or more"):
        least_traffic(parse_cascade("K=4\nY = sum[k] mul(A[k], B[k])"), 3)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ((("QK",), ("AV",)), "leave out or repeat"),
        ((("QK", "AV"), ("GM", "SN", "SD", "A")), "do not cut"),
        ((("XX",),), "no Einsum makes XX"),
    ],
)
def test_phases_that_do_not_cut_the_cascade_are_refused(checkout: Path, phases, message: str) -> None:
    with pytest.raises(InputError, match=message):
        least_traffic(shaped(checkout, "attention3"), 100, phases=phases)
