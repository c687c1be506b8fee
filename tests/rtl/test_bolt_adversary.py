"""What an adversary at BOLT's host sees and can do, on the RTL; all of it is in bolt_system.py."""

from __future__ import annotations

import pytest
from bolt_attacks import AXI_READ, PAGE_TAG, Trial, trials, wrong
from bolt_device import Device, brimming, commands_of, coupled, crowded, differences
from bolt_timing import effects, spread

from penstock.sim.bolt.adversary import failing, first_difference, pattern
from penstock.sim.bolt.config import BoltConfig
from penstock.sim.rtl.bolt import Attack, Hardware, Host

DEVICE = Device(BoltConfig(capacity=256), Hardware(in_flight=4, lane_pairs=2, host_timeout=4000))
"""The sizes of test_bolt_system.py, so that the model is built once."""
LEFT_OUT = ("no frame left",)
"""Attacks that take long: bolt_system.py has them."""


@pytest.mark.slow
def test_unlike_sequences_on_one_tape_have_one_trace_to_the_cycle() -> None:
    traces = {}
    for number, name in enumerate(("mixed", "overwrite", "absent", "nop", "churn")):
        commands = commands_of(pattern(name, DEVICE.config, 50, 61))
        tape = coupled(DEVICE.config, commands, 62)
        run = DEVICE.run(commands, Host(hbm_seed=number + 1), tape).run
        assert run.fault == 0, name
        traces[name] = run.trace
    first = traces["mixed"]
    assert {name: first_difference(first, trace) for name, trace in traces.items()} == dict.fromkeys(traces)


@pytest.mark.slow
def test_an_accesses_time_is_one_of_its_visible_pages_alone() -> None:
    commands = commands_of(pattern("mixed", DEVICE.config, 50, 63))
    assert failing(effects(DEVICE, commands)) == []
    assert max(spread(DEVICE, commands)) == 1


@pytest.mark.slow
def test_a_crowd_in_two_bins_is_served_from_the_stash() -> None:
    commands, tape = crowded(DEVICE.config, 80, 64)
    host = Host(read_latency=20, write_latency=20)
    done, told = DEVICE.run(commands, host, tape), DEVICE.modelled(commands, tape)
    assert told.model.counters.max_stash > 8
    assert differences(DEVICE, commands, done, told) == []


@pytest.mark.slow
def test_lists_and_pages_hold_as_many_keys_as_they_have_slots() -> None:
    commands, tape = brimming(DEVICE.config)
    host = Host(read_latency=20, write_latency=20)
    done, told = DEVICE.run(commands, host, tape), DEVICE.modelled(commands, tape)
    assert told.model.counters.max_queue == 2 * DEVICE.config.slots
    assert differences(DEVICE, commands, done, told) == []


@pytest.fixture(scope="module")
def attacks() -> dict[str, Trial]:
    return trials(DEVICE, seed=2, length=60)


@pytest.mark.slow
def test_every_attack_ends_in_its_fault_and_nothing_leaves(attacks: dict[str, Trial]) -> None:
    found = {name: wrong(DEVICE, trial) for name, trial in attacks.items() if name not in LEFT_OUT}
    assert found == {name: [] for name in found}
    assert sum(trial.code == PAGE_TAG for trial in attacks.values()) >= 8


@pytest.mark.slow
def test_a_fault_in_any_step_of_a_slot_is_the_one_that_stays() -> None:
    """What units still answer of the slot that a fault cut off is no second fault, and stops no run."""
    commands = commands_of(pattern("mixed", DEVICE.config, 16, 65))
    for latency in range(100, 280, 6):  # over a slot's length, in steps shorter than the answers' way
        host = Host(read_latency=latency, quiet=600, attacks=(Attack("rerror", 8, 2),))
        assert DEVICE.run(commands, host).run.fault == AXI_READ, latency
