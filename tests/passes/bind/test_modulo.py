"""Modulo schedules: never below the bound, never wrong, and as short as brute force finds them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penstock.ir.errors import PlanError
from penstock.ir.schedule import Edge, Placed, Schedule, Task
from penstock.ir.targets import load
from penstock.passes.bind.bounds import lower_bound
from penstock.passes.bind.cascades import attention_cascade
from penstock.passes.bind.graph import tile_graph
from penstock.passes.bind.modulo import schedule_tile

from .cases import attention

UNITS = ("array-2d", "array-1d")
CLOUD = load("fusemax-cloud")
REGISTERS = {"array-2d": 10, "array-1d": 32}


def epoch(embedding: int, side: int, p1: int = 4, copies: int | None = 2) -> Schedule:
    tasks, edges = tile_graph(attention(embedding, side, p1), CLOUD, rows=side, cols=side, p1=p1)
    return schedule_tile(tasks, edges, units=UNITS, copies=copies, registers=REGISTERS)


def task(name: str, steps: int, unit: str = "u") -> Task:
    return Task(name, unit, steps)


@st.composite
def graphs(draw: st.DrawFn, most: int = 5) -> tuple[list[Task], list[Edge]]:
    """Tasks on two units; edges forward within a tile, and anywhere to later tiles."""
    count = draw(st.integers(1, most))
    tasks = [task(f"t{i}", draw(st.integers(1, 4)), draw(st.sampled_from("uv"))) for i in range(count)]
    edges = []
    for _ in range(draw(st.integers(0, 2 * count))):
        one, other = draw(st.sampled_from(tasks)), draw(st.sampled_from(tasks))
        forward = tasks.index(one) < tasks.index(other)
        streamed = forward and one.steps == other.steps and draw(st.booleans())
        edges.append(
            Edge(
                one.name,
                other.name,
                latency=draw(st.integers(1, 5)),
                distance=0 if forward and draw(st.booleans()) else draw(st.integers(1, 3)),
                streamed=streamed,
                depth=draw(st.sampled_from([None, one.steps, 2])) if streamed else None,
            )
        )
    return tasks, edges


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_every_schedule_passes_the_check_and_respects_the_bound(graph):
    tasks, edges = graph
    try:
        found = schedule_tile(tasks, edges, units=("u", "v"), time_limit_s=5)
    except PlanError as error:
        # A reader that waits for all of what its queue cannot hold waits for ever, whatever the period.
        if "queues" in error.message and any(edge.depth == 2 for edge in edges):
            return
        raise
    found.check()
    assert found.period >= lower_bound(tasks, edges, ("u", "v")).cycles == found.lower_bound
    assert min(place.first for place in found.placed) == 0


def legal(period: int, placed: tuple[Placed, ...], edges: list[Edge]) -> bool:
    try:
        Schedule(period, placed, tuple(edges), ("u", "v"), False, 1).check()
    except PlanError:
        return False
    return True


def brute_period(tasks: list[Task], edges: list[Edge], most: int) -> int:
    """The shortest period, by trying every cycle and stride of every task."""
    work = sum(each.steps for each in tasks) + sum(edge.latency for edge in edges)
    for period in range(1, most + 1):
        choices = [
            [
                Placed(each, first, stride)
                for first in range(min(2 * period + work, 14))
                for stride in ((1,) if each.steps == 1 else (1, 2))
                if (each.steps - 1) * stride < period
            ]
            for each in tasks
        ]
        if any(legal(period, placed, edges) for placed in itertools.product(*choices)):
            return period
    raise AssertionError(f"no period up to {most}")


@settings(max_examples=12, deadline=None)
@given(graphs(most=2))
def test_the_period_is_what_brute_force_finds(graph):
    tasks, edges = graph
    assume(len({(edge.producer, edge.consumer) for edge in edges}) == len(edges))
    found = schedule_tile(tasks, edges, units=("u", "v"), max_stride=2, time_limit_s=5)
    assert found.optimal
    assert found.period == brute_period(tasks, edges, found.period)


def test_two_streams_take_turns_on_one_unit():
    """A queue of one word forces consumer and producer of a stream to go cycle by cycle."""
    tasks = [task("make", 4), task("use", 4)]
    found = schedule_tile(tasks, [Edge("make", "use", streamed=True, depth=1)], units=("u",))
    assert found.period == 8
    assert {place.stride for place in found.placed} == {2}


def test_a_recurrence_bounds_the_period():
    tasks = [task("a", 1), task("b", 1)]
    edges = [Edge("a", "b", latency=5), Edge("b", "a", latency=4, distance=2)]
    bound = lower_bound(tasks, edges, ("u",))
    assert (bound.resource, bound.recurrence) == (2, 5)
    assert "recurrence" in bound.reason
    assert schedule_tile(tasks, edges, units=("u",)).period == 5


@pytest.mark.parametrize(
    ("embedding", "side", "period"), [(4, 4, 18), (8, 8, 26), (16, 4, 42), (64, 16, 138)]
)
def test_attention_reaches_the_bound_at_the_sizes_of_the_rtl(embedding, side, period):
    found = epoch(embedding, side)
    assert (found.period, found.lower_bound, found.optimal) == (period, period, True)
    assert max(*found.copies("array-2d").values(), *found.copies("array-1d").values()) <= 2
    assert all(found.registers(unit) <= REGISTERS[unit] for unit in UNITS)


@pytest.mark.parametrize(("e", "f", "period"), [(16, 8, 33), (8, 16, 42)])
def test_the_longer_of_two_streams_shares_the_unit_only_as_long_as_the_other_runs(e, f, period):
    """E > F: 2D E + F + 9; E < F: 1D 2F + 10."""
    cascade = attention_cascade(e=e, f=f, m1=4, m0=8, p1=4, p0=8)
    tasks, edges = tile_graph(cascade, CLOUD, rows=8, cols=8, p1=4, depth=2)
    found = schedule_tile(tasks, edges, units=UNITS, copies=2, registers=REGISTERS)
    assert (found.period, found.optimal) == (period, True)


@pytest.mark.parametrize(
    ("embedding", "p1", "period"), [(64, 128, 138), pytest.param(128, 64, 266, marks=pytest.mark.slow)]
)
def test_attention_reaches_the_papers_period_on_the_papers_array(embedding, p1, period):
    """FuseMax §V: 2F + 10 cycles a tile, the 1D array always busy, in spite of 256 cycles of drain."""
    found = epoch(embedding, 256, p1, copies=None)
    assert (found.period, found.optimal) == (period, True) == (2 * embedding + 10, True)
    assert found.busy("array-1d") == found.period
    assert found.busy("array-2d") == 2 * embedding + 9
    assert found.stages >= 4
    assert found.find("SLNV").stride == found.find("BQK").stride == 2


def test_the_same_seed_gives_the_same_schedule():
    assert epoch(8, 4) == epoch(8, 4)


def test_fewer_copies_of_a_register_lengthen_the_period():
    """One copy: a score may not outlive its period, though it waits for its maximum to drain."""
    tasks, edges = tile_graph(attention(4, 16), CLOUD, rows=16, cols=16, p1=4)
    roomy = schedule_tile(tasks, edges, units=UNITS, copies=2)
    tight = schedule_tile(tasks, edges, units=UNITS, copies=1)
    assert tight.period > roomy.period
    assert max(tight.copies("array-2d").values()) == 1


def test_a_result_that_waits_for_itself_is_refused():
    edges = [Edge("a", "b"), Edge("b", "a")]
    with pytest.raises(PlanError, match="wait for themselves"):
        schedule_tile([task("a", 1), task("b", 1)], edges, units=("u",))


def test_a_queue_too_short_is_refused():
    """The reader starts when all is there; a queue that must keep all of it has room for one."""
    tasks = [task("make", 4), task("sum", 4), task("use", 4)]
    edges = [Edge("make", "use", streamed=True, depth=1), Edge("make", "sum"), Edge("sum", "use")]
    with pytest.raises(PlanError, match="no schedule with these queues"):
        schedule_tile(tasks, edges, units=("u",), time_limit_s=5)


def test_a_tile_too_long_for_the_solver_is_refused():
    with pytest.raises(PlanError, match="too long to be scheduled cycle by cycle"):
        schedule_tile([task("a", 4096), task("b", 4096)], [Edge("a", "b")], units=("u",))


def test_too_few_registers_are_refused():
    edges = [Edge("a", "b", held="u", words=3)]
    with pytest.raises(PlanError, match="more registers"):
        schedule_tile([task("a", 1), task("b", 1)], edges, units=("u",), registers={"u": 2}, time_limit_s=5)


@pytest.mark.parametrize(
    ("tasks", "edges", "says"),
    [
        ([Task("a", "x", 1)], [], "no unit 'x'"),
        ([task("a", 0)], [], "no steps"),
        ([task("a", 1), task("a", 2)], [], "one name"),
        ([task("a", 1)], [Edge("a", "b")], "no task 'b'"),
        ([task("a", 1), task("b", 2)], [Edge("a", "b", streamed=True)], "different numbers of steps"),
        ([task("a", 2), task("b", 2)], [Edge("a", "b", streamed=True, depth=0)], "no depth"),
        ([], [], "nothing to schedule"),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(tasks, edges, says):
    with pytest.raises(PlanError, match=says):
        schedule_tile(tasks, edges, units=("u",))
