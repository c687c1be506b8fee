"""The physical model with a schedule, beside the exact cycles of the SystemVerilog."""

from __future__ import annotations

import pytest

from penstock.ir import targets
from penstock.passes.bind.plan import bind
from penstock.sim.cost.spatial.attention import attention, fusemax, one_pass
from penstock.sim.cost.spatial.epochs import EpochShape, epoch_cycles
from penstock.sim.cost.spatial.physical import evaluate


@pytest.mark.parametrize("name", ["fusemax-small", "fusemax-16x16"])
@pytest.mark.parametrize(("p1", "m1", "heads"), [(2, 2, 1), (4, 8, 2)])
def test_the_model_is_within_two_percent_of_the_rtl(name: str, p1: int, m1: int, heads: int) -> None:
    """Bytes over bandwidth, and the epochs: no figure of the RTL's but the target's."""
    target = targets.load(name)
    rows, cols = target.find_unit("array-2d").shape
    cascade = one_pass(1, heads, 64, 64, m1 * rows, p1 * cols, rows)
    schedule = bind(cascade, target, time_limit_s=10).schedule
    cost = evaluate(cascade, fusemax(cascade, target, p1=p1, single=True), target, schedule=schedule)
    shape = EpochShape.rtl(rows, cols, 64, 64, m1=m1, p1=p1, blocks=heads)
    exact = epoch_cycles(schedule, shape)
    assert cost.cycles == pytest.approx(exact.total, rel=0.02)
    assert cost.busy_cycles == {unit: float(count) for unit, count in exact.busy.items()}


def test_a_schedule_costs_at_least_the_closed_form() -> None:
    """Filling and draining once a block, where the closed form has one after the other without a gap."""
    target = targets.load("fusemax-cloud")
    schedule = bind(one_pass(1, 1, 64, 64, 4096, 4096, 256), target, time_limit_s=10).schedule
    scheduled = attention(64, 12, 64, 64, 4096, 4096, target, schedule=schedule)
    closed = attention(64, 12, 64, 64, 4096, 4096, target)
    assert closed.latency_s < scheduled.latency_s < 1.1 * closed.latency_s
    assert scheduled.dram_bytes == closed.dram_bytes
    assert scheduled.total_energy_pj == closed.total_energy_pj
