"""Composition of Experts: caches beside a plain one, times beside closed forms, hit rates beside theory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError, TargetError
from penstock.ir.targets import load
from penstock.sim.cost.coe import (
    Expert,
    ExpertCache,
    Node,
    Served,
    Workload,
    batches_of,
    distinct_experts,
    expert_of,
    hit_rate,
    nodes_needed,
    popularity,
    serve,
)

NODE = Node("toy", "hbm", "ddr", 100, 1000, 8.0, 2.0, 1.0)
EXPERT = Expert("toy", 10)
COPY_S = 5.0
DRAWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=12)
TIMES = st.floats(0, 20, allow_nan=False)


def served(
    batches: list[list[int]],
    slots: int,
    *,
    run_s: float = 3.0,
    expert: Expert = EXPERT,
    ahead: int = 0,
    warm: range = range(0),
) -> Served:
    return serve(batches, Workload(expert, 1.0, run_s), NODE, slots, ahead=ahead, warm=warm)


def plain_lru(requests: list[int], slots: int) -> tuple[int, list[int]]:
    """Hits and victims, from a list in order of use."""
    near: list[int] = []
    hits, victims = 0, []
    for each in requests:
        if each in near:
            hits += 1
            near.remove(each)
        elif len(near) == slots:
            victims.append(near.pop(0))
        near.append(each)
    return hits, victims


@given(DRAWS, st.integers(1, 10), st.integers(0, 4))
def test_hits_are_those_of_a_plain_lru_list(batches: list[list[int]], slots: int, ahead: int) -> None:
    """Fetching one ahead changes when, not what; farther ahead still counts every request once."""
    hits, victims = plain_lru([each for batch in batches for each in batch], slots)
    found = served(batches, slots, ahead=min(ahead, 1))
    assert (found.hits, found.evictions) == (hits, len(victims))
    farther = served(batches, slots, ahead=ahead)
    assert farther.hits + farther.misses == sum(map(len, batches))


@given(DRAWS, st.integers(1, 10), TIMES, st.integers(0, 4))
def test_time_is_routers_runs_and_waits(
    batches: list[list[int]], slots: int, run_s: float, ahead: int
) -> None:
    found = served(batches, slots, run_s=run_s, ahead=ahead)
    assert found.seconds == pytest.approx(found.router_s + found.run_s + found.wait_s)
    assert found.copied_bytes == found.misses * EXPERT.bytes
    if not ahead:
        assert found.wait_s == pytest.approx(found.misses * COPY_S)


@given(DRAWS, st.integers(2, 10), TIMES)
def test_fetching_one_ahead_is_never_slower_and_never_below_the_link(
    batches: list[list[int]], slots: int, run_s: float
) -> None:
    serial, ahead = served(batches, slots, run_s=run_s), served(batches, slots, run_s=run_s, ahead=1)
    assert ahead.seconds <= serial.seconds + 1e-9
    assert ahead.seconds >= ahead.misses * COPY_S + len(batches) - 1e-9  # a router overlaps with nothing


@given(DRAWS, st.integers(1, 9))
def test_another_slot_never_misses_more(batches: list[list[int]], slots: int) -> None:
    """LRU is a stack algorithm."""
    assert served(batches, slots + 1).misses <= served(batches, slots).misses


@pytest.mark.parametrize("run_s", [1.0, 5.0, 9.0])
def test_a_batch_that_misses_throughout_takes_the_closed_form(run_s: float) -> None:
    batch, count = [0, 1, 2, 3], 4
    assert served([batch], 8, run_s=run_s).seconds == pytest.approx(1 + count * (COPY_S + run_s))
    overlapped = 1 + COPY_S + (count - 1) * max(COPY_S, run_s) + run_s
    assert served([batch], 8, run_s=run_s, ahead=1).seconds == pytest.approx(overlapped)


@pytest.mark.parametrize("resident", [10, 40, 75, 120, 150])
def test_uniform_requests_hit_in_the_share_that_is_near(resident: int) -> None:
    batches = batches_of(150, 1, 60_000, seed=1)
    found = served(batches, resident, warm=range(resident))
    assert found.hit_rate == pytest.approx(resident / 150, rel=0.02)
    assert hit_rate(popularity(150), resident) == resident / 150


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.4])
def test_zipf_requests_hit_as_often_as_theory_says(exponent: float) -> None:
    batches = batches_of(150, 1, 60_000, exponent=exponent, seed=2)
    assert served(batches, 40).hit_rate == pytest.approx(hit_rate(popularity(150, exponent), 40), rel=0.02)


def test_the_knee_is_where_experts_stop_fitting() -> None:
    slots = 40
    waits = {
        count: served(batches_of(count, 1, 4000), slots, warm=range(min(count, slots))).wait_s
        for count in (20, 39, 40, 41, 60, 150)
    }
    assert waits[20] == waits[39] == waits[40] == 0
    assert 0 < waits[41] < waits[60] < waits[150]


def test_switching_takes_the_ratio_of_the_links() -> None:
    other = Node("slow", "hbm", "host", 100, 1000, 8.0, 0.5, 0.5)
    batches = batches_of(150, 8, 500)
    work = Workload(EXPERT, 0.0, 0.0)
    ratio = serve(batches, work, other, 40).seconds / serve(batches, work, NODE, 40).seconds
    assert ratio == pytest.approx(NODE.into_bytes_per_s / other.into_bytes_per_s)


def test_only_what_was_written_goes_back() -> None:
    batches = [[0], [1], [2], [0]]
    read_only = served(batches, 1)
    assert (read_only.evictions, read_only.written_back_bytes) == (3, 0)
    kept = Expert("with state", 10, writable_bytes=4)
    written = served(batches, 1, expert=kept)
    assert written.written_back_bytes == 3 * 4
    assert written.wait_s == pytest.approx(4 * 14 / 2.0 + 3 * 4 / 1.0)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("apuw"), st.integers(0, 5)), max_size=60), st.integers(1, 4))
def test_pinned_experts_stay_and_none_is_ever_overwritten(steps: list[tuple[str, int]], slots: int) -> None:
    cache = ExpertCache(slots)
    pinned: Counter[Hashable] = Counter()
    for what, expert in steps:
        before: tuple[Hashable, ...] = cache.resident
        if what == "a":
            found = cache.activate(expert)
            held = all(pinned[each] for each in before)
            assert (found is None) == (expert not in before and len(before) == slots and held)
            if found is not None and found.evicted is not None:
                assert found.evicted == next(each for each in before if not pinned[each])
        elif expert in cache:
            if what == "p":
                cache.pin(expert)
                pinned[expert] += 1
            elif what == "u" and pinned[expert]:
                cache.unpin(expert)
                pinned[expert] -= 1
            elif what == "w":
                cache.write(expert)
        assert len(cache.resident) <= slots
        assert all(each in cache for each in range(6) if pinned[each])


def test_sizes_are_those_of_the_public_configurations() -> None:
    assert expert_of("llama-2-7b").weight_bytes == 2 * 6_738_415_616
    assert expert_of("llama-3-8b").weight_bytes == 2 * 8_030_261_248
    assert expert_of("llama-2-7b").kv_bytes(1, 4096) == 2 * 2**30


def test_distinct_experts_of_a_batch() -> None:
    assert distinct_experts(150, 8) == pytest.approx(7.82, abs=0.005)
    drawn = np.mean([len(set(batch)) for batch in batches_of(150, 8, 20_000)])
    assert distinct_experts(150, 8) == pytest.approx(drawn, rel=0.01)
    assert (distinct_experts(1, 5), distinct_experts(9, 0)) == (1, 0)


def test_a_token_cannot_beat_the_weights_bandwidth() -> None:
    node, expert = Node.of(load("sn40l-node")), expert_of("llama-2-7b")
    assert expert.token_s(node.near_bytes_per_s) == pytest.approx(0.936e-3, rel=1e-3)
    assert expert.token_s(node.near_bytes_per_s, share=0.85) > expert.token_s(node.near_bytes_per_s)


def test_requests_are_a_function_of_the_seed() -> None:
    assert batches_of(150, 8, 5, seed=3) == batches_of(150, 8, 5, seed=3) != batches_of(150, 8, 5, seed=4)


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda: ExpertCache(0), "0 experts"),
        (lambda: ExpertCache(1).unpin(3), "not pinned"),
        (lambda: ExpertCache(1).write(3), "not near"),
        (lambda: Workload(EXPERT, float("nan"), 0), "times of nan"),
        (lambda: Expert("none", 0), "without weights"),
        (lambda: popularity(0), "0 experts"),
        (lambda: popularity(3, -1), "exponent -1"),
        (lambda: batches_of(3, 0, 1), "1 batches of 0"),
        (lambda: nodes_needed(5, 0), "holds no expert"),
        (lambda: served([[0]], 1, ahead=-1), "-1 experts ahead"),
        (lambda: Node("x", "a", "b", 1, 1, 1.0, 0.0, 1.0), "rate of 0.0"),
    ],
)
def test_nonsense_is_refused(work, said: str) -> None:
    with pytest.raises(InputError, match=said):
        work()


def test_a_machine_without_a_far_memory_is_refused() -> None:
    with pytest.raises(TargetError, match="no links both ways"):
        Node.of(load("fusemax-cloud"))
    with pytest.raises(TargetError, match="unpublished"):
        Node.of(load("h200"))
