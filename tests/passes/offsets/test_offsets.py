"""The arena planner: every plan is valid and above the bound, known optima are met, misfits are explained."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import PlanError
from penstock.passes.offsets import Buffer, busiest, check, lower_bound_bytes, plan, read_csv
from penstock.passes.offsets.search import Search

MINIMALLOC = Path(__file__).parents[2] / "data" / "minimalloc"
CAPACITY = 1048576


@st.composite
def problems(draw, max_buffers=24, aligns=(1, 4, 64)):
    count = draw(st.integers(1, max_buffers))
    buffers = []
    for index in range(count):
        start = draw(st.integers(0, 30))
        steps = draw(st.integers(1, 12))
        size = draw(st.integers(0, 300))
        buffers.append(Buffer(f"b{index}", start, start + steps, size, draw(st.sampled_from(aligns))))
    return tuple(buffers)


def overlapping_pairs(buffers, offsets):
    """Pairs that share a step and a byte, straight from the definition."""
    return [
        (a.name, b.name)
        for a, b in combinations(buffers, 2)
        if max(a.start, b.start) < min(a.end, b.end)
        and max(offsets[a.name], offsets[b.name])
        < min(offsets[a.name] + a.size_bytes, offsets[b.name] + b.size_bytes)
    ]


def live_bytes(buffers):
    return max(sum(b.size_bytes for b in buffers if b.start <= s < b.end) for s in range(50))


@given(problems())
@settings(max_examples=150, deadline=None)
def test_plan_has_no_overlap_and_is_no_smaller_than_the_bound(buffers):
    found = plan(buffers, time_limit_s=0)
    assert overlapping_pairs(buffers, found.offsets) == []
    assert all(found.offsets[b.name] % b.align == 0 for b in buffers)
    assert found.peak_bytes >= found.lower_bound_bytes >= live_bytes(buffers)
    assert found.peak_bytes <= sum(b.size_bytes + b.align for b in buffers)
    assert found.gap >= 0


@given(problems(max_buffers=10))
@settings(max_examples=25, deadline=None)
def test_cp_sat_never_worsens_the_greedy_plan(buffers):
    greedy, improved = plan(buffers, time_limit_s=0), plan(buffers, time_limit_s=0.2)
    assert improved.peak_bytes <= greedy.peak_bytes
    assert improved.lower_bound_bytes >= greedy.lower_bound_bytes
    assert overlapping_pairs(buffers, improved.offsets) == []


@given(problems(), st.data())
@settings(max_examples=150, deadline=None)
def test_checker_agrees_with_the_definition(buffers, data):
    offsets = {b.name: b.align * data.draw(st.integers(0, 600 // b.align)) for b in buffers}
    if overlapping_pairs(buffers, offsets):
        with pytest.raises(PlanError, match="overlaps"):
            check(buffers, offsets)
    else:
        check(buffers, offsets)


@given(problems())
@settings(max_examples=60, deadline=None)
def test_moving_a_buffer_onto_another_live_one_is_caught(buffers):
    offsets = dict(plan(buffers, time_limit_s=0).offsets)
    for a, b in combinations(buffers, 2):
        same_align = a.align == b.align
        if same_align and a.size_bytes and b.size_bytes and max(a.start, b.start) < min(a.end, b.end):
            with pytest.raises(PlanError, match="overlaps"):
                check(buffers, {**offsets, a.name: offsets[b.name]})
            return


def test_checker_names_what_is_wrong():
    buffers = (Buffer("a", 0, 2, 100), Buffer("b", 1, 3, 100))
    with pytest.raises(PlanError, match="b: the buffer has no offset"):
        check(buffers, {"a": 0})
    with pytest.raises(PlanError, match="multiple of 64"):
        check(buffers, {"a": 0, "b": 100})
    with pytest.raises(PlanError, match=r"ends at byte 228.*200 or less"):
        check(buffers, {"a": 0, "b": 128}, capacity=200)
    with pytest.raises(PlanError, match="one name"):
        check((buffers[0], buffers[0]), {"a": 0})


def test_touching_lifetimes_may_share_bytes():
    buffers = (Buffer("a", 0, 2, 128), Buffer("b", 2, 3, 128))
    assert plan(buffers).peak_bytes == 128


def test_alignment_counts_in_the_bound():
    buffers = (Buffer("a", 0, 1, 65), Buffer("b", 0, 1, 65))
    assert lower_bound_bytes(buffers) == 128 + 65
    assert plan(buffers).gap == 0


def test_no_buffers_need_no_arena():
    found = plan(())
    assert (found.peak_bytes, found.lower_bound_bytes, dict(found.offsets)) == (0, 0, {})


def test_empty_buffers_get_an_offset_and_no_bytes():
    found = plan((Buffer("nothing", 0, 5, 0), Buffer("b", 0, 5, 64)))
    assert found.peak_bytes == 64
    assert set(found.offsets) == {"nothing", "b"}


@pytest.mark.parametrize("end", [3, 2])
def test_empty_lifetime_is_refused(end):
    with pytest.raises(PlanError, match="empty"):
        Buffer("b", 3, end, 1)


def test_over_capacity_error_gives_bound_step_and_buffers():
    buffers = (Buffer("small", 0, 9, 64), Buffer("large", 4, 5, 640), Buffer("early", 0, 1, 64))
    with pytest.raises(PlanError) as caught:
        plan(buffers, capacity=500)
    message = str(caught.value)
    assert "this set of 1 does not fit by itself: large (640);" in message
    assert "small" not in message
    assert "early" not in message
    assert "704 bytes or more" in message


def test_capacity_between_bound_and_optimum_is_proved_infeasible():
    # b and c must start at multiples of 4, which the bound cannot use because a need not.
    buffers = (Buffer("a", 5, 6, 1, align=1), Buffer("b", 0, 1, 3, align=4), Buffer("c", 0, 1, 3, align=4))
    found = plan(buffers)
    assert lower_bound_bytes(buffers) == 6
    assert (found.peak_bytes, found.lower_bound_bytes) == (7, 7)
    with pytest.raises(PlanError, match=r"no plan exists: the lower bound is 7; this set of 2"):
        plan(buffers, capacity=6)


def test_busiest_step_lists_its_live_buffers_largest_first():
    step, live = busiest((Buffer("a", 0, 3, 10), Buffer("b", 1, 2, 20), Buffer("c", 5, 6, 25)))
    assert step == 1
    assert [b.name for b in live] == ["b", "a"]


def test_plan_is_deterministic_for_a_seed():
    buffers = read_csv(MINIMALLOC / "B.1048576.csv")
    first, second = (plan(buffers, time_limit_s=0.5, seed=3) for _ in range(2))
    assert first == second


def test_minimalloc_example_reaches_its_capacity():
    assert plan(read_csv(MINIMALLOC / "example.12.csv"), capacity=12).peak_bytes == 12


@pytest.mark.parametrize("name", "ABCDEFGHIJK")
def test_search_fits_the_challenging_minimalloc_instances(name):
    buffers = read_csv(MINIMALLOC / f"{name}.1048576.csv")
    with Search(buffers) as search:
        offsets = search.decide(CAPACITY).offsets
    assert offsets is not None
    check(buffers, offsets, CAPACITY)


def test_greedies_plan_a_hard_instance_within_a_third_of_the_bound():
    found = plan(read_csv(MINIMALLOC / "A.1048576.csv"), time_limit_s=0)
    assert found.gap < 0.34
    assert found.solver.endswith("-fit")
