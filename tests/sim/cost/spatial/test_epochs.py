"""Cycles of scheduled epochs against a replay of the loader and the epochs, cycle by cycle."""

from __future__ import annotations

import pytest

from penstock.ir.errors import InputError, PlanError
from penstock.ir.schedule import Placed, Schedule, Task
from penstock.sim.cost.spatial.epochs import EpochShape, epoch_cycles
from penstock.sim.cost.spatial.tiling import Tiling


def schedule(period: int, stages: int, steps: int = 3) -> Schedule:
    begin = (stages - 1) * period
    placed = (
        Placed(Task("A", "array-2d", steps), 0),
        Placed(Task("B", "array-1d", steps), begin),
    )
    return Schedule(period, placed, (), ("array-2d", "array-1d"), False, 1)


def replay(period: int, stages: int, m1: int, p1: int, q: int, kv: int, release: int) -> tuple[int, int]:
    """Cycles from the block's start to the end of its last epoch, and stalls: one cycle after the other."""
    cycle, words, tile_words, halves, loaded = 1, q, 0, 0, 0
    epoch, at, stalls, running, wait = 0, 0, 0, -1, []
    while True:
        # The epochs' side of this cycle, from what was loaded before it.
        if running < 0 and words == 0 and loaded:
            running = 2
        ready = running == 0
        stalled = ready and at == 0 and epoch < m1 * p1 and epoch % p1 == 0 and epoch // p1 >= loaded
        freed = 0
        if ready and not stalled:
            wait = [left - 1 for left in wait]
            freed = wait.count(0)
            at += 1
            if at == period:
                last = epoch - (stages - 1)
                if last >= 0 and last % p1 == p1 - 1:
                    wait.append(release)
                epoch, at = epoch + 1, 0
                if epoch == m1 * p1 + stages - 1:
                    return cycle + 1, stalls
        stalls += stalled
        running -= running > 0
        # The loader's side.
        if words:
            words -= 1
        elif loaded < m1 and halves < 2:
            tile_words += 1
            if tile_words == kv:
                tile_words, loaded, halves = 0, loaded + 1, halves + 1
        halves -= freed
        cycle += 1


@pytest.mark.parametrize(
    ("period", "stages", "m1", "p1", "q", "kv", "release"),
    [
        (30, 1, 5, 1, 8, 16, 4),  # a tile's keys come while the one before it is worked on
        (30, 3, 5, 4, 32, 128, 4),  # slow loading: stalls at every key tile
        (26, 3, 6, 3, 8, 16, 12),  # a half is freed late, by the array's rows
        (26, 3, 2, 2, 8, 16, 12),  # two key tiles never wait for a half
        (40, 2, 1, 7, 8, 16, 4),
        (20, 1, 4, 1, 8, 60, 6),
    ],
)
def test_a_block_is_its_replay(period, stages, m1, p1, q, kv, release) -> None:
    shape = EpochShape(
        m1, p1, q_cycles=q, kv_cycles=kv, start_cycles=1, ready_cycles=2, release_cycles=release
    )
    found = epoch_cycles(schedule(period, stages), shape)
    # The replay's loader takes a word from cycle 1 on; its epochs begin three cycles after the last.
    assert (found.total, found.stall) == replay(period, stages, m1, p1, q, kv, release)


def test_parts_add_up_and_blocks_repeat() -> None:
    one = epoch_cycles(schedule(30, 2), EpochShape.rtl(4, 4, 8, 8, m1=3, p1=4))
    three = epoch_cycles(schedule(30, 2), EpochShape.rtl(4, 4, 8, 8, m1=3, p1=4, blocks=3))
    parts = ("load", "epochs", "stall", "drain", "post")
    assert one.total == sum(getattr(one, part) for part in parts)
    assert three.total - one.total == 2 * (one.total - one.drain)
    assert three.busy == {unit: 3 * cycles for unit, cycles in one.busy.items()}
    assert one.busy == {"array-2d": 12 * 3, "array-1d": 12 * 3 + 4 * 8}
    assert one.utilisation("array-2d") == 36 / one.total


def test_more_work_never_takes_fewer_cycles() -> None:
    totals = [
        epoch_cycles(schedule(30, 2), EpochShape.rtl(4, 4, 8, 8, m1=m1, p1=4)).total for m1 in range(1, 9)
    ]
    assert totals == sorted(totals)


def test_tiles_that_would_wait_for_themselves_are_refused() -> None:
    with pytest.raises(PlanError, match="at most 2 tiles in flight"):
        epoch_cycles(schedule(30, 3), EpochShape(m1=3, p1=2))
    assert epoch_cycles(schedule(30, 3), EpochShape(m1=2, p1=2)).epochs == 6 * 30
    with pytest.raises(InputError, match="no tiles"):
        epoch_cycles(schedule(30, 3), EpochShape(m1=0, p1=2))


def test_a_tiling_covers_all_queries_and_keys() -> None:
    tiling = Tiling.of(16, 8, 64, 32, queries=1000, keys=77, most_p1=32)
    assert (tiling.p1, tiling.blocks, tiling.m1, tiling.last_rows) == (32, 4, 5, 13)
    assert tiling.blocks * tiling.p1 * tiling.cols >= 1000
    assert tiling.epoch_shape.q_cycles == 32 * 64


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": 32}, "2 to 16 rows"),
        ({"cols": 1}, "2 to 16 rows"),
        ({"e": 129}, "1 to 128"),
        ({"rows": 16, "e": 4, "f": 4}, "at least 16"),
        ({"queries": 0}, "0 queries"),
        ({"keys": 1 << 20}, "under 65536"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_heads_the_array_cannot_hold_are_refused(changed, message) -> None:
    sizes = {"rows": 4, "cols": 4, "e": 8, "f": 8, "queries": 9, "keys": 9, "p1": 3, **changed}
    with pytest.raises(InputError, match=message):
        Tiling(**sizes)
