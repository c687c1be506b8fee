"""MEMO's schedule: no hazard whatever the layers, every wait needed, stalls where the closed form says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import PlanError
from penstock.sim.cost.swap import LayerCost, best_alpha
from penstock.sim.cost.swap.schedule import BACK, COMPUTE, OUT, LayerWork, StepWork, simulate, tasks
from penstock.sim.cost.swap.streams import Access, Task, collisions, hazards, run

INSTANCES = 10_000


def _uniform(layers: int, cost: LayerCost, alpha: float, link: float) -> StepWork:
    work = LayerWork(
        cost.forward_s, cost.backward_s, (1 - alpha) * cost.recompute_s, cost.swapped_bytes(alpha), 0, True
    )
    made = (replace(work, buffer=at % 2, swapped=at < layers - 2) for at in range(layers))
    return StepWork(tuple(made), link, link)


def _random_work(draw: random.Random) -> StepWork:
    """Any layers: some keep memory of their own, times may be zero, links of any speed."""
    count = draw.randint(1, 9)
    own = [draw.random() < 0.2 for _ in range(count)]
    buffered = [at for at in range(count) if not own[at]]
    buffers: dict[int, int | None] = dict.fromkeys(range(count))
    buffers |= {at: place % 2 for place, at in enumerate(buffered)}
    last = {buffers[at]: at for at in buffered}

    def seconds() -> float:
        return draw.choice((0.0, 1.0, draw.random() * 10))

    layers = tuple(
        LayerWork(
            seconds(), seconds(), seconds(), seconds(), buffers[at], not own[at] and last[buffers[at]] != at
        )
        for at in range(count)
    )
    return StepWork(layers, 0.1 + draw.random(), 0.1 + draw.random(), seconds(), seconds(), seconds())


def _check(work: StepWork, steps: int) -> None:
    listed = tasks(work, steps)
    assert hazards(listed) == ()
    timeline = run(listed)
    assert collisions(timeline) == ()
    for stream in (COMPUTE, OUT, BACK):
        ran = timeline.stream(stream)
        assert all(one.end <= two.start for one, two in pairwise(ran))
    work_s = sum(layer.forward_s + layer.backward_s + layer.recompute_s for layer in work.layers)
    alone = steps * (work_s + work.begin_s + work.head_s + work.finish_s)
    ends = timeline.stream(COMPUTE)[-1].end
    assert ends == pytest.approx(alone + timeline.stall(COMPUTE))


@pytest.mark.slow
def test_ten_thousand_random_steps_have_no_hazard_and_nothing_overlaps_in_time() -> None:
    draw = random.Random(0)
    for _ in range(INSTANCES):
        _check(_random_work(draw), draw.randint(1, 3))


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_random_steps_have_no_hazard(draw: random.Random, steps: int) -> None:
    _check(_random_work(draw), steps)


def _without(listed: Sequence[Task], task: int, wait: str) -> list[Task]:
    changed = list(listed)
    kept = tuple(each for each in changed[task].waits if each != wait)
    changed[task] = replace(changed[task], waits=kept)
    return changed


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 2))
def test_each_wait_that_is_left_out_is_found(draw: random.Random, steps: int) -> None:
    listed = tasks(_random_work(draw), steps)
    for at, task in enumerate(listed):
        for wait in task.waits:
            assert hazards(_without(listed, at, wait)), f"{task.name} without its wait for {wait}"


SIX = StepWork(tuple(LayerWork(1.0, 2.0, 0.1, 1.0, at % 2, at < 4) for at in range(6)), 1.0, 1.0)


def test_the_input_slot_is_written_before_the_later_layer_begins() -> None:
    """As the paper's prose has it, layer i + 2 waits for the copy of layer i: too late."""
    listed = list(tasks(SIX))
    for at, task in enumerate(listed):
        if task.name.startswith("0/output") and task.waits:
            number = int(task.name.rpartition(" ")[2])
            later = next(i for i, each in enumerate(listed) if each.name == f"0/forward {number + 1}")
            listed[later] = replace(listed[later], waits=(*listed[later].waits, *task.waits))
            listed[at] = replace(task, waits=())
    found = hazards(listed)
    assert {each.place for each in found} == {"buffer 0, input", "buffer 1, input"}
    assert {each.kind for each in found} == {"write after read"}


