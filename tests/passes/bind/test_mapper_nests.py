"""Cutting a cascade into nests: never worse than fusing it all, and no cut through a recurrence."""

from __future__ import annotations

import itertools

import pytest

from penstock.ir import targets
from penstock.ir.errors import InputError
from penstock.ir.view_text import parse_cascade
from penstock.passes.bind.mapper import search
from penstock.passes.bind.mapper_nests import run_of, search_nests
from penstock.sim.cost.spatial.attention import one_pass

FUSEMAX = targets.load("fusemax-cloud")
CHAIN = parse_cascade(
    "A=24 B=20 C=16 D=12\n"
    "H[a,c] = sum[b] mul(X[a,b], W[b,c])\n"
    "G[a,c] = max(H[a,c], 0.0)\n"
    "Y[a,d] = sum[c] mul(G[a,c], U[c,d])\n"
)


@pytest.mark.parametrize("objective", ["latency", "energy", "dram_bytes"])
def test_the_best_cut_is_the_best_of_all_cuts(objective: str) -> None:
    count = len(CHAIN.einsums)
    best = float("inf")
    for cuts in itertools.product((False, True), repeat=count - 1):
        edges = [0, *(at + 1 for at, cut in enumerate(cuts) if cut), count]
        runs = [run_of(CHAIN, a, z) for a, z in itertools.pairwise(edges)]
        best = min(best, sum(search(run, FUSEMAX, objective=objective, budget=20_000).value for run in runs))
    found = search_nests(CHAIN, FUSEMAX, objective=objective, budget=80_000)
    assert found.value == pytest.approx(best, rel=1e-9)
    assert found.bound <= found.value
    figures = {
        "latency": found.cost.latency_s,
        "energy": found.cost.total_energy_pj,
        "dram_bytes": found.cost.dram_bytes,
    }
    assert figures[objective] == pytest.approx(found.value, rel=1e-9)


def test_fusing_a_chain_keeps_what_lies_between_on_chip() -> None:
    found = search_nests(CHAIN, FUSEMAX, objective="dram_bytes", budget=80_000)
    assert len(found.mapping.nests) == 1
    assert found.value == found.bound == 2 * (24 * 20 + 20 * 16 + 16 * 12 + 24 * 12)


def test_no_cut_goes_through_a_recurrence() -> None:
    """RD is read by SPD before RD's next generation is written: both lie in one nest."""
    cascade = one_pass(1, 1, 8, 8, 64, 32, 16)
    found = search_nests(cascade, FUSEMAX, objective="energy", budget=4_000)
    for nest in found.mapping.nests:
        for reader, writer in (("SPD", "RD"), ("SPNV", "RNV"), ("PRM", "RM")):
            assert (reader in nest.units) == (writer in nest.units) or writer == "RM"
    assert sum(len(nest.units) for nest in found.mapping.nests) == len(cascade.einsums)


def test_a_product_of_objectives_does_not_add_up() -> None:
    with pytest.raises(InputError, match="does not add up"):
        search_nests(CHAIN, FUSEMAX, objective="edp")
