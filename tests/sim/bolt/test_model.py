"""The plain model against a dict, invariants after every access; the engine in C against it, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from penstock.ir.errors import FaultError, InputError
from penstock.sim.bolt import BoltConfig, BoltMap, HostMemory, Keys, NativeMap, Op, Records, Trace
from penstock.sim.bolt.adversary import PATTERNS, Load, pattern
from penstock.sim.bolt.adversary.coupling import random_pairs, tape_for
from penstock.sim.bolt.batches import Accesses
from penstock.sim.bolt.invariants import check
from penstock.sim.bolt.page import PageCipher
from penstock.sim.bolt.start import input_pages, memory_bytes, ranges

ALPHAS = (0.0, 0.2, 0.5, 1.0)
SMALL = 64


def full(config: BoltConfig) -> Records:
    draw = np.random.default_rng(9)
    values = draw.integers(0, 256, (config.capacity, config.value_bytes), np.uint8)
    return Records(np.arange(config.capacity, dtype=np.uint32), values)


def as_dict(records: Records) -> dict[int, bytes]:
    return {int(key): value.tobytes() for key, value in zip(records.keys, records.values, strict=True)}


def against_dict(map_: Accesses, load: Load, held: dict[int, bytes], capacity: int) -> None:
    """Play a load in one batch, what would exceed the capacity as a look-up, and compare every answer."""
    ops = load.ops.copy()
    zeros = bytes(load.values.shape[1])
    found, values = [], []
    for at, (op, key) in enumerate(zip(load.ops.tolist(), load.keys.tolist(), strict=True)):
        if op == Op.PUT and key not in held and len(held) == capacity:
            op = ops[at] = Op.GET
        found.append(op != Op.NOP and key in held)
        values.append(held.get(key, zeros) if op in (Op.GET, Op.DEL) else zeros)
        if op == Op.PUT:
            held[key] = load.values[at].tobytes()
        elif op == Op.DEL:
            held.pop(key, None)
    answers = map_.run(ops, load.keys, load.values)
    assert answers.found.tolist() == found
    assert answers.values.tobytes() == b"".join(values)


class Machine(RuleBasedStateMachine):
    """Any operations on few keys of a map of 32, among them its capacity filled and emptied."""

    @initialize(alpha=st.sampled_from(ALPHAS), seed=st.integers(0, 99))
    def start(self, alpha: float, seed: int) -> None:
        self.map = BoltMap(BoltConfig(32, value_bytes=4, alpha=alpha), seed)
        self.cipher = PageCipher(self.map.config, Keys.from_seed(seed).page)
        self.held: dict[int, bytes] = {}

    @rule(key=st.integers(0, 39), value=st.binary(min_size=4, max_size=4))
    def put(self, key: int, value: bytes) -> None:
        if key in self.held or len(self.held) < 32:
            assert self.map.access(Op.PUT, key, value).found == (key in self.held)
            self.held[key] = value

    @rule(key=st.integers(0, 39))
    def get(self, key: int) -> None:
        response = self.map.access(Op.GET, key)
        assert (response.found, response.value) == (key in self.held, self.held.get(key, bytes(4)))

    @rule(key=st.integers(0, 39))
    def delete(self, key: int) -> None:
        response = self.map.access(Op.DEL, key)
        assert (response.found, response.value) == (key in self.held, self.held.pop(key, bytes(4)))

    @rule()
    def nop(self) -> None:
        assert not self.map.access(Op.NOP).found

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "map"):
            check(self.map, self.cipher, self.held)


Machine.TestCase.settings = settings(max_examples=15, stateful_step_count=60, deadline=None)
TestMachine = Machine.TestCase


@pytest.mark.parametrize("alpha", ALPHAS)
def test_invariants_hold_after_every_access_of_every_pattern(alpha: float) -> None:
    config = BoltConfig(SMALL, value_bytes=4, alpha=alpha)
    records = full(config)
    map_, cipher, held = (
        BoltMap(config, initial=records),
        PageCipher(config, Keys.from_seed(0).page),
        as_dict(records),
    )
    check(map_, cipher, held)
    for name in PATTERNS:
        load = pattern(name, config, 30)
        for at in range(len(load)):
            against_dict(
                map_, Load(*(part[at : at + 1] for part in (load.ops, load.keys, load.values))), held, SMALL
            )
            check(map_, cipher, held)
    assert map_.counters.max_stash == 0


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("portable", [False, True])
def test_the_engine_is_the_model_bit_for_bit(alpha: float, portable: bool) -> None:
    config = BoltConfig(256, value_bytes=8, alpha=alpha, base=1 << 12)
    memory = [HostMemory.of(memory_bytes(config, None), trace=Trace()) for _ in range(2)]
    plain = BoltMap(config, 5, memory=memory[0])
    native = NativeMap(config, 5, memory=memory[1], portable=portable)
    for name in ("overwrite", "mixed", "absent", "churn"):
        load = pattern(name, config, 500)
        plainly, natively = (each.run(load.ops, load.keys, load.values) for each in (plain, native))
        assert (plainly.found == natively.found).all()
        assert (plainly.values == natively.values).all()
    assert memory[0].data == memory[1].data
    traces = [each.trace.array() for each in memory if each.trace]
    assert (traces[0] == traces[1]).all()
    found = native.snapshot()
    assert found.loads.tolist() == plain.loads
    assert found.write_counters.tolist() == plain.write_counters
    assert (found.frames_used, found.queued) == (plain.frames.used, plain.frames.queued)
    assert native.counters == plain.counters


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_streaming_places_records_as_puts_would_and_shows_only_sizes(
    kind: type[BoltMap] | type[NativeMap], alpha: float
) -> None:
    config = BoltConfig(256, value_bytes=8, alpha=alpha)
    records = full(config)
    put = kind(config, 3)
    put.put(records.keys, records.values)
    traces = []
    for order in (1, -1):
        turned = Records(records.keys[::order].copy(), records.values[::order].copy())
        memory = HostMemory.of(memory_bytes(config, records), trace=Trace())
        map_ = kind(config, 3, memory=memory, initial=turned)
        assert memory.trace
        traces.append(memory.trace.array())
        answers = map_.get(records.keys)
        assert answers.found.all()
        assert (answers.values == records.values).all()
        if order == 1:
            continue
        again = kind(config, 3, initial=records)
        loads = [
            each.snapshot().loads if isinstance(each, NativeMap) else each.loads for each in (put, again)
        ]
        assert list(loads[0]) == list(loads[1])
    assert (traces[0] == traces[1]).all()
    reads = len(ranges(config)) * input_pages(config, records)
    assert len(traces[0]) == reads + config.host_bins


def test_both_start_the_same_image() -> None:
    config = BoltConfig(256, value_bytes=8, alpha=0.2)
    one, other = (kind(config, 3, initial=full(config)) for kind in (BoltMap, NativeMap))
    assert one.memory.data == other.memory.data


@pytest.mark.parametrize("alpha", ALPHAS)
def test_long_runs_of_the_engine_against_a_dict(alpha: float) -> None:
    config = BoltConfig(1024, value_bytes=4, alpha=alpha)
    records = full(config)
    map_, held = NativeMap(config, 1, initial=records), as_dict(records)
    for name in PATTERNS:
        against_dict(map_, pattern(name, config, 2000), held, config.capacity)
    assert map_.counters.max_stash == map_.counters.max_cam == 0


def test_keys_that_share_their_buckets_go_to_the_cam_and_are_found() -> None:
    config = BoltConfig(32, value_bytes=4)
    map_ = BoltMap(config)
    places: dict[frozenset[int], list[int]] = {}
    for key in range(40000):
        first, second = map_.positions.buckets(key)
        places.setdefault(frozenset((first, second)), []).append(key)
    same = max(places.values(), key=len)[:25]
    values = {key: key.to_bytes(4, "little") for key in same}
    both = [map_, NativeMap(config)]
    for key in same[:24]:
        for each in both:
            assert not each.access(Op.PUT, key, values[key]).found
    for each in both:
        assert each.counters.max_cam == 16
        assert all(each.access(Op.GET, key).value == values[key] for key in same[:24])
        each.access(Op.DEL, same[0])
        each.access(Op.PUT, same[0], values[same[0]])
    with pytest.raises(FaultError, match="CAM"):
        map_.access(Op.PUT, same[24], bytes(4))
    with pytest.raises(FaultError, match="CAM"):
        both[1].access(Op.PUT, same[24], bytes(4))


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_full_bins_overflow_into_the_stash_and_a_full_stash_stops_the_map(
    kind: type[BoltMap] | type[NativeMap],
) -> None:
    config = BoltConfig(256, value_bytes=4, alpha=0.0)
    keys = np.arange(70)
    pairs = np.tile([3, 4], (len(keys), 1))  # all to two bins: 32 fit, 32 are stashed
    tape = tape_for(config, np.full(len(keys), Op.PUT), keys, pairs)
    gets = [*tape[:1] * 200]
    map_ = kind(config, tape=lambda access: [*tape[:64], *gets][access])
    values = np.arange(280, dtype=np.uint8).reshape(70, 4)
    map_.put(keys[:64], values[:64])
    assert map_.counters.max_stash == 32
    answers = map_.get(keys[:32])  # these leave their bins and come back; the stashed stay
    assert (answers.values == values[:32]).all()
    map_.delete(keys[32:34])
    assert map_.get(keys[34:64]).found.all()
    map_.put(keys[32:34], values[32:34])
    with pytest.raises(FaultError, match="stash"):
        map_.put(keys[64:], values[64:])
    assert map_.fault


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_frames_that_run_out_stop_the_map(kind: type[BoltMap] | type[NativeMap]) -> None:
    class Few(BoltConfig):
        frames = 8  # pyright: ignore[reportAssignmentType]

    map_ = kind(Few(256, value_bytes=4, alpha=1.0))
    map_.put(np.arange(8), np.zeros((8, 4), np.uint8))
    with pytest.raises(FaultError, match="frames"):
        map_.access(Op.PUT, 9, bytes(4))


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_an_image_in_a_file_is_the_image_in_memory(
    kind: type[BoltMap] | type[NativeMap], tmp_path: Path
) -> None:
    config = BoltConfig(SMALL, value_bytes=4)
    kept = HostMemory.of(config.image_bytes, tmp_path / "image")
    maps = kind(config, memory=kept), kind(config)
    for each in maps:
        each.put(np.arange(20), np.ones((20, 4), np.uint8))
    assert (tmp_path / "image").read_bytes() == bytes(maps[1].memory.data)


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_what_does_not_fit_is_refused_and_changes_nothing(kind: type[BoltMap] | type[NativeMap]) -> None:
    config = BoltConfig(SMALL, value_bytes=4)
    map_ = kind(config)
    for ask in (
        lambda: map_.access(Op.GET, 1 << 32),
        lambda: map_.access(Op.GET, -1),
        lambda: map_.access(Op.PUT, 1, b"abc"),
        lambda: map_.access(Op.GET, 1, b"abcd"),
        lambda: map_.get(np.array([1.5])),
        lambda: map_.get(np.array([[1]])),
        lambda: map_.get(np.array([-1])),
        lambda: map_.run(np.array([7]), np.array([1])),
        lambda: map_.put(np.array([1]), np.zeros((1, 8), np.uint8)),
        lambda: map_.put(np.array([1]), np.zeros((1, 4), np.int32)),
    ):
        with pytest.raises(InputError):
            ask()
    assert map_.counters.accesses == 0
    assert map_.get(np.array([], int)).values.shape == (0, 4)
    twice = Records(np.zeros(2, np.uint32), np.zeros((2, 4), np.uint8))
    with pytest.raises(InputError, match="twice"):
        kind(config, initial=twice)
    with pytest.raises(InputError, match="65 keys"):
        kind(config, initial=Records(np.arange(65, dtype=np.uint32), np.zeros((65, 4), np.uint8)))


def test_words_of_a_tape_name_the_bins_an_access_shows() -> None:
    config = BoltConfig(SMALL, value_bytes=4, alpha=0.0)
    pairs = random_pairs(config, 40)
    keys, ops = np.arange(40) % 3, np.full(40, Op.PUT)
    tape = tape_for(config, ops, keys, pairs)
    memory = HostMemory.of(config.image_bytes, trace=Trace())
    BoltMap(config, memory=memory, tape=tape.__getitem__).put(keys, np.zeros((40, 4), np.uint8))
    assert memory.trace
    trace = memory.trace.array()
    reads = trace[(trace["direction"] == 0) & (trace["index"] >= 0)]
    assert (reads["address"] // config.page_bytes == pairs.ravel()).all()
