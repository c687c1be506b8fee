"""Solvers side by side, pools, conflicts, very many buffers, and the picture."""

from __future__ import annotations

import importlib
import xml.etree.ElementTree as ET
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import PlanError
from penstock.passes.offsets import (
    Buffer,
    Infeasible,
    check,
    lower_bound_bytes,
    plan,
    plan_pools,
    race,
    read_csv,
)
from penstock.passes.offsets.conflict import minimal_conflict
from penstock.passes.offsets.crowded import crowded
from penstock.passes.offsets.picture import svg
from penstock.passes.offsets.search import Answer

from .test_search import CAPACITY, HARD, random_buffers


def names(error):
    """The buffers of an irreducible conflict."""
    assert error.conflict.minimal
    return [buffer.name for buffer in error.conflict.buffers]


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_race_and_plan_prove_the_same_optimum(seed):
    buffers = random_buffers(Random(seed), most=9)
    raced, planned = race(buffers, time_limit_s=600, jobs=2), plan(buffers, time_limit_s=5)
    check(buffers, raced.plan.offsets)
    assert raced.plan.peak_bytes == planned.peak_bytes
    assert raced.plan.lower_bound_bytes == planned.lower_bound_bytes == planned.peak_bytes


def test_a_hard_instance_is_fitted_side_by_side_and_in_turn():
    buffers = read_csv(HARD)
    for jobs in (1, 2):
        found = race(buffers, capacity=CAPACITY, time_limit_s=600, jobs=jobs)
        check(buffers, found.plan.offsets, CAPACITY)
        assert found.plan.peak_bytes == CAPACITY


def test_one_job_gives_the_same_plan_every_time():
    buffers = read_csv(HARD)
    first, second = (race(buffers, time_limit_s=1, jobs=1, seed=3).plan for _ in range(2))
    assert first == second


def test_without_a_compiler_cp_sat_does_it(monkeypatch):
    for module in ("planner", "race"):
        module = importlib.import_module(f"penstock.passes.offsets.{module}")
        monkeypatch.setattr(module, "available", lambda: False)
    buffers = [Buffer("a", 5, 6, 1, 1), Buffer("b", 0, 1, 3, 4), Buffer("c", 0, 1, 3, 4)]
    assert race(buffers, time_limit_s=600, jobs=2).plan.peak_bytes == 7
    with pytest.raises(Infeasible) as caught:
        race(buffers, capacity=6, time_limit_s=600, jobs=2)
    assert names(caught.value) == ["b", "c"]


def test_when_the_time_is_up_the_best_so_far_is_returned():
    found = race(read_csv(HARD.with_name(f"D.{CAPACITY}.csv")), time_limit_s=1e-3, jobs=2)
    assert found.plan.lower_bound_bytes < found.plan.peak_bytes < 2 * CAPACITY


def test_given_places_that_collide_are_named():
    buffers = [Buffer("a", 0, 4, 8, 1, offset=0), Buffer("b", 2, 5, 8, 1, offset=4)]
    for solve in (plan, race):
        with pytest.raises(PlanError, match="b: the given offsets collide: overlaps a"):
            solve(buffers)


def test_a_given_place_beyond_the_capacity_is_the_conflict():
    buffers = [Buffer("a", 0, 4, 8, 1), Buffer("b", 2, 5, 8, 1, offset=64)]
    with pytest.raises(Infeasible) as caught:
        plan(buffers, capacity=70)
    assert names(caught.value) == ["b"]


def test_a_conflict_that_could_not_be_settled_says_so():
    buffers = [Buffer(f"b{i}", 0, 1, 1, 1) for i in range(4)]
    doubtful = minimal_conflict(buffers, lambda some, effort_s: Answer(proved=len(some) == 4), 60)
    assert (len(doubtful.buffers), doubtful.minimal) == (4, False)
    assert "not proved minimal" in doubtful.text()
    late = minimal_conflict(buffers, lambda some, effort_s: Answer(proved=True), 0)
    assert (len(late.buffers), late.minimal) == (4, False)


def test_questions_that_are_not_settled_use_up_the_effort():
    asked = []

    def never(some, effort_s):
        asked.append(effort_s)
        return Answer()

    found = minimal_conflict([Buffer(f"b{i}", 0, 1, 1, 1) for i in range(400)], never, 2.0)
    assert (len(found.buffers), found.minimal) == (400, False)
    assert 2.0 <= sum(asked) < 2.02
    assert len(asked) < 400


