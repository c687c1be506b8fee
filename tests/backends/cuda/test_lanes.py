"""Streams and events: every order that bytes ask for is given, and the checker notices one that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.backends.cuda.kernel import Buffer, Kernel
from penstock.backends.cuda.lanes import LANES, check, clash, in_lanes
from penstock.backends.cuda.plan import EntryPlan, KernelFacts, Plan, Span, Step
from penstock.backends.cuda.resources import Resources
from penstock.ir.errors import BundleError, PlanError

SECTIONS = {"weights": (0, 16), "arena": (256, 240)}
spans = st.builds(lambda start, size: Span(start, start + size), st.integers(256, 320), st.integers(1, 32))
steps = st.lists(
    st.builds(
        lambda reads, writes, kind: Step("s", kind, {}, reads=tuple(reads), writes=tuple(writes)),
        st.lists(spans, max_size=2),
        st.lists(spans, max_size=1),
        st.sampled_from(["copy", "clear"]),
    ),
    max_size=14,
)


def plan_of(found: tuple[Step, ...]) -> Plan:
    return Plan("sm_80", 512, SECTIONS, {}, {"main": EntryPlan({}, {}, {}, found)})


def ordered(found: tuple[Step, ...]) -> set[tuple[int, int]]:
    """Pairs that lanes and events order, worked out as a closure over all pairs."""
    pairs = {
        (one, two)
        for two, second in enumerate(found)
        for one, first in enumerate(found[:two])
        if first.lane == second.lane or one in second.after
    }
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs |= more


@settings(max_examples=60, deadline=None)
@given(steps)
def test_every_clash_is_ordered_and_no_event_is_idle(listed: list[Step]) -> None:
    found = in_lanes(listed)
    check(plan_of(found))
    given_orders = ordered(found)
    for two in range(len(found)):
        for one in range(two):
            if clash(found[one], found[two]):
                assert (one, two) in given_orders
    assert all(step.lane <= LANES and (step.kind != "copy" or step.lane == LANES) for step in found)
    for number, step in enumerate(found):
        for event in step.after:
            without = tuple(other for other in step.after if other != event)
            fewer = (*found[:number], replace(step, after=without), *found[number + 1 :])
            with pytest.raises(PlanError, match="runs beside step"):
                check(plan_of(fewer))


def test_steps_that_share_nothing_run_side_by_side() -> None:
    read = Span(256, 264)
    three = [
        Step("k", "clear", {}, reads=(read,), writes=(Span(300 + 8 * n, 308 + 8 * n),)) for n in range(3)
    ]
    last = Step("k", "clear", {}, reads=(Span(300, 324),), writes=(Span(400, 408),))
    found = in_lanes([*three, last])
    assert [step.lane for step in found[:3]] == [0, 1, 2]
    assert len(found[3].after) == 2


def test_what_a_plan_may_not_do() -> None:
    write = Span(256, 264)
    good = Step("copy", "copy", {"from": 256, "to": 300}, 8, reads=(write,), writes=(Span(300, 308),))
    check(plan_of((good,)))
    for wrong, message in (
        (replace(good, writes=(Span(8, 20),)), "writes to weights"),
        (replace(good, reads=(Span(508, 520),)), "bytes 508 to 520"),
        (replace(good, after=(3,)), "waits for step 3"),
        (replace(good, kind="kernel"), "no such kernel"),
    ):
        with pytest.raises(PlanError, match=message):
            check(plan_of((wrong,)))
    kernel = Kernel(
        "k",
        "",
        "sm_80",
        (1, 1, 1),
        (32, 1, 1),
        0,
        (Buffer("x", "f32", (4,)), Buffer("y", "f32", (4,), role="out")),
    )
    facts = KernelFacts(kernel, "", Resources(0, 0, 0, 0, 0))
    step = Step("k", "kernel", {"x": 256, "y": 264}, reads=(Span(256, 272),), writes=(Span(264, 280),))
    whole = replace(plan_of((step,)), kernels={"k": facts})
    with pytest.raises(PlanError, match="lies over another"):
        check(whole)
    with pytest.raises(PlanError, match="touches y beyond"):
        check(
            replace(
                whole, entries={"main": EntryPlan({}, {}, {}, (replace(step, writes=(Span(264, 272),)),))}
            )
        )
    with pytest.raises(PlanError, match="section arena overlaps"):
        check(replace(whole, sections={"weights": (0, 300), "arena": (256, 100)}))


def test_a_plan_of_another_schema_is_refused() -> None:
    with pytest.raises(BundleError, match="schema 9"):
        Plan.from_json({"schema": 9}, "plan.json")
