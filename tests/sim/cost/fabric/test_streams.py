"""Loads that run ahead, the memory they share, and operand queues that empty buffers before PCUs do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sim.cost.fabric.streams import BURSTS, SENDER, Stream, held, shared
from penstock.sim.cost.fabric.works import QUEUE, Read

asked = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(0, 1), max_size=12)


@given(asked, st.floats(0.01, 8))
def test_nobody_gets_more_than_he_asks_nor_less_than_who_gets_all(
    asking: dict[str, float], capacity: float
) -> None:
    given_ = shared(asking, capacity)
    assert sum(given_.values()) <= capacity + 1e-9
    least = min((given_[name] for name in asking if given_[name] < asking[name] - 1e-9), default=math.inf)
    assert all(rate <= min(asking[name], least) + 1e-9 for name, rate in given_.items())
    if sum(asking.values()) > capacity:
        assert sum(given_.values()) == pytest.approx(capacity), "nothing is left while somebody wants more"


@given(st.integers(1, 2000), st.floats(0.01, 1), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1))))
def test_what_has_come_is_there_or_taken(size: int, taken: float, steps: list[tuple[float, float]]) -> None:
    """Steps end at the stream's events, as the model's do: nothing is lost, made up, or without a place."""
    stream = Stream("hbm", taken, float(size), 40.0)
    used = 0.0
    for rate, speed in steps:
        comes = min(rate, stream.asks(speed))
        goes = min(speed, comes / taken) if stream.empty else speed
        cycles = min(stream.until(comes, goes), 1000.0)
        if stream.left <= 1e-6 and stream.ahead < taken * goes * cycles:
            break
        used += taken * goes * cycles
        stream.step(cycles, comes, goes)
        assert 0 <= stream.ahead <= stream.places + 1e-6
        assert used + stream.ahead + stream.left == pytest.approx(size, abs=1e-2)


@pytest.mark.parametrize(("unit", "bursts"), [(1, 1), (16, 1), (17, 2), (132, 9), (512, 32)])
def test_an_agcu_holds_sixteen_bursts_of_one_unit_each(unit: int, bursts: int) -> None:
    assert held(unit, QUEUE) == pytest.approx(BURSTS * unit / bursts + SENDER + QUEUE)


@given(st.integers(1, 100), st.integers(1, 4))
def test_a_buffer_is_read_when_the_last_vector_has_a_place_in_the_queue(vectors: int, tiles: int) -> None:
    """Beside a queue filled and emptied vector by vector, of a PCU that takes them evenly."""
    for tile in range(tiles):
        read = popped = 0
        while read < vectors * (tile + 1):
            read = min(popped + QUEUE, vectors * (tile + 1))
            popped += read < vectors * (tile + 1)
        assert Read("b", "f", vectors).read_at(tile) == pytest.approx(popped / vectors)
        whole, part = divmod(popped, vectors)
        if part:
            assert Read("b", "f", vectors, 0.25).read_at(tile) == pytest.approx(whole + part / vectors / 4)
