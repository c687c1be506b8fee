"""The whole of BOLT on the RTL, by its driver: answers, host traffic and pages are the software model's."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from penstock import bolt_rtl
from penstock.bolt_rtl import BoltAnswers, Command
from penstock.ir.errors import InputError
from penstock.sim.bolt import memory
from penstock.sim.bolt.config import BoltConfig, Op
from penstock.sim.bolt.keys import Keys
from penstock.sim.bolt.memory import Trace
from penstock.sim.bolt.model import BoltMap
from penstock.sim.bolt.pipeline import ANSWER, Pages, Pipeline
from penstock.sim.bolt.start import Records
from penstock.sim.rtl import bolt
from penstock.sim.rtl.bolt import RESPONSE, Attack, Hardware, Host
from penstock.sim.rtl.bolt_images import boot_images

CONFIG = BoltConfig(capacity=256, value_bytes=16)
KEYS = Keys.from_seed(8)
SERVES = Hardware(in_flight=4, lane_pairs=2, host_timeout=4000)
"""One build for all tests here."""
pytestmark = pytest.mark.slow


def mixed(count: int, seed: int, keys: int = 40) -> list[Command]:
    """Commands of every kind, keys met again and again."""
    draw = random.Random(seed)
    ops = [draw.choice([Op.GET, Op.GET, Op.PUT, Op.PUT, Op.DEL, Op.NOP]) for _ in range(count)]
    return [
        (op, draw.randrange(keys), draw.randbytes(CONFIG.value_bytes) if op is Op.PUT else b"") for op in ops
    ]


def held_to_the_model(commands: Sequence[Command], done: BoltAnswers) -> None:
    """Answers, traffic in its order, and all pages at the end."""
    model = BoltMap(CONFIG, keys=KEYS)
    model.memory.trace = Trace()
    expected = [model.access(op, key, value) for op, key, value in commands]
    assert list(done.answers) == expected
    theirs, ours = model.memory.trace.array(), done.run.host_trace
    for here, there in ((bolt.READ, memory.READ), (bolt.WRITE, memory.WRITE)):
        mine = ours[ours["kind"] == here]
        other = theirs[theirs["direction"] == there]
        assert np.array_equal(mine["address"], other["address"])
        assert np.array_equal(mine["bytes"], other["length"])
    assert done.run.image == bytes(model.memory.data)
    assert done.run.fault == 0


@pytest.mark.parametrize(
    "host",
    [Host(), Host(read_latency=20, write_latency=700, stall=3), Host(gap=900, hbm_seed=77)],
    ids=["streaming", "stalling", "one at a time"],
)
def test_the_rtl_is_the_model_in_answers_traffic_and_pages(host: Host) -> None:
    commands = mixed(150, seed=1)
    held_to_the_model(commands, bolt_rtl.run(CONFIG, KEYS, commands, hardware=SERVES, host=host))


def test_the_same_key_again_and_again_is_served_from_what_the_access_before_left() -> None:
    commands: list[Command] = [(Op.PUT, 5, bytes([n]) * CONFIG.value_bytes) for n in range(3)]
    for n in range(20):
        commands += [(Op.GET, 5, b""), (Op.PUT, 5, bytes([n]) * CONFIG.value_bytes), (Op.GET, 5, b"")]
    commands += [(Op.DEL, 5, b""), (Op.GET, 5, b""), (Op.NOP, 5, b""), (Op.DEL, 5, b"")]
    held_to_the_model(commands, bolt_rtl.run(CONFIG, KEYS, commands, hardware=SERVES))


def test_hosts_see_the_same_cycles_whatever_hbm_does() -> None:
    """HBM's latencies differ from seed to seed; nothing outside may."""
    commands = mixed(40, seed=2)
    runs = [
        bolt_rtl.run(CONFIG, KEYS, commands, hardware=SERVES, host=Host(hbm_seed=seed)).run for seed in (1, 2)
    ]
    assert np.array_equal(runs[0].trace, runs[1].trace)


@pytest.mark.parametrize("latency", [40, 300])
def test_the_cycle_model_is_the_rtl_within_5_cycles_an_access(latency: int) -> None:
    commands = mixed(150, seed=6)
    model = BoltMap(CONFIG, keys=KEYS)
    model.memory.trace = Trace()
    for command in commands:
        model.access(*command)
    touched: list[list[int]] = [[] for _ in commands]
    for event in model.memory.trace.array():
        if event["direction"] == memory.READ:
            touched[event["index"]].append(int(event["address"]))
    pages: list[Pages] = [(its[0] if its else None, its[1] if len(its) > 1 else None) for its in touched]
    done = bolt_rtl.run(CONFIG, KEYS, commands, hardware=SERVES, host=Host(latency, latency)).run
    told = [0]
    pipeline = Pipeline(SERVES.in_flight, SERVES.deadline, latency, latency, SERVES.lane_pairs)
    for commit in pipeline.commits(CONFIG, pages):
        told.append(max(commit, told[-1] + ANSWER))
    ends = done.trace["cycle"][done.trace["kind"] == RESPONSE].astype(int)
    assert np.abs(np.diff(told[1:]) - np.diff(ends)).max() <= 5


def test_a_changed_page_stops_it_for_good() -> None:
    commands = mixed(60, seed=3)
    done = bolt_rtl.run(
        CONFIG, KEYS, commands, hardware=SERVES, host=Host(attacks=(Attack("flip", 20, 7, 3),))
    )
    assert done.run.fault == 1
    host = done.run.host_trace
    assert np.all(host["cycle"] <= done.run.fault_cycle + 1)
    assert len(done.answers) < len(commands)
    assert np.count_nonzero(done.run.trace["kind"] == RESPONSE) == len(commands)


def test_a_value_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="3 bytes"):
        bolt_rtl.run(CONFIG, KEYS, [(Op.PUT, 1, b"abc")])


def test_a_filled_map_boots_from_its_images() -> None:
    count = CONFIG.capacity
    draw = np.random.default_rng(4)
    keys = draw.choice(1 << 32, count, replace=False).astype(np.uint32)
    values = draw.integers(0, 256, (count, CONFIG.value_bytes), dtype=np.uint8)
    records = Records(keys, values)
    boot = boot_images(BoltMap(CONFIG, keys=KEYS, initial=records))
    some = random.Random(5)
    commands: list[Command] = []
    for _ in range(120):
        key = int(some.choice(keys)) if some.random() < 0.9 else some.randrange(1 << 32)
        op = some.choice([Op.GET, Op.GET, Op.PUT, Op.DEL])
        commands.append((op, key, some.randbytes(CONFIG.value_bytes) if op is Op.PUT else b""))
    model = BoltMap(CONFIG, keys=KEYS, initial=records)
    done = bolt_rtl.run(CONFIG, KEYS, commands, hardware=SERVES, boot=boot)
    assert list(done.answers) == [model.access(*command) for command in commands]
    assert done.run.image == bytes(model.memory.data)[: CONFIG.image_bytes]


def test_a_map_that_has_served_does_not_boot() -> None:
    model = BoltMap(CONFIG, keys=KEYS)
    model.access(Op.NOP)
    with pytest.raises(InputError, match="has served"):
        boot_images(model)