def first_fit(buffers, order):
    """First fit from the definition."""
    placed = []
    for index in order:
        b, offset = buffers[index], 0
        meets = [(o, o + c.size_bytes) for c, o in placed if c.start < b.end and b.start < c.end]
        for low, high in sorted(meets):
            if offset + b.size_bytes <= low:
                break
            offset = max(offset, -(-high // b.align) * b.align)
        placed.append((b, offset))
    return {b.name: offset for b, offset in placed}


@given(st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_greedies_for_crowds_are_valid_and_first_fit_by_size_is_first_fit(seed):
    random = Random(seed)
    buffers = random_buffers(random, most=40)
    for _, offsets in crowded(buffers, jobs=1):
        check(buffers, offsets)
    plain = [Buffer(b.name, b.start, b.end, b.size_bytes, b.align) for b in buffers]
    order = sorted(range(len(plain)), key=lambda i: (-plain[i].size_bytes, -plain[i].steps, i))
    assert dict(crowded(plain, jobs=1))["size-first-fit"] == first_fit(plain, order)


def test_ten_thousand_buffers_are_within_five_per_cent_of_the_bound():
    random = Random(0)
    buffers = []
    for index in range(10_000):
        start = random.randrange(10_000)
        life = 1 + int(random.expovariate(1 / 100))
        buffers.append(Buffer(f"b{index}", start, start + life, 1 + int(random.lognormvariate(8, 1.5))))
    for found in (plan(buffers), race(buffers, time_limit_s=20).plan):
        check(buffers, found.offsets)
        assert found.gap < 0.05


def test_pools_take_what_they_may():
    buffers = [
        Buffer("a", 0, 4, 8, 1, pools=("slow",)),
        Buffer("b", 0, 4, 8, 1),
        Buffer("c", 2, 6, 8, 1, pools=("fast", "slow")),
    ]
    found = plan_pools(buffers, {"fast": 8, "slow": 16})
    check(buffers, found.offsets, pool_of=found.pool_of, capacities={"fast": 8, "slow": 16})
    assert found.pool_of["a"] == "slow"
    with pytest.raises(PlanError, match=r"a: lies in pool fast .*slow"):
        check(
            buffers,
            found.offsets,
            pool_of={**found.pool_of, "a": "fast"},
            capacities={"fast": 8, "slow": 16},
        )
    with pytest.raises(PlanError, match="unknown pool slow"):
        plan_pools(buffers, {"fast": 80})


def test_pools_that_no_first_fit_fills_are_filled_by_cp_sat():
    """Largest first puts 5 and 4 together and is left with a 2; 5 + 3 + 2 and 4 + 4 + 2 fill both."""
    sizes = {"a": 5, "b": 4, "c": 4, "d": 3, "e": 2, "f": 2}
    buffers = [Buffer(name, 0, 1, size, 1) for name, size in sizes.items()]
    found = plan_pools(buffers, {"x": 10, "y": 10}, jobs=1)
    check(buffers, found.offsets, pool_of=found.pool_of, capacities={"x": 10, "y": 10})
    assert found.solver == "cp-sat"
    with pytest.raises(Infeasible) as caught:
        plan_pools([*buffers, Buffer("g", 0, 9, 1, 1)], {"x": 10, "y": 10}, jobs=1)
    assert names(caught.value) == [*"abcdef", "g"]


def test_picture_has_a_rectangle_for_every_live_span():
    buffers = [Buffer("a<b", 0, 9, 64, gaps=((2, 4),)), Buffer("c", 1, 3, 128), Buffer("none", 0, 1, 0)]
    found = plan(buffers)
    root = ET.fromstring(svg(buffers, found, "T & U", {"": 256}))
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sorted((title or "").partition(":")[0] for title in titles) == ["a<b", "a<b", "c"]
    words = " ".join(node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "T & U" in words
    assert str(found.peak_bytes) in words


def test_bound_is_never_above_what_is_found_with_gaps():
    buffers = [Buffer("a", 0, 6, 10, 1, ((2, 4),)), Buffer("b", 2, 4, 10, 1)]
    assert lower_bound_bytes(buffers) == plan(buffers).peak_bytes == 10
