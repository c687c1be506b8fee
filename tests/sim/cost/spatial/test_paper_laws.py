"""The laws of a cost model on the paper's closed forms, and the physical model beside them."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.sim.cost.spatial import paper
from penstock.sim.cost.spatial.attention import attention
from penstock.sim.cost.spatial.paper.figures import CONFIGURATIONS

LENGTHS = tuple(paper.SEQUENCES)
configurations = st.sampled_from(tuple(CONFIGURATIONS))
works = st.builds(paper.workload, st.sampled_from(["bert", "trxl", "t5", "xlm"]), st.sampled_from(LENGTHS))
one_pass = st.sampled_from(["cascade", "architecture", "binding"])


def closed(work: paper.Workload, configuration: str, **changes) -> paper.Figures:
    form, chip = CONFIGURATIONS[configuration]
    return form(work, dataclasses.replace(paper.chip(chip), **changes))


@settings(max_examples=60, deadline=None)
@given(works, configurations)
def test_figures_are_finite_and_not_negative(work, configuration: str) -> None:
    found = closed(work, configuration)
    for figure in (found.latency_s, found.dram_bytes, found.energy_j, *found.components_j.values()):
        assert math.isfinite(figure)
        assert figure >= 0
    for share in (found.util_1d, found.util_2d):
        assert share is not None
        assert 0 < share <= 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(works, configurations, st.floats(1, 1000))
def test_more_bandwidth_is_never_slower(work, configuration: str, factor: float) -> None:
    bandwidth = paper.chip(CONFIGURATIONS[configuration][1]).bandwidth_bytes_per_s
    faster = closed(work, configuration, bandwidth_bytes_per_s=factor * bandwidth)
    assert faster.latency_s <= closed(work, configuration).latency_s * (1 + 1e-12)


@settings(max_examples=60, deadline=None)
@given(works, configurations)
def test_doubling_the_batch_doubles_everything(work, configuration: str) -> None:
    """But the energy of long sequences, where an overflow in the artifact's statistics counts too."""
    one, two = (closed(dataclasses.replace(work, b=b), configuration) for b in (64, 128))
    for figure in ("latency_s", "dram_bytes", "energy_j")[: 3 if work.m < 2**16 else 2]:
        assert getattr(two, figure) == pytest.approx(2 * getattr(one, figure), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(works, one_pass, st.integers(2, 64))
def test_a_larger_buffer_never_moves_more(work, configuration: str, times: int) -> None:
    size = paper.chip(CONFIGURATIONS[configuration][1]).buffer_bytes
    assert (
        closed(work, configuration, buffer_bytes=times * size).dram_bytes
        <= closed(work, configuration).dram_bytes
    )


@settings(max_examples=60, deadline=None)
@given(works, configurations)
def test_operands_are_moved_at_least_once(work, configuration: str) -> None:
    assert closed(work, configuration).dram_bytes >= 4 * work.operand_bytes


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("model", ["bert", "xlm"])
def test_the_physical_model_is_the_papers_and_what_it_leaves_out(model: str, length: str) -> None:
    """The same traffic; a little more time (filling, draining, one tile of queries); more energy."""
    work = paper.workload(model, length)
    chip = paper.chip("fusemax-cloud")
    ours = attention(work.b, work.h, work.e, work.f, work.m, work.p, chip.target)
    theirs = closed(work, "binding")
    assert ours.dram_bytes == theirs.dram_bytes
    assert theirs.latency_s <= ours.latency_s <= 1.02 * theirs.latency_s
    assert 1.05 * theirs.energy_j <= ours.total_energy_pj * 1e-12 <= 1.25 * theirs.energy_j
