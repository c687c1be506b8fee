"""What host memory shows: the same for all sequences (T1, T2), chance alone (T3), nothing by time (T4)."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.ir.errors import InputError
from penstock.sim.bolt import BoltConfig, BoltMap, HostMemory, NativeMap, Op, Response, Trace
from penstock.sim.bolt.adversary import (
    PATTERNS,
    Finding,
    Load,
    against_uniform,
    failing,
    first_difference,
    hidden_effects,
    pattern,
    shape_faults,
    tape_for,
    touched_by_access,
    two_sample,
    variant_a,
    welch_t,
)
from penstock.sim.bolt.adversary.coupling import random_pairs
from penstock.sim.bolt.adversary.shape import page_counts
from penstock.sim.bolt.page import Slot
from penstock.sim.bolt.position_map import Entry

LONG = 250_000


def full_map(config: BoltConfig, seed: int) -> NativeMap:
    """A map of keys 0…N−1 that begins to be traced."""
    map_ = NativeMap(config, seed)
    map_.put(np.arange(config.capacity), np.zeros((config.capacity, config.value_bytes), np.uint8))
    map_.memory.trace = Trace()
    return map_


def events(map_: NativeMap | BoltMap) -> np.ndarray:
    """Its trace, accesses counted from the trace's first."""
    assert map_.memory.trace
    trace = map_.memory.trace.array()
    trace["index"] -= trace["index"].min() if len(trace) else 0
    return trace


def shown(config: BoltConfig, load: Load, seed: int) -> np.ndarray:
    """Host bins of each access of a load to a full map, its shape checked."""
    map_ = full_map(config, seed)
    first = map_.counters.accesses
    map_.run(load.ops, load.keys, load.values)
    assert map_.memory.trace
    trace = map_.memory.trace.array()
    trace["index"] -= first
    assert shape_faults(config, trace[trace["index"] < 1000]) == []
    return touched_by_access(config, trace, len(load))


# T1


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_all_patterns_have_one_trace_when_the_pairs_are_fixed(
    kind: type[BoltMap] | type[NativeMap], alpha: float
) -> None:
    config = BoltConfig(256, value_bytes=4, alpha=alpha)
    filled, length = config.capacity, 600 if kind is NativeMap else 150
    pairs = random_pairs(config, filled + length, seed=3)
    fill = Load(
        np.full(filled, Op.PUT, np.uint8), np.arange(filled, dtype=np.uint32), np.zeros((filled, 4), np.uint8)
    )
    traces, hits = {}, set()
    for name in PATTERNS:
        load = pattern(name, config, length, seed=5)
        load = Load(
            *(np.concatenate(parts) for parts in zip(vars(fill).values(), vars(load).values(), strict=True))
        )
        memory = HostMemory.of(config.image_bytes, trace=Trace())
        tape = tape_for(config, load.ops, load.keys, pairs)
        map_ = kind(config, memory=memory, tape=tape.__getitem__)
        map_.run(load.ops, load.keys, load.values)
        traces[name] = events(map_)
        hits.add(map_.counters.hits)
        assert map_.counters.max_stash == 0
    assert len(hits) > 3, "patterns too much alike to prove anything"
    for name, trace in traces.items():
        assert first_difference(traces["uniform"], trace) is None, f"{name} can be told from uniform"


class SkipsWrites(BoltMap):
    """Leaves a page alone that holds what it held."""

    opened: tuple[int, list[Slot]] | None = None

    def _read(self, index: int, bin_: int) -> list[Slot]:
        slots = super()._read(index, bin_)
        self.opened = bin_, list(slots)
        return slots

    def _write(self, index: int, bin_: int, slots: list[Slot]) -> None:
        if self.opened != (bin_, slots):
            super()._write(index, bin_, slots)


class Coalesces(BoltMap):
    """Answers the same GET again from where it is at hand."""

    last: tuple[Op, int, Response] | None = None

    def access(self, op: Op, key: int = 0, value: bytes = b"") -> Response:
        if self.last is not None and self.last[:2] == (op, key) and op is Op.GET:
            self.counters.accesses += 1
            return self.last[2]
        response = super().access(op, key, value)
        self.last = op, key, response
        return response


class KeepsPairs(BoltMap):
    """Remaps only what is written."""

    def _place(self, key: int, entry: Entry | None, pair: tuple[int, int]) -> Entry:
        return super()._place(key, entry, entry.pair if entry else pair)


@pytest.mark.parametrize("leaky", [SkipsWrites, Coalesces, KeepsPairs])
def test_shortcuts_that_leak_are_told_by_the_coupling(leaky: type[BoltMap]) -> None:
    config, length = BoltConfig(256, value_bytes=4, alpha=0.2), 80
    pairs = random_pairs(config, 64 + length, seed=3)
    fill = [(Op.PUT, key) for key in range(64)]
    traces = []
    for keys in (np.full(length, 7), np.arange(length) % 64):
        commands = [*fill, *((Op.GET, int(key)) for key in keys)]
        ops, asked = np.array([op for op, _ in commands]), np.array([key for _, key in commands])
        memory = HostMemory.of(config.image_bytes, trace=Trace())
        tape = tape_for(config, ops, asked, pairs)
        leaky(config, memory=memory, tape=tape.__getitem__).run(ops, asked, np.zeros((len(ops), 4), np.uint8))
        assert memory.trace
        traces.append(memory.trace.array())
    assert first_difference(*traces) is not None


