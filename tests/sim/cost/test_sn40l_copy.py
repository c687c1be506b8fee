"""The model of the SN40L's copies on its own: limits, monotony, refusals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError
from penstock.sim.cost.sn40l_copy import CopyModel, Tier
from penstock.sim.rtl.sn40l_memory import DDR, Descriptor, Op, Segment

SEGMENTS = [Segment(0, 1 << 24), Segment(DDR, 1 << 24)]
MODEL = CopyModel()


@st.composite
def descriptors(draw: st.DrawFn) -> Descriptor:
    length, rows = draw(st.integers(1, 3000)), draw(st.integers(1, 12))
    pitch = length + draw(st.integers(0, 200))
    return Descriptor(
        draw(st.sampled_from(Op)),
        length,
        rows,
        draw(st.integers(1, 3)),
        draw(st.integers(0, 1)),
        draw(st.integers(0, 1)),
        draw(st.integers(0, 700)),
        draw(st.integers(0, 700)) + (1 << 20),
        (pitch, 0),
        (pitch, pitch * rows),
    )


@settings(deadline=None, max_examples=60)
@given(descriptors())
def test_never_less_than_the_latencies_and_the_bytes_take(descriptor: Descriptor) -> None:
    cycles = MODEL.cycles(descriptor, SEGMENTS)
    assert math.isfinite(cycles)
    tiers = [MODEL.hbm, MODEL.ddr]
    reads = [tiers[descriptor.source]] if descriptor.op in (Op.LOAD, Op.COPY) else []
    writes = [tiers[descriptor.destination]] if descriptor.op != Op.LOAD else []
    rate = min(32.0, *(tier.bytes_per_cycle for tier in reads + writes))
    assert cycles >= sum(tier.latency for tier in reads + writes) + descriptor.bytes / rate - 32 / rate


@settings(deadline=None, max_examples=40)
@given(descriptors())
def test_slower_memory_is_never_faster_but_for_collisions(descriptor: Descriptor) -> None:
    """Where both sides share channels, which beats meet depends on the rate: that much is allowed."""
    cycles = MODEL.cycles(descriptor, SEGMENTS)
    slow = CopyModel(Tier(4, 3.0, 64), Tier(1, 6.4, 96))
    late = CopyModel(Tier(4, 16 / 9, 164), Tier(1, 4.0, 196))
    within = descriptor.op == Op.COPY and descriptor.source == descriptor.destination
    slack = 8.0 * descriptor.rows if within else 1e-6
    assert slow.cycles(descriptor, SEGMENTS) >= cycles - slack
    assert late.cycles(descriptor, SEGMENTS) >= cycles - slack
    assert CopyModel(refresh=0.2).cycles(descriptor, SEGMENTS) >= cycles - slack
    assert CopyModel(slots=1).cycles(descriptor, SEGMENTS) >= cycles - slack


@settings(deadline=None, max_examples=30)
@given(st.lists(descriptors(), min_size=1, max_size=3))
def test_several_together_take_at_least_as_long_as_each(batch: list[Descriptor]) -> None:
    together = MODEL.together(batch, SEGMENTS)
    assert together >= max(MODEL.cycles(each, SEGMENTS) for each in batch)
    assert MODEL.together([], SEGMENTS) == 0


def test_an_expert_takes_what_the_sheet_says() -> None:
    """An expert of 64 KiB: 65536 / 8 cycles from DDR, a pass over it from HBM 65536 / 72."""
    copy = Descriptor(Op.COPY, 1 << 16, source=1, destination=0)
    assert MODEL.cycles(copy, SEGMENTS) == pytest.approx(8192, rel=0.03)
    quarters = [Descriptor(Op.LOAD, 1 << 14, source_offset=n << 14) for n in range(4)]
    assert MODEL.together(quarters, SEGMENTS) == pytest.approx(911, rel=0.10)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="BOUNDS"):
        MODEL.cycles(Descriptor(Op.LOAD, 1 << 25), SEGMENTS)
    with pytest.raises(InputError, match="slots"):
        CopyModel(slots=17)
    with pytest.raises(InputError, match="channels"):
        Tier(0, 1.0, 1)
    with pytest.raises(InputError, match="does not fit"):
        Descriptor(Op.LOAD, 1, source_strides=(1 << 31, 0))
    with pytest.raises(InputError, match="segment"):
        Segment(1 << 40, 1)
