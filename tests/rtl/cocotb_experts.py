"""Runs inside the simulator: the manager of experts beside a table of experts in Python."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from expert_reference import Copy, Layout, Reference

INPUTS = (
    *("rst_ni", "req_valid_i", "req_expert_i", "req_id_i", "req_prefetch_i", "grant_ready_i", "rel_valid_i"),
    *(
        "rel_slot_i",
        "rel_wrote_i",
        "pin_valid_i",
        "pin_slot_i",
        "pin_set_i",
        "copy_ready_i",
        "done_valid_i",
        "done_error_i",
    ),
)
PATIENCE = 4000


class Bench:
    """The manager, what it is given in the next cycle, and what it said in the last one."""

    def __init__(self, dut: Any, layout: Layout) -> None:
        self.dut = dut
        self.slots = int(dut.Slots.value)
        self.ports = {name: getattr(dut, name) for name in INPUTS}
        self.driven = dict.fromkeys(INPUTS, -1)
        dut.far_base_i.value, dut.far_stride_i.value = layout.far_base, layout.far_stride
        dut.near_base_i.value, dut.near_stride_i.value = layout.near_base, layout.near_stride
        dut.bytes_i.value = layout.size
        dut.writable_offset_i.value, dut.writable_bytes_i.value = (
            layout.writable_offset,
            layout.writable_bytes,
        )

    async def start(self) -> None:
        cocotb.start_soon(Clock(self.dut.clk_i, 2, "ns").start())
        await self.reset()

    async def reset(self) -> None:
        for _ in range(3):
            await self.cycle(rst_ni=0)

    async def cycle(self, **given: int) -> None:
        """Drive the inputs, what is not given as 0 and no reset, and let the outputs settle before the edge."""
        await FallingEdge(self.dut.clk_i)
        for name, port in self.ports.items():
            if self.driven[name] != (value := given.get(name, name == "rst_ni")):
                self.driven[name] = port.value = value
        await ReadOnly()

    def read(self, name: str) -> int:
        return int(getattr(self.dut, name).value)

    def copy(self) -> Copy | None:
        """The descriptor offered."""
        if not self.read("copy_valid_o"):
            return None
        names = ("copy_src_o", "copy_dst_o", "copy_bytes_o")
        return Copy(bool(self.read("copy_back_o")), *map(self.read, names))

    def grant(self) -> tuple[int, int, bool, bool] | None:
        """The grant offered: id, slot, hit, error."""
        if not self.read("grant_valid_o"):
            return None
        names = ("grant_id_o", "grant_slot_o")
        return *map(self.read, names), bool(self.read("grant_hit_o")), bool(self.read("grant_error_o"))  # pyright: ignore


async def play(
    dut: Any,
    requests: int,
    seed: int,
    *,
    layout: Layout | None = None,
    experts: int,
    locality: float,
    prefetch: float,
    wrote: float,
    hold: int,
    latency: int,
    pace: float,
) -> Reference:
    """Random requests, the Python table beside them; the end is when all is answered and released.

    Args:
        requests: how many.
        locality: share of requests that repeat one of the last few experts.
        prefetch, wrote: share of the requests that are prefetches, and of the runs that write.
        hold, latency: longest run and copy, cycles.
        pace: chance that something offered is taken in a cycle.
    """
    layout = layout or Layout()
    bench, chance = Bench(dut, layout), random.Random(seed)
    told = Reference(bench.slots, layout)
    await bench.start()
    recent: deque[int] = deque([0], maxlen=max(1, bench.slots // 2))
    offered: tuple[int, bool] | None = None
    runs: list[tuple[int, int, int]] = []  # when it ends, expert, slot
    moving: tuple[int, Copy] | None = None
    pinned: int | None = None
    sent = now = quiet = 0
    while (
        sent < requests or offered or runs or moving or told.waiting or told.ready or told.loading is not None
    ):
        now += 1
        quiet += 1
        assert quiet < PATIENCE, "nothing happens any more"
        given: dict[str, int] = {}
        if offered is None and sent < requests and chance.random() < pace:
            near = chance.random() < locality
            expert = recent[chance.randrange(len(recent))] if near else chance.randrange(experts)
            offered = expert, chance.random() < prefetch
            recent.append(expert)
        if offered:
            given.update(
                req_valid_i=1, req_expert_i=offered[0], req_id_i=sent & 255, req_prefetch_i=int(offered[1])
            )
        takes_grant, takes_copy = chance.random() < pace, moving is None and chance.random() < pace
        given.update(grant_ready_i=int(takes_grant), copy_ready_i=int(takes_copy))
        done = next((run for run in runs if run[0] <= now), None)
        writes = chance.random() < wrote
        if done:
            given.update(rel_valid_i=1, rel_slot_i=done[2], rel_wrote_i=int(writes))
        finished = moving is not None and moving[0] <= now
        given["done_valid_i"] = int(finished)
        pins = runs[0][1] if pinned is None and runs and chance.random() < 0.02 else None
        unpins = pinned if chance.random() < 0.01 else None
        if (target := unpins if pins is None else pins) is not None:
            given.update(pin_valid_i=1, pin_slot_i=told.slot_of[target], pin_set_i=int(pins is not None))
        await bench.cycle(**given)

        # In the order in which the manager sees them: what it looks up is as the last cycle left it.
        if offered and bench.read("req_ready_o"):
            told.accept(offered[0], sent & 255, prefetch=offered[1])
            offered, sent, quiet = None, sent + 1, 0
        if finished and moving:
            told.copied(moving[1])
            moving, quiet = None, 0
        if takes_copy and (copy := bench.copy()):
            assert copy == told.copies.popleft()
            moving = now + 1 + chance.randrange(latency), copy
        if takes_grant and (grant := bench.grant()):
            name, slot, hit, failed = grant
            assert not failed
            runs.append((now + 1 + chance.randrange(hold), told.granted(name, slot, hit), slot))
        if done:
            runs.remove(done)
            told.released(done[1], wrote=writes)
        if pins is not None:
            told.cache.pin(pins)
            pinned = pins
        elif unpins is not None:
            told.cache.unpin(unpins)
            pinned = None
    return told


def counters(bench: Any) -> tuple[int, ...]:
    names = ("hits_o", "misses_o", "evictions_o", "back_bytes_o", "errors_o")
    return tuple(int(getattr(bench, name).value) for name in names)


@cocotb.test()
async def the_least_recently_used_goes_and_what_was_written_goes_back(dut: Any) -> None:
    told = await play(
        *(dut, 100_000, 1),
        **{
            "experts": 150,
            "locality": 0.9,
            "prefetch": 0.1,
            "wrote": 0.3,
            "hold": 6,
            "latency": 3,
            "pace": 0.95,
        },
    )
    assert counters(dut) == (told.hits, told.misses, told.evictions, told.back_bytes, 0)
    assert told.evictions > 3000
    assert told.back_bytes


@cocotb.test()
async def experts_that_are_only_read_move_no_bytes_back(dut: Any) -> None:
    told = await play(
        *(dut, 3000, 2),
        layout=Layout(writable_bytes=0),
        **{
            "experts": 100,
            "locality": 0.2,
            "prefetch": 0.2,
            "wrote": 0.5,
            "hold": 30,
            "latency": 9,
            "pace": 0.5,
        },
    )
    assert counters(dut) == (told.hits, told.misses, told.evictions, 0, 0)
    assert told.evictions > 1000
    assert told.back_bytes == 0


@cocotb.test()
async def requests_wait_while_everybody_near_is_in_use(dut: Any) -> None:
    told = await play(
        *(dut, 2000, 3),
        **{
            "experts": 400,
            "locality": 0.3,
            "prefetch": 0.0,
            "wrote": 0.5,
            "hold": 900,
            "latency": 2,
            "pace": 1.0,
        },
    )
    assert counters(dut) == (told.hits, told.misses, told.evictions, told.back_bytes, 0)
    assert int(dut.wait_cycles_o.value) > 2000


async def one(bench: Bench, expert: int, name: int, *, prefetch: bool = False) -> None:
    """Ask for an expert until the request is taken."""
    for _ in range(PATIENCE):
        await bench.cycle(
            req_valid_i=1, req_expert_i=expert, req_id_i=name, req_prefetch_i=int(prefetch), grant_ready_i=0
        )
        if bench.read("req_ready_o"):
            return
    raise AssertionError("the request is not taken")


async def move(bench: Bench, *, fails: bool = False, latency: int = 3) -> Copy:
    """Take a descriptor and answer it."""
    for _ in range(PATIENCE):
        await bench.cycle(copy_ready_i=1)
        if copy := bench.copy():
            for _ in range(latency):
                await bench.cycle()
            await bench.cycle(done_valid_i=1, done_error_i=int(fails))
            return copy
    raise AssertionError("no descriptor")


async def answer(bench: Bench) -> tuple[int, int, bool, bool]:
    for _ in range(PATIENCE):
        await bench.cycle(grant_ready_i=1)
        if grant := bench.grant():
            return grant
    raise AssertionError("no grant")


@cocotb.test()
async def a_copy_that_fails_is_told_to_all_who_wait_and_leaves_no_expert(dut: Any) -> None:
    bench = Bench(dut, Layout())
    await bench.start()
    for name in range(3):
        await one(bench, 7, name)
    await one(bench, 7, 9, prefetch=True)
    await move(bench, fails=True)
    assert [await answer(bench) for _ in range(3)] == [
        (0, 0, False, True),
        (1, 0, True, True),
        (2, 0, True, True),
    ]
    for _ in range(20):
        await bench.cycle(grant_ready_i=1)
        assert bench.grant() is None, "told once"
    await one(bench, 7, 4)  # it is copied again: nothing poisoned became ready
    copy = await move(bench)
    assert not copy.back
    assert await answer(bench) == (4, 0, False, False)
    await bench.cycle(rel_valid_i=1, rel_slot_i=0, rel_wrote_i=0)
    await bench.cycle()
    assert counters(dut) == (3, 2, 0, 0, 1)


@cocotb.test()
async def a_copy_back_that_fails_loses_nothing(dut: Any) -> None:
    layout = Layout()
    bench = Bench(dut, layout)
    await bench.start()
    for slot in range(bench.slots):
        await one(bench, slot, slot)
        await move(bench)
        assert await answer(bench) == (slot, slot, False, False)
        await bench.cycle(rel_valid_i=1, rel_slot_i=slot, rel_wrote_i=int(slot == 0))
    await one(bench, 500, 1)
    await one(bench, 500, 2)
    copy = await move(bench, fails=True)
    assert copy == Copy(True, layout.near_base + layout.writable_offset, layout.far_base + 0x1_0000, 0x40)
    assert [(await answer(bench))[::3] for _ in range(2)] == [(1, True), (2, True)]
    await one(bench, 0, 3)  # the victim is there still, as it was written
    assert await answer(bench) == (3, 0, True, False)
    await bench.cycle(rel_valid_i=1, rel_slot_i=0, rel_wrote_i=0)
    for each in range(1, bench.slots):  # used again, so that slot 0 is the oldest
        await one(bench, each, each)
        await answer(bench)
        await bench.cycle(rel_valid_i=1, rel_slot_i=each, rel_wrote_i=0)
    await one(bench, 500, 4)
    assert (await move(bench)).back
    assert not (await move(bench)).back
    assert await answer(bench) == (4, 0, False, False)
    await bench.cycle()
    assert counters(dut)[3:] == (layout.writable_bytes, 1)


@cocotb.test()
async def a_reset_in_mid_copy_leaves_nothing_near_and_offers_nothing(dut: Any) -> None:
    bench = Bench(dut, Layout())
    await bench.start()
    await one(bench, 3, 0)
    await move(bench)
    await answer(bench)
    await one(bench, 4, 1)
    await bench.cycle(copy_ready_i=1)
    await bench.reset()
    for _ in range(10):
        await bench.cycle(grant_ready_i=1, copy_ready_i=1)
        assert bench.grant() is None
        assert bench.copy() is None
    await one(bench, 3, 2)
    assert not (await move(bench)).back
    assert await answer(bench) == (2, 0, False, False)
    await bench.cycle()
    assert counters(dut) == (0, 1, 0, 0, 0)
