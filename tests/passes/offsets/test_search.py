"""The exact search: each rule alone, all but one, and all combinations agree with brute force and CP-SAT."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import PlanError
from penstock.passes.offsets import Buffer, Infeasible, check, lower_bound_bytes, plan, read_csv
from penstock.passes.offsets.cpsat import CpSat
from penstock.passes.offsets.search import ALL_RULES, ORDERS, Rules, Search, Stop, takes

HARD = Path(__file__).parents[2] / "data" / "minimalloc" / "A.1048576.csv"
CAPACITY = 1048576


def fits_by_force(buffers, capacity, placed=()):
    """Whether any offsets do, by trying them all."""
    if not buffers:
        return True
    buffer, rest = buffers[0], buffers[1:]
    for offset in range(0, capacity - buffer.size_bytes + 1):
        if offset % buffer.align or offset != (offset if buffer.offset is None else buffer.offset):
            continue
        clash = any(
            offset < at + other.size_bytes
            and at < offset + buffer.size_bytes
            and any(a < d and c < b for a, b in buffer.spans for c, d in other.spans)
            for other, at in placed
        )
        if not clash and fits_by_force(rest, capacity, (*placed, (buffer, offset))):
            return True
    return False


def random_buffers(random, most=6, pins=True):
    buffers = []
    for index in range(random.randint(1, most)):
        start = random.randint(0, 5)
        end = start + random.randint(1, 5)
        align = random.choice((1, 1, 2, 3))
        gaps = ()
        if end - start > 2 and random.random() < 0.3:
            low = random.randint(start, end - 2)
            gaps = ((low, low + 1),)
        size = random.randint(1, 4)
        offset = align * random.randint(0, 1) if pins and random.random() < 0.15 else None
        buffers.append(Buffer(f"b{index}", start, end, size, align, gaps, offset))
    try:
        given_places = [b for b in buffers if b.offset is not None]
        check(given_places, {b.name: b.offset for b in given_places})
    except PlanError:
        return random_buffers(random, most, pins)
    return buffers


def cases(count, seed=0):
    """Problems at the capacity of their bound and about it, where feasible and infeasible both occur."""
    random = Random(seed)
    found = []
    while len(found) < count:
        buffers = random_buffers(random)
        capacity = lower_bound_bytes(buffers) + random.choice((-1, 0, 0, 1))
        if capacity > 0:
            found.append((buffers, capacity, fits_by_force(buffers, capacity)))
    return found


def decided(buffers, capacity, rules, orders=ORDERS[:1]):
    with Search(buffers, rules, orders) as search:
        answer = search.decide(capacity)
    if answer.offsets is not None:
        check(buffers, answer.offsets, capacity)
    return answer


def test_the_cases_hold_both_answers():
    answers = [fits for *_, fits in cases(150)]
    assert 30 < sum(answers) < 120


@pytest.mark.parametrize("rule", Rules, ids=lambda rule: rule.name)
def test_each_rule_alone_and_all_but_it_agree_with_brute_force(rule):
    for buffers, capacity, fits in cases(150):
        for rules in (rule, ALL_RULES & ~rule):
            answer = decided(buffers, capacity, rules)
            assert (answer.offsets is not None) == fits, (buffers, capacity, rules)
            assert answer.proved == (not fits)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_agrees_with_brute_force(order):
    for buffers, capacity, fits in cases(150, seed=1):
        assert decided(buffers, capacity, ALL_RULES, [order]).proved == (not fits), (buffers, capacity)


def test_all_combinations_of_rules_agree():
    chosen = cases(6, seed=2)
    for bits in product((0, 1), repeat=len(Rules)):
        rules = Rules(sum(bit * rule for bit, rule in zip(bits, Rules, strict=True)))
        for buffers, capacity, fits in chosen:
            assert decided(buffers, capacity, rules).proved == (not fits), (buffers, capacity, rules)


def optimum(buffers, decide):
    capacity = lower_bound_bytes(buffers)
    while True:
        answer = decide(capacity)
        if answer.offsets is not None:
            check(buffers, answer.offsets, capacity)
            return capacity
        assert answer.proved
        capacity += 1


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_optimum_is_cp_sats_with_gaps_given_places_and_alignments(seed):
    buffers = random_buffers(Random(seed), most=12)
    with Search(buffers) as search:
        exact = optimum(buffers, search.decide)
    assert exact == optimum(buffers, lambda capacity: CpSat(buffers).decide(capacity, 20.0))
    assert plan(buffers, time_limit_s=5).peak_bytes == exact


@given(st.integers(0, 10**9), st.integers(2, 7))
@settings(max_examples=60, deadline=None)
def test_optimum_scales_with_the_sizes_and_keeps_under_permutation(seed, factor):
    random = Random(seed)
    buffers = random_buffers(random, most=9, pins=False)
    scaled = [
        Buffer(b.name, b.start, b.end, b.size_bytes * factor, b.align * factor, b.gaps) for b in buffers
    ]
    shuffled = random.sample(buffers, len(buffers))
    with Search(buffers) as one, Search(scaled) as two, Search(shuffled) as three:
        exact = optimum(buffers, one.decide)
        assert optimum(shuffled, three.decide) == exact
        assert two.decide(exact * factor).offsets is not None
        assert two.decide(exact * factor - 1).proved


@given(st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_another_buffer_never_lowers_the_peak(seed):
    buffers = random_buffers(Random(seed), most=10, pins=False)
    with Search(buffers) as all_of_them:
        most = optimum(buffers, all_of_them.decide)
    for left_out in range(len(buffers)):
        fewer = buffers[:left_out] + buffers[left_out + 1 :]
        if fewer:
            with Search(fewer) as search:
                assert optimum(fewer, search.decide) <= most


def test_sizes_that_are_no_multiples_of_the_alignment_end_where_they_end():
    """Of 65, 65 and 128 aligned bytes, one of 65 must be on top: 128 + 128 + 65."""
    buffers = [Buffer("a", 0, 1, 65), Buffer("b", 0, 1, 65), Buffer("c", 0, 1, 128)]
    with Search(buffers) as search:
        assert search.decide(320).proved
        assert search.decide(321).offsets is not None


def test_a_given_place_splits_the_arena():
    """Two of three fit below the obstacle, none beside it."""
    buffers = [Buffer("pin", 0, 4, 1, 1, offset=4), *(Buffer(f"b{i}", 0, 4, 3, 1) for i in range(2))]
    with Search(buffers) as search:
        assert search.decide(7).proved
        assert search.decide(8).offsets is not None


def test_buffers_of_equal_spans_and_unequal_lives_are_no_twins():
    """One has a gap at its start, so orders by length part them, and neither waits for the other."""
    table = [
        ("b0", 0, 3, 1, 3), ("b1", 2, 5, 2, 2, ((3, 4),), 2), ("b2", 5, 9, 4, 1), ("b3", 5, 9, 1, 1),
        ("b4", 3, 8, 1, 1, ((6, 7),)), ("b5", 3, 4, 4, 1, (), 0), ("b6", 3, 5, 4, 3), ("b7", 1, 2, 4, 3),
        ("b8", 2, 5, 4, 3, ((2, 3),)), ("b9", 4, 7, 3, 2), ("b10", 1, 5, 2, 3), ("b11", 1, 6, 3, 3),
    ]  # fmt: skip
    with Search([Buffer(*row) for row in table]) as search:
        assert search.decide(24).proved
        assert search.decide(25).offsets is not None


def test_a_node_limit_leaves_the_question_open_and_a_stop_ends_it():
    with Search(read_csv(HARD)) as search:
        answer = search.decide(CAPACITY, node_limit=500)
        assert (answer.offsets, answer.proved) == (None, False)
        assert 0 < answer.nodes <= 500
        stop = Stop()
        stop.set()
        assert search.decide(CAPACITY, stop=stop).nodes == 0


def test_nodes_and_layout_are_the_same_every_time():
    answers = []
    for _ in range(2):
        with Search(read_csv(HARD)) as search:
            answers.append(search.decide(CAPACITY))
    assert answers[0].offsets is not None
    assert answers[0] == answers[1]


def test_sizes_beyond_32_bits_are_left_to_others():
    small, large = Buffer("a", 0, 1, 3, 1), Buffer("b", 0, 1, 1 << 40, 1)
    assert takes([large])  # one grain of a tebibyte
    assert not takes([small, large])
    assert plan([small, large]).peak_bytes == 3 + (1 << 40)


def test_conflict_is_irreducible():
    """Dropping any one buffer makes it feasible; the others are not in it."""
    random = Random(11)
    seen = 0
    while seen < 25:
        buffers = random_buffers(random, most=8, pins=False)
        with Search(buffers) as search:
            capacity = optimum(buffers, search.decide) - 1
        if capacity == 0:
            continue
        with pytest.raises(Infeasible) as caught:
            plan(buffers, capacity=capacity)
        conflict = caught.value.conflict
        assert conflict is not None
        assert conflict.minimal
        inside = list(conflict.buffers)
        assert not fits_by_force(inside, capacity) if len(inside) < 7 else True
        for index in range(len(inside)):
            rest = inside[:index] + inside[index + 1 :]
            if rest:
                assert decided(rest, capacity, ALL_RULES).offsets is not None
        seen += 1
