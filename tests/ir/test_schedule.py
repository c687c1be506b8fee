"""Static schedules: the check finds what is wrong, and registers are counted."""

from __future__ import annotations

import pytest

from penstock.ir.errors import PlanError
from penstock.ir.schedule import Edge, Placed, Schedule, Task

MAKE, USE = Task("make", "u", 4), Task("use", "v", 4)


def schedule(period: int, use: int, edge: Edge, stride: int = 1) -> Schedule:
    placed = (Placed(MAKE, 0), Placed(USE, use, stride))
    return Schedule(period, placed, (edge,), ("u", "v"), True, 1)


def test_a_legal_schedule_passes():
    schedule(4, 4, Edge("make", "use")).check()
    schedule(4, 1, Edge("make", "use", streamed=True, depth=1)).check()


@pytest.mark.parametrize(
    ("period", "use", "stride", "edge", "says"),
    [
        (4, 3, 1, Edge("make", "use"), "read before it is there"),
        (3, 4, 1, Edge("make", "use"), "share cycle"),
        (8, 0, 1, Edge("make", "use", streamed=True), "step 0 is read before"),
        (8, 3, 1, Edge("make", "use", streamed=True, depth=1), "overtaken in a queue of 1"),
        (5, 2, 2, Edge("make", "use", streamed=True, depth=3), "overtaken by the next tile's step 0"),
    ],
)
def test_what_is_wrong_is_said(period, use, stride, edge, says):
    with pytest.raises(PlanError, match=says):
        schedule(period, use, edge, stride).check()


def test_a_result_that_outlives_a_period_needs_a_second_register():
    edge = Edge("make", "use", held="v", until=0)
    assert schedule(8, 8, edge).copies("v") == {"make": 1}
    assert schedule(8, 9, edge).copies("v") == {"make": 2}
    assert schedule(8, 9, edge).registers("v") == 2
    assert schedule(8, 9, edge).registers("u") == 0


def test_a_queue_takes_its_depth():
    assert schedule(8, 1, Edge("make", "use", streamed=True, depth=3, held="v")).registers("v") == 3


def test_steps_after_the_switch_have_a_stride_of_their_own():
    place = Placed(MAKE, 3, 2, switch=2, then=1)
    assert [place.at(step) for step in range(4)] == [3, 5, 7, 8]
    assert place.last == 8


def test_json_there_and_back():
    one = schedule(8, 9, Edge("make", "use", held="v", until=0, words=2))
    assert Schedule.from_json(one.to_json()) == one