def test_a_difference_of_traces_is_found_and_named() -> None:
    config = BoltConfig(256, value_bytes=4)
    one = events_of(config, 1)
    other = one.copy()
    other["address"][7] += 64
    assert first_difference(one, one) is None
    assert (first_difference(one, other) or "").startswith("event 7: ")
    assert first_difference(one, one[:-1]) == f"{len(one)} events and {len(one) - 1}"


def events_of(config: BoltConfig, seed: int) -> np.ndarray:
    map_ = full_map(config, seed)
    map_.get(np.arange(20))
    return events(map_)


# T2


def test_without_hbm_bins_each_access_reads_two_pages_and_writes_them() -> None:
    config = BoltConfig(256, value_bytes=4, alpha=0.0)
    map_ = full_map(config, 1)
    load = pattern("mixed", config, 500)
    map_.run(load.ops, load.keys, load.values)
    trace = events(map_)
    assert trace["direction"].tolist() == [0, 0, 1, 1] * 500
    assert shape_faults(config, trace) == []
    trace["direction"][4:6] = 1, 0
    assert len(shape_faults(config, trace)) == 1
    trace["length"][9] = 64
    assert len(shape_faults(config, trace)) == 2


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
def test_pages_touched_are_as_many_as_chance_has_it(alpha: float) -> None:
    config = BoltConfig(1024, value_bytes=4, alpha=alpha)
    touched = shown(config, pattern("zipf", config, 50_000), 2)
    assert not page_counts(config, touched).leaks
    none = np.full_like(touched, -1)
    assert page_counts(config, none).leaks == (alpha < 1)


# T3


@pytest.mark.slow
def test_statistics_pass_every_pattern_and_fail_variant_a() -> None:
    config = BoltConfig(4096)
    touched = {
        name: shown(config, pattern(name, config, LONG, seed=1), seed)
        for seed, name in enumerate(("single", "uniform", "hot", "sweep", "zipf"), 1)
    }
    for name, each in touched.items():
        assert failing(against_uniform(config, each)) == [], name
        assert not two_sample(config, touched["single"], each).leaks or name == "single"
    for name in ("single", "uniform"):
        leaky = variant_a(config, pattern(name, config, 2 * LONG, seed=1).keys)
        found = {each.name for each in failing(against_uniform(config, leaky))}
        assert "revisit gaps" in found, f"the power check: variant A must fail, {name}"
        assert name != "single" or "lag 1, places 0 and 0" in found


def test_statistics_see_what_is_not_chance() -> None:
    config = BoltConfig(1024, alpha=0.0)
    fair = random_pairs(config, 100_000)
    assert failing(against_uniform(config, fair)) == []
    assert not two_sample(config, fair, random_pairs(config, 100_000, 1)).leaks

    def names(touched: np.ndarray) -> set[str]:
        return {each.name for each in failing(against_uniform(config, touched))}

    skewed = fair.copy()
    skewed[::50, 0] = 3
    assert "bin frequency" in names(skewed)
    assert two_sample(config, fair, skewed).leaks
    paired = fair.copy()
    paired[:, 1] = (paired[:, 0] + 1 + paired[:, 1] % 20) % config.bins
    assert "pair independence" in names(paired)
    repeated = fair.copy()
    repeated[5::100] = repeated[::100]
    assert {"lag 5, places 0 and 0", "lag 5, places 1 and 1"} <= names(repeated)
    regular = fair.copy()
    regular[:, 0] = np.arange(len(regular)) % config.bins
    assert "revisit gaps" in names(regular)


# T4


def test_latency_that_follows_hidden_state_is_found_and_nothing_else() -> None:
    config = BoltConfig(256, value_bytes=4, alpha=0.2)
    map_ = BoltMap(config, 1)
    map_.put(np.arange(256), np.zeros((256, 4), np.uint8))
    pages, flushed, hit = [], [], []
    load = pattern("mixed", config, 3000, seed=2)
    for op, key, value in zip(load.ops.tolist(), load.keys.tolist(), load.values, strict=True):
        before = map_.counters.host_reads
        response = map_.access(Op(op), key, value.tobytes() if op == Op.PUT else b"")
        pages.append(map_.counters.host_reads - before)
        assert map_.hidden
        flushed.append(map_.hidden.flushed)
        hit.append(response.found)
    visible, hidden = np.array(pages), {"flushed": np.array(flushed), "hit": np.array(hit)}
    noise = np.random.default_rng(1).normal(0, 3, len(visible))
    fixed = 200.0 + 90 * visible
    assert [each.z for each in hidden_effects(fixed, visible, hidden)] == [0.0, 0.0]
    assert failing(hidden_effects(fixed + noise, visible, hidden)) == []
    early_exit = fixed + noise + 2 * hidden["flushed"]
    assert [each.name for each in failing(hidden_effects(early_exit, visible, hidden))] == ["flushed"]
    assert hidden_effects(fixed + hidden["hit"], visible, hidden)[1].leaks
    groups = [fixed[visible == 1], early_exit[visible == 1]]
    assert welch_t(groups[0], groups[0]).z == 0.0
    assert welch_t(groups[0], groups[0] + 1).leaks
    assert welch_t(groups[1] + 1, groups[0]).leaks


def test_what_is_not_a_number_counts_as_a_leak() -> None:
    assert Finding("nothing", float("nan")).leaks


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(InputError, match="uniform, single"):
        pattern("odd", BoltConfig(), 5)