def test_the_slab_is_not_overwritten_by_the_next_step() -> None:
    """A wait taken on the copy's own stream orders nothing, and the next step's copy meets this one's."""
    listed = [
        replace(task, waits=()) if task.name.startswith(("0/recompute", "0/whole")) else task
        for task in tasks(SIX, 2)
    ]
    slab = {each for each in hazards(listed) if each.place.startswith("slab")}
    assert {(each.kind, each.first[:6], each.second[:5]) for each in slab} == {
        ("write after read", "0/back", "1/out")
    }
    assert len(slab) == 4


def test_the_last_output_does_not_take_the_input_slot_of_the_last_layer_but_one() -> None:
    listed = [
        replace(task, writes=(Access("buffer 0, input", "0/6"),)) if task.name == "0/output 5" else task
        for task in tasks(SIX)
    ]
    assert any(each.second == "0/backward 4" and each.kind == "another content" for each in hazards(listed))


FIGURES = st.floats(0.01, 100)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 12), FIGURES, FIGURES, FIGURES, st.floats(1, 4), st.floats(0, 10), FIGURES, st.floats(0, 1)
)
def test_nothing_stalls_just_up_to_the_fraction_of_the_closed_form(
    layers: int,
    always: float,
    token: float,
    forward: float,
    ratio: float,
    again: float,
    link: float,
    alpha: float,
) -> None:
    cost = LayerCost(always, token, forward, ratio * forward, again)
    limit = best_alpha(cost, layers, link, 1e12).link
    found = simulate(_uniform(layers, cost, alpha, link))
    hidden = layers <= 2 or alpha <= limit
    edge = abs(alpha - limit) * token < 1e-9 * (always + token)
    assert edge or (found.stall_s <= 1e-9 * found.seconds) == hidden
    if 0 <= limit <= 1 and layers > 2:
        assert simulate(_uniform(layers, cost, limit, link)).stall_s <= 1e-9 * found.seconds


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(1, 10))
def test_a_faster_link_is_never_slower(draw: random.Random, faster: float) -> None:
    work = _random_work(draw)
    quick = replace(
        work,
        out_bytes_per_s=faster * work.out_bytes_per_s,
        back_bytes_per_s=faster * work.back_bytes_per_s,
    )
    assert simulate(quick).seconds <= simulate(work).seconds + 1e-9


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: StepWork((), 1.0, 1.0), "no layers"),
        (lambda: StepWork((LayerWork(1, 1, 0, 0, None, False),), 0.0, 1.0), "without bandwidth"),
        (lambda: StepWork((LayerWork(1, 1, 0, 0, 2, False),), 1.0, 1.0), "no buffer 2"),
        (lambda: StepWork((LayerWork(1, 1, 0, 0, 0, True),), 1.0, 1.0), "is copied"),
        (lambda: replace(SIX, layers=SIX.layers[2:] * 2), "used again"),
        (lambda: replace(SIX, layers=(SIX.layers[0], SIX.layers[4])), "buffer of the next layer"),
        (
            lambda: replace(SIX, layers=(replace(SIX.layers[0], copied_bytes=-1), *SIX.layers[1:])),
            "copies -1",
        ),
        (lambda: run([Task("a", "x", float("nan"))]), "takes nan s"),
        (lambda: run([Task("a", "x", 1.0), Task("a", "x", 1.0)]), "named twice"),
        (lambda: run([Task("a", "x", 1.0, ("b",)), Task("b", "x", 1.0)]), "which was not begun"),
    ],
)
def test_steps_that_make_no_sense_are_refused(make, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        make()
