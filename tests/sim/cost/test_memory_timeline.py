"""Memory over steps: what is held without reuse, what is live, and what the arena uses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.sim.cost.memory_timeline import Placement, memory_timeline


@st.composite
def stacked(draw):
    """Buffers that never share a byte: one above the other."""
    placements, top = [], 0
    for index in range(draw(st.integers(0, 12))):
        start = draw(st.integers(0, 20))
        size = draw(st.integers(0, 100))
        placements.append(Placement(f"b{index}", start, start + draw(st.integers(1, 9)), top, size))
        top += size
    return placements


@given(stacked())
def test_series_are_ordered_live_below_after_and_before(placements):
    found = memory_timeline(placements)
    assert len(found.before) == len(found.live) == len(found.after) == found.steps
    for before, live, after in zip(found.before, found.live, found.after, strict=True):
        assert 0 <= live <= after
        assert live <= before
    assert list(found.before) == sorted(found.before)


@given(stacked())
def test_peaks_are_the_sum_and_the_arena(placements):
    found = memory_timeline(placements)
    assert found.peak_before_bytes == sum(p.bytes for p in placements)
    assert found.peak_after_bytes == max((p.offset + p.bytes for p in placements if p.bytes), default=0)


def test_series_of_a_shared_arena():
    found = memory_timeline(
        [Placement("a", 0, 2, 0, 10), Placement("b", 1, 3, 10, 5), Placement("c", 2, 4, 0, 8)]
    )
    assert found.before == (10, 15, 23, 23)
    assert found.live == (10, 15, 13, 8)
    assert found.after == (10, 15, 15, 8)


def test_steps_can_go_on_after_the_last_buffer():
    assert memory_timeline([Placement("a", 0, 1, 0, 4)], steps=3).live == (4, 0, 0)
