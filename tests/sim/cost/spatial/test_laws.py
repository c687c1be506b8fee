"""Laws every cost model obeys, whatever its constants (metamorphic properties)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penstock.ir.view import Cascade
from penstock.ir.view_text import parse_cascade
from penstock.sim.cost.spatial.attention import attention, fusemax, one_pass
from penstock.sim.cost.spatial.batch import OBJECTIVES, figures
from penstock.sim.cost.spatial.legal import legal
from penstock.sim.cost.spatial.mapping import Mapping, Nest, Split
from penstock.sim.cost.spatial.physical import SpatialCost, evaluate
from penstock.sim.cost.spatial.points import Points
from penstock.sim.cost.spatial.workload import problem

from .cases import FUSEMAX, faster, matmuls, with_batch

MANY = settings(max_examples=60, deadline=None)


def numbers(cost: SpatialCost) -> list[float]:
    found: list[float] = []
    for value in dataclasses.asdict(cost).values():
        if isinstance(value, dict):
            found += [each for each in value.values() if each is not None]
        elif isinstance(value, (int, float)):
            found.append(value)
    return found


def price(case: tuple[Cascade, Mapping], target=FUSEMAX) -> SpatialCost:
    cascade, mapping = case
    return evaluate(cascade, with_batch(mapping, cascade.extents["b"]), target)


@MANY
@given(matmuls())
def test_figures_are_finite_and_not_negative(case) -> None:
    for figure in numbers(price(case)):
        assert math.isfinite(figure)
        assert figure >= 0


@MANY
@given(matmuls(), st.sampled_from(["dram", "sram"]), st.floats(1, 100))
def test_more_bandwidth_is_never_slower(case, tier: str, factor: float) -> None:
    assert price(case, faster(FUSEMAX, tier, factor)).latency_s <= price(case).latency_s * (1 + 1e-12)


@MANY
@given(matmuls())
def test_doubling_the_batch_doubles_the_work(case) -> None:
    cascade, mapping = case
    twice = dataclasses.replace(cascade, extents={**cascade.extents, "b": 2 * cascade.extents["b"]})
    (nest,) = mapping.nests
    assume(nest.dram_order[0] == "b")
    one, two = price(case), price((twice, mapping))
    assert two.operations["mac"] == 2 * one.operations["mac"]
    assert two.dram_bytes == 2 * one.dram_bytes
    assert two.busy_cycles["array-2d"] == 2 * one.busy_cycles["array-2d"]
    assert two.register_accesses["array-2d"] == 2 * one.register_accesses["array-2d"]
    assert math.isclose(two.total_energy_pj, 2 * one.total_energy_pj, rel_tol=1e-12)
    assert one.latency_s < two.latency_s <= 2 * one.latency_s * (1 + 1e-12)


@MANY
@given(matmuls())
def test_bytes_in_are_bytes_out(case) -> None:
    """What the buffer takes from DRAM is what DRAM gave; nothing is read or written less than once."""
    cascade, _ = case
    cost = price(case)
    size = cascade.extents
    least = {"A": size["b"] * size["m"] * size["k"], "B": size["b"] * size["k"] * size["n"]}
    for tensor, elements in least.items():
        assert cost.dram_read_bytes[tensor] >= 2 * elements
        assert cost.dram_read_bytes[tensor] % (2 * elements) == 0
    outputs = 2 * size["b"] * size["m"] * size["n"]
    assert cost.dram_written_bytes["Z"] == cost.dram_read_bytes["Z"] + outputs
    assert cost.dram_bytes >= cost.compulsory_bytes
    assert cost.buffer_read_bytes >= sum(cost.dram_written_bytes.values())
    assert cost.buffer_written_bytes >= sum(cost.dram_read_bytes.values())


@MANY
@given(matmuls())
def test_nothing_is_faster_than_its_parts(case) -> None:
    cost = price(case)
    assert cost.latency_s >= max(cost.compute_s, cost.buffer_s, cost.dram_s) * (1 - 1e-12)
    assert cost.busy_cycles["array-2d"] <= cost.cycles * (1 + 1e-12)
    assert cost.occupancy["array-2d"] <= cost.utilisation["array-2d"] * (1 + 1e-12)


@MANY
@given(matmuls(), st.permutations("bmnkxyzw"))
def test_names_of_ranks_mean_nothing(case, names) -> None:
    cascade, mapping = case
    new = dict(zip("bmnk", names, strict=False))
    renamed = Cascade(
        tuple(einsum.renamed(new) for einsum in cascade.einsums),
        extents={new[rank]: extent for rank, extent in cascade.extents.items()},
    )
    (nest,) = with_batch(mapping, cascade.extents["b"]).nests
    again = dataclasses.replace(
        nest,
        splits={new[rank]: split for rank, split in nest.splits.items()},
        **{
            order: tuple(new[rank] for rank in getattr(nest, order))
            for order in ("rows", "cols", "dram_order", "buffer_order", "tile_order")
        },
    )
    assert evaluate(renamed, Mapping((again,)), FUSEMAX) == price(case)


def test_zero_work_costs_zero() -> None:
    empty = evaluate(Cascade(()), Mapping(()), FUSEMAX)
    assert empty.latency_s == empty.dram_bytes == empty.total_energy_pj == 0
    cost = attention(0, 12, 64, 64, 1024, 1024, FUSEMAX)
    assert cost.latency_s == cost.dram_bytes == cost.total_energy_pj == cost.cycles == 0
    assert set(cost.busy_cycles.values()) == {0}
    assert not cost.buffer_read_bytes + cost.buffer_written_bytes


@MANY
@given(matmuls(most=300), st.integers(0, 2**32 - 1))
def test_many_at_once_are_each_alone(case, seed: int) -> None:
    """The figures of one mapping among many are those of the mapping by itself, bit for bit."""
    cascade, mapping = case
    (nest,) = with_batch(mapping, cascade.extents["b"]).nests
    random = np.random.default_rng(seed)
    nests = []
    for _ in range(8):
        order = tuple(random.permutation(list("bmnk")))
        inner = {
            rank: Split.of(
                cascade.extents[rank], inner=int(random.integers(1, split.inner + 1)), spatial=split.spatial
            )
            for rank, split in nest.splits.items()
        }
        nests.append(dataclasses.replace(nest, dram_order=order, splits=inner))
    stated = problem(cascade, nest, FUSEMAX)
    points = Points.of(stated, nests)
    together = figures(stated, points)
    good = legal(stated, points)
    for place, each in enumerate(nests):
        if not good[place]:
            continue
        alone = evaluate(cascade, Mapping((each,)), FUSEMAX)
        assert together.latency_s[place] == alone.latency_s
        assert together.dram_bytes[place] == alone.dram_bytes
        assert together.buffer_read[place] == alone.buffer_read_bytes
        assert together.buffer_occupied[place] == alone.buffer_occupied_bytes
        assert math.isclose(together.total_pj[place], alone.total_energy_pj, rel_tol=1e-15)
        assert all(np.isfinite(together.objective(name)[place]) for name in OBJECTIVES)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 2, 4]), st.floats(1, 10))
def test_attention_obeys_them_too(m1: int, tiles: int, p1: int, factor: float) -> None:
    cascade = one_pass(1, 1, 64, 32, m1 * 256, tiles * p1 * 256, 256)
    mapping = fusemax(cascade, FUSEMAX, p1=p1)
    cost = evaluate(cascade, mapping, FUSEMAX)
    assert all(math.isfinite(figure) and figure >= 0 for figure in numbers(cost))
    assert cost.dram_bytes >= cost.compulsory_bytes
    for tier in ("dram", "sram"):
        assert evaluate(cascade, mapping, faster(FUSEMAX, tier, factor)).latency_s <= cost.latency_s
    other = one_pass(2, 1, 64, 32, m1 * 256, tiles * p1 * 256, 256)
    two = evaluate(other, fusemax(other, FUSEMAX, p1=p1), FUSEMAX)
    assert two.dram_bytes == 2 * cost.dram_bytes
    assert two.busy_cycles == {unit: 2 * count for unit, count in cost.busy_cycles.items()}


def test_a_cascade_of_no_matmul_has_a_cost() -> None:
    cascade = parse_cascade("M=64 N=512\nS[m] = sum[n] X[m,n]\nY[m,n] = div(X[m,n], S[m])\n")
    nest = Nest(
        units={"S": "array-1d", "Y": "array-1d"},
        splits={"m": Split(1, 1, 64), "n": Split(1, 512)},
        cols=("m",),
        tile_order=("n",),
    )
    cost = evaluate(cascade, Mapping((nest,)), FUSEMAX)
    assert cost.dram_read_bytes["X"] == 2 * 64 * 512
    assert cost.busy_cycles["array-1d"] == 1024
