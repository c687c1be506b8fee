"""Simulated loads against the mean-field limit and against the map itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError
from penstock.sim.bolt import BoltConfig, NativeMap
from penstock.sim.bolt.bounds import PATTERNS, simulate, tail


@pytest.mark.parametrize(
    ("mean", "slots", "log"),
    [(1, 5, -28.5), (2, 7, -45.3), (4, 10, -71.0), (8, 14, -56.7), (8, 16, -229), (16, 23, -96)],
)
def test_the_tail_is_the_fixed_point_worked_out_elsewhere(mean: int, slots: int, log: float) -> None:
    assert tail(mean, slots) == pytest.approx(log, abs=0.5)


def test_loads_in_a_long_run_are_the_mean_fields() -> None:
    config = BoltConfig(1 << 17)
    found = simulate(config, "uniform", 2_000_000)
    for load in (5, 8, 10, 11):
        share = sum(found.bins_by_load[load:]) / config.bins
        assert share == pytest.approx(2 ** tail(8, load), rel=0.15), load


def test_the_simulation_has_the_maps_loads() -> None:
    config = BoltConfig(4096, value_bytes=4, alpha=0.3)
    map_ = NativeMap(config, 1)
    map_.put(np.arange(4096), np.zeros((4096, 4), np.uint8))
    map_.get(np.random.default_rng(1).integers(0, 4096, 100_000))
    real, simulated = map_.counters, simulate(config, "uniform", 100_000)
    assert abs(real.max_load - simulated.max_load) <= 1
    assert simulated.max_h == pytest.approx(real.max_hbm, rel=0.03)
    assert simulated.max_q == pytest.approx(real.max_queue, rel=0.05)
    touches = 2 * 100_000 * config.host_bins / config.bins
    assert simulated.touches == pytest.approx(touches, rel=0.01)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(5, 12),
    st.sampled_from((1, 2, 4, 8)),
    st.floats(0, 1),
    st.sampled_from(PATTERNS),
    st.integers(0, 5000),
)
def test_no_key_is_lost_and_no_frame_bound_broken(
    log: int, mean: int, alpha: float, pattern: str, accesses: int
) -> None:
    config = BoltConfig(1 << log, alpha=alpha, bin_keys=mean, slots=mean + 12)
    found = simulate(config, pattern, accesses, seed=log)
    keys = sum(load * bins for load, bins in enumerate(found.bins_by_load))
    assert (keys, sum(found.bins_by_load)) == (config.capacity, config.bins)
    assert found.max_h <= config.capacity
    assert found.max_h + found.max_q <= config.frames
    assert found.max_load <= config.slots
    assert found.stashed == 0


def test_a_chosen_bin_that_is_full_is_counted() -> None:
    assert simulate(BoltConfig(1024, slots=9), "uniform", 10_000).stashed > 0


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(InputError, match="round-robin"):
        simulate(BoltConfig(), "backwards", 1)
