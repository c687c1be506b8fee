"""The caching allocator: its rules by hand, and what holds for any requests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import PlanError
from penstock.sim.cost.swap.caching_allocator import MIB, CachingAllocator, Request, replay


def _reserved(*sizes: int, expandable: bool = False) -> int:
    """After requests that all stay."""
    return replay([Request(0, 1, size) for size in sizes], expandable=expandable, rounds=1).reserved_bytes


@pytest.mark.parametrize(
    ("sizes", "reserved"),
    [
        ((1,), 2 * MIB),
        ((MIB, MIB), 2 * MIB),
        ((MIB, MIB, 1), 4 * MIB),
        ((MIB + 1,), 20 * MIB),
        ((9 * MIB, 9 * MIB), 20 * MIB),
        ((9 * MIB, 9 * MIB, 3 * MIB), 40 * MIB),
        ((10 * MIB,), 10 * MIB),
        ((11 * MIB + 1,), 12 * MIB),
        ((1, MIB + 1), 22 * MIB),
    ],
)
def test_segments_by_size(sizes: tuple[int, ...], reserved: int) -> None:
    assert _reserved(*sizes) == reserved


def test_the_smallest_block_that_fits_is_taken_and_the_rest_of_a_large_one_kept_whole_below_a_mebibyte() -> (
    None
):
    allocator = CachingAllocator()
    big, small = allocator.malloc(64 * MIB), allocator.malloc(32 * MIB)
    assert big
    assert small
    allocator.release(big)
    allocator.release(small)
    taken = allocator.malloc(31 * MIB)
    assert taken is not None
    assert taken.size == 32 * MIB, "a mebibyte is not worth a block"
    taken = allocator.malloc(31 * MIB)
    assert taken is not None
    assert taken.size == 31 * MIB
    assert allocator.reserved == 96 * MIB


def test_free_neighbours_merge_and_a_hole_in_between_is_lost() -> None:
    """The outer two of three thirds of a segment are free: no room for two thirds."""
    thirds = [Request(0, 3, 60 * MIB), Request(1, 2, 60 * MIB)]
    pieces = [Request(3, 4, 20 * MIB), Request(3, 9, 20 * MIB), Request(3, 4, 20 * MIB)]
    found = replay([*thirds, *pieces, Request(4, 5, 40 * MIB), Request(4, 5, 40 * MIB)], rounds=1)
    assert found.allocated_bytes == 120 * MIB
    assert found.reserved_bytes == 160 * MIB


def test_a_full_device_returns_whole_segments_and_then_fails() -> None:
    room = replay([Request(0, 1, 40 * MIB), Request(1, 2, 60 * MIB)], capacity=64 * MIB, rounds=1)
    assert (room.flushes, room.failed_bytes, room.reserved_bytes) == (1, 0, 60 * MIB)
    full = replay([Request(0, 2, 40 * MIB), Request(1, 2, 60 * MIB)], capacity=64 * MIB)
    assert full.failed_bytes == 60 * MIB


def test_a_growing_segment_reserves_pages_and_fills_its_end() -> None:
    assert _reserved(11 * MIB, 11 * MIB, expandable=True) == 40 * MIB
    assert _reserved(11 * MIB, 9 * MIB, MIB, expandable=True) == 22 * MIB
    sizes = [Request(0, 1, 30 * MIB), Request(1, 2, 60 * MIB), Request(2, 3, 90 * MIB)]
    assert replay(sizes, expandable=True).reserved_bytes == 100 * MIB
    assert replay(sizes).reserved_bytes == 180 * MIB
    tight = replay(sizes, expandable=True, capacity=100 * MIB)
    assert tight.failed_bytes == 0


def test_no_bytes_are_refused() -> None:
    with pytest.raises(PlanError, match="0 bytes"):
        CachingAllocator().malloc(0)


REQUESTS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 9), st.integers(1, 40 * MIB)).map(
        lambda each: Request(each[0], each[0] + each[1], each[2])
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(REQUESTS, st.booleans(), st.none() | st.integers(20, 400))
def test_blocks_are_apart_and_nothing_is_lost(
    requests: list[Request], expandable: bool, mebibytes: int | None
) -> None:
    capacity = None if mebibytes is None else mebibytes * MIB
    found = replay(requests, capacity=capacity, expandable=expandable)
    rounded = [(each.start, each.end, -(-each.bytes // 512) * 512) for each in requests]
    live = [sum(size for start, end, size in rounded if start <= at < end) for at in range(30)]
    assert found.reserved_bytes >= found.allocated_bytes
    if capacity is None:
        assert max(live, default=0) <= found.allocated_bytes <= max(live, default=0) * 1.5 + 30 * MIB
        assert found.failed_bytes == found.flushes == 0
    else:
        assert found.reserved_bytes <= capacity
        if found.failed_bytes == 0:
            assert max(live, default=0) <= capacity


@settings(max_examples=100, deadline=None)
@given(REQUESTS, st.booleans())
def test_links_and_sizes_stay_sound(requests: list[Request], expandable: bool) -> None:
    allocator = CachingAllocator(expandable=expandable)
    held = []
    for number, each in enumerate(requests):
        held.append(allocator.malloc(each.bytes))
        if number % 3 == 2:
            allocator.release(held.pop(number % len(held)))
        heads, total = set(), 0
        free = [block for pool in (allocator.small, allocator.large) for _, _, block in pool.blocks]
        for block in [*held, *free]:
            assert block.size > 0
            assert block.after is None or block.after.before is block
            assert not (block.free and block.after is not None and block.after.free), "neighbours merge"
            total += block.size
            heads |= {id(block)}
        assert total == allocator.reserved
        assert len(heads) == len(held) + len(free)
        assert sum(block.size for block in held) == allocator.allocated
