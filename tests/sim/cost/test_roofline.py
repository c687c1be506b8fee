"""The roofline: bounds are attained, and the figures obey the metamorphic laws of a cost model."""

from __future__ import annotations

import dataclasses
import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ir import targets
from penstock.ir.errors import InputError, TargetError
from penstock.ir.targets import Target
from penstock.sim.cost.roofline import GroupWork, price

COMPLETE = ("cpu", "h200", "fusemax-cloud", "flat-cloud", "tpu-v4i", "sn40l-socket", "sn40l-small")
CLASSES = ("mac", "add", "mul", "div", "exp", "max", "cmp", "move")

target_of = st.sampled_from(COMPLETE).map(targets.load)
counts = st.dictionaries(st.sampled_from(CLASSES), st.integers(0, 10**15), max_size=len(CLASSES))
sizes = st.integers(0, 10**14)
dtypes = st.sampled_from(["f32", "f16", "bf16", "f64", "i32", "i1"])


@st.composite
def works(draw):
    return GroupWork("g", draw(counts), draw(sizes), draw(sizes), draw(dtypes))


def scaled_bandwidth(target: Target, factor: float) -> Target:
    main = target.main
    faster = dataclasses.replace(
        main,
        bandwidth_read_bytes_per_s=factor * (main.bandwidth_read_bytes_per_s or 0),
        bandwidth_write_bytes_per_s=factor * (main.bandwidth_write_bytes_per_s or 0),
    )
    return dataclasses.replace(target, tier=tuple(faster if t is main else t for t in target.tier))


def scaled_rates(target: Target, factor: float) -> Target:
    units = []
    for unit in target.unit:
        rates = {op: {d: factor * rate for d, rate in by.items()} for op, by in unit.ops_per_cycle.items()}
        units.append(dataclasses.replace(unit, ops_per_cycle=MappingProxyType(rates)))
    return dataclasses.replace(target, unit=tuple(units))


@given(works(), target_of)
def test_figures_are_finite_and_not_negative(work, target):
    found = price(work, target)
    for figure in (found.seconds, found.intensity, found.attainable_flops_per_s):
        assert math.isfinite(figure)
        assert figure >= 0
    assert found.bound in ("compute", "memory")
    assert found.seconds == max(found.compute_seconds, found.memory_seconds)


@given(works(), target_of, st.floats(1, 1e3))
def test_more_bandwidth_is_never_slower(work, target, factor):
    assert price(work, scaled_bandwidth(target, factor)).seconds <= price(work, target).seconds


@given(works(), target_of, st.floats(1, 1e3))
def test_faster_units_are_never_slower(work, target, factor):
    assert price(work, scaled_rates(target, factor)).seconds <= price(work, target).seconds * (1 + 1e-12)


@given(works(), target_of, st.sampled_from(CLASSES), st.integers(0, 10**12))
def test_more_work_is_never_faster(work, target, operator, extra):
    more = {**work.operations, operator: work.operations.get(operator, 0) + extra}
    heavier = dataclasses.replace(work, operations=more)
    assert price(heavier, target).seconds >= price(work, target).seconds
    heavier = dataclasses.replace(work, bytes_read=work.bytes_read + extra)
    assert price(heavier, target).seconds >= price(work, target).seconds


@given(works(), target_of, st.integers(1, 50))
def test_cost_scales_with_the_work(work, target, factor):
    bigger = GroupWork(
        "g",
        {operator: factor * count for operator, count in work.operations.items()},
        factor * work.bytes_read,
        factor * work.bytes_written,
        work.dtype,
    )
    assert price(bigger, target).seconds == pytest.approx(factor * price(work, target).seconds)


@given(target_of, dtypes)
def test_no_work_costs_nothing(target, dtype):
    found = price(GroupWork("g", {}, 0, 0, dtype), target)
    assert (found.seconds, found.intensity, found.attainable_flops_per_s) == (0, 0, 0)


@given(works(), target_of)
def test_attainable_rate_is_under_both_roofs(work, target):
    found = price(work, target)
    if found.memory_seconds and work.flops:
        roof = found.intensity * work.bytes / found.memory_seconds
        assert found.attainable_flops_per_s <= roof * (1 + 1e-9)


def test_large_matmul_runs_at_the_published_peak():
    n = 16384
    work = GroupWork("matmul", {"mac": 2 * n**3}, 4 * n * n, 2 * n * n, "bf16")
    found = price(work, targets.load("h200"))
    assert found.bound == "compute"
    assert found.attainable_flops_per_s == pytest.approx(989e12, rel=1e-3)


def test_copy_runs_at_the_bandwidth_and_counts_no_operations():
    found = price(GroupWork("copy", {"move": 10**9}, 2.4e12, 2.4e12, "f32"), targets.load("h200"))
    assert (found.bound, found.attainable_flops_per_s) == ("memory", 0)
    assert found.seconds == pytest.approx(1.0)


def test_units_work_side_by_side():
    # 940 MHz × 256 dividers for the divisions, while the other array multiplies (FuseMax §VI-A).
    work = GroupWork("g", {"div": 256 * 940e6, "mac": 2 * 65536 * 940e6}, 0, 0, "f16")
    fusemax = targets.load("fusemax-cloud")
    assert price(work, fusemax).seconds == pytest.approx(1 + 65536 / 65792)


@pytest.mark.parametrize(
    ("operations", "bytes_read", "says"),
    [
        ({"mystery": 1}, 0, "unknown operator class 'mystery'"),
        ({"add": -1}, 0, "negative"),
        ({}, math.inf, "infinite"),
    ],
)
def test_impossible_work_is_refused(operations, bytes_read, says):
    with pytest.raises(InputError, match=says):
        GroupWork("g", operations, bytes_read, 0, "f32")


def test_target_without_an_operation_says_what_it_has():
    with pytest.raises(TargetError, match="no unit performs exp"):
        price(GroupWork("softmax", {"exp": 1}, 1, 1, "f32"), targets.load("bitmod-small"))
