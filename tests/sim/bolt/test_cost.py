"""Costs of an access: against counters of the map, hand-worked peers, and rates of the RTL."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError, TargetError
from penstock.ir.targets import load
from penstock.sim.bolt import BoltConfig, NativeMap, Trace
from penstock.sim.bolt.cost import (
    Machine,
    bolt,
    hbm_bytes,
    latency_us,
    linear_scan,
    linear_scan_wins_up_to,
    path_oram,
)

SIZES = st.builds(
    BoltConfig,
    capacity=st.sampled_from([1 << log for log in range(6, 24)]),
    value_bytes=st.integers(1, 60).map(lambda words: 4 * words),
    alpha=st.floats(0, 1),
)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5])
def test_the_map_moves_what_is_priced(alpha: float) -> None:
    config, count = BoltConfig(1024, value_bytes=8, alpha=alpha), 20_000
    map_ = NativeMap(config, 1)
    map_.memory.trace = Trace()
    map_.get(np.random.default_rng(1).integers(0, 1024, count))
    trace = map_.memory.trace.array()
    priced = bolt(config)
    assert int(trace["length"].sum()) / count == pytest.approx(priced.bytes, rel=0.01)
    assert map_.counters.host_reads / count == pytest.approx(priced.places, rel=0.01)
    assert priced.blocks == 2 * config.slots * priced.places


def test_peers_by_hand() -> None:
    assert path_oram(1 << 20, 8).blocks == 2 * 4 * 21
    assert path_oram(1 << 20, 8).bytes == 168 * (4 + 8 + 4 + 12 + 16)
    assert linear_scan(1000, 8).bytes == 2 * 1000 * 12
    config = BoltConfig(1 << 20, value_bytes=8)
    turn = linear_scan_wins_up_to(config)
    assert linear_scan(turn, 8).bytes <= bolt(config).bytes < linear_scan(turn + 1, 8).bytes


def test_the_cards_memory_is_the_artifacts_for_a_million_keys() -> None:
    held = hbm_bytes(BoltConfig(1 << 20, value_bytes=8))
    assert held["position map"] == 48 * (1 << 20)  # 48 bytes a key in its memory model
    assert held["frames"] / (8 << 20) == pytest.approx(0.283, rel=0.01)


def test_the_line_through_the_published_latencies() -> None:
    machine = Machine.of(load("bolt-u55c"))
    assert latency_us(0.2, machine) == pytest.approx(2.61 + 1.19 * 1.6)
    assert machine.serial_s(bolt(BoltConfig(1 << 20, value_bytes=8))) * 1e6 == pytest.approx(4.514, abs=0.001)
    with pytest.raises(InputError, match="0 to 1"):
        latency_us(-0.1, machine)
    with pytest.raises(TargetError, match="host"):
        Machine.of(load("h200"))


@settings(deadline=None)
@given(SIZES, st.floats(1e9, 1e12), st.floats(1e-7, 1e-5))
def test_costs_are_sane(config: BoltConfig, rate: float, place: float) -> None:
    machine, traffic = Machine(2.61e-6, place, rate), bolt(config)
    assert 0 <= traffic.places <= 2
    assert machine.serial_s(traffic) >= machine.card_s
    faster = replace(machine, link_bytes_per_s=2 * rate)
    assert faster.streamed_s(traffic) <= machine.streamed_s(traffic)
    assert faster.serial_s(traffic) <= machine.serial_s(traffic)
    more = replace(config, alpha=min(1.0, config.alpha + 0.1))
    assert bolt(more).bytes <= traffic.bytes
    assert all(held >= 0 for held in hbm_bytes(config).values())
