"""Runs inside the simulator: the manager of experts beside a table of experts in Python."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
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
        dut.slots_i.value = self.slots
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
        """Drive the inputs, 0 where nothing is given, no reset; the outputs settle before the edge."""
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


@dataclass(frozen=True)
class Habits:
    """Of those who ask.

    Attributes:
        experts: how many there are.
        locality: share of requests that repeat one of the last few experts.
        prefetch, wrote: share of the requests that are prefetches, and of the runs that write.
        hold, latency: longest run and copy, cycles.
        pace: chance that something offered is taken in a cycle.
    """

    experts: int
    locality: float
    prefetch: float
    wrote: float
    hold: int
    latency: int
    pace: float


class Play:
    """Random requests to the manager, the table in Python beside it."""

    def __init__(self, dut: Any, habits: Habits, seed: int, layout: Layout) -> None:
        self.bench, self.habits, self.chance = Bench(dut, layout), habits, random.Random(seed)
        self.told = Reference(self.bench.slots, layout)
        self.recent: deque[int] = deque([0], maxlen=max(1, self.bench.slots // 2))
        self.offered: tuple[int, bool] | None = None
        self.runs: list[tuple[int, int, int]] = []  # when it ends, expert, slot
        self.moving: tuple[int, Copy] | None = None
        self.pinned: int | None = None
        self.sent = self.now = self.quiet = self.waited = 0

    async def run(self, requests: int) -> Reference:
        """So many requests, and until all is answered and released."""
        await self.bench.start()
        while self.sent < requests or self.busy:
            self.now += 1
            self.quiet += 1
            assert self.quiet < PATIENCE, "nothing happens any more"
            await self.cycle(requests)
        return self.told

    @property
    def busy(self) -> bool:
        told = self.told
        waits = bool(told.waiting or told.ready) or told.loading is not None
        return bool(self.offered or self.runs or self.moving) or waits

    def ask(self) -> tuple[int, bool]:
        """The next request: an expert, and whether it is a prefetch."""
        chance, habits = self.chance, self.habits
        near = chance.random() < habits.locality
        expert = self.recent[chance.randrange(len(self.recent))] if near else chance.randrange(habits.experts)
        self.recent.append(expert)
        return expert, chance.random() < habits.prefetch

    async def cycle(self, requests: int) -> None:
        """Drive a cycle, and tell the table what the manager took and gave in it, in its order: what it looks
        up is as the cycle before left it."""
        chance, habits, told = self.chance, self.habits, self.told
        if self.offered is None and self.sent < requests and chance.random() < habits.pace:
            self.offered = self.ask()
        expert, prefetch = self.offered or (0, False)
        over = next((run for run in self.runs if run[0] <= self.now), None)
        writes = chance.random() < habits.wrote
        finished = self.moving if self.moving and self.moving[0] <= self.now else None
        pins, unpins = self.pin()
        pin = unpins if pins is None else pins
        takes_copy = self.moving is None and chance.random() < habits.pace
        takes_grant = chance.random() < habits.pace
        await self.bench.cycle(
            req_valid_i=self.offered is not None,
            req_expert_i=expert,
            req_id_i=self.sent & 255,
            req_prefetch_i=prefetch,
            grant_ready_i=takes_grant,
            copy_ready_i=takes_copy,
            rel_valid_i=over is not None,
            rel_slot_i=over[2] if over else 0,
            rel_wrote_i=writes,
            done_valid_i=finished is not None,
            pin_valid_i=pin is not None,
            pin_slot_i=0 if pin is None else told.slot_of[pin],
            pin_set_i=pins is not None,
        )
        if self.offered and self.bench.read("req_ready_o"):
            told.accept(expert, self.sent & 255, prefetch=prefetch)
            self.offered, self.sent, self.quiet = None, self.sent + 1, 0
        elif self.offered:
            self.waited += 1
        if finished:
            told.copied(finished[1])
            self.moving, self.quiet = None, 0
        if takes_copy and (copy := self.bench.copy()):
            assert copy == told.copies.popleft()
            self.moving = self.now + 1 + chance.randrange(habits.latency), copy
        if takes_grant and (grant := self.bench.grant()):
            name, slot, hit, failed = grant
            assert not failed
            ends = self.now + 1 + chance.randrange(habits.hold)
            self.runs.append((ends, told.granted(name, slot, hit), slot))
        if over:
            self.runs.remove(over)
            told.released(over[1], wrote=writes)
        self.pinned = told.pin(pins, unpins, self.pinned)

    def pin(self) -> tuple[int | None, int | None]:
        """Whom to pin, and whom to unpin: one at a time, and one that runs."""
        if self.pinned is None:
            return (self.runs[0][1], None) if self.runs and self.chance.random() < 0.02 else (None, None)
        return None, self.pinned if self.chance.random() < 0.01 else None


def counters(bench: Any) -> tuple[int, ...]:
    names = ("hits_o", "misses_o", "evictions_o", "back_bytes_o", "errors_o")
    return tuple(int(getattr(bench, name).value) for name in names)


def wrapped(bench: Any, *counts: int) -> tuple[int, ...]:
    """Counts as the counters have them."""
    return tuple(count % 2 ** len(bench.hits_o) for count in counts)


@cocotb.test()
async def the_least_recently_used_goes_and_what_was_written_goes_back(dut: Any) -> None:
    habits = Habits(experts=150, locality=0.9, prefetch=0.1, wrote=0.3, hold=6, latency=3, pace=0.95)
    told = await Play(dut, habits, 1, Layout()).run(100_000)
    assert counters(dut) == wrapped(dut, told.hits, told.misses, told.evictions, told.back_bytes, 0)
    assert told.evictions > 3000
    assert told.back_bytes


@cocotb.test()
async def experts_that_are_only_read_move_no_bytes_back(dut: Any) -> None:
    habits = Habits(experts=100, locality=0.2, prefetch=0.2, wrote=0.5, hold=30, latency=9, pace=0.5)
    told = await Play(dut, habits, 2, Layout(writable_bytes=0)).run(3000)
    assert counters(dut) == wrapped(dut, told.hits, told.misses, told.evictions, 0, 0)
    assert told.evictions > 1000
    assert told.back_bytes == 0


@cocotb.test()
async def requests_wait_while_everybody_near_is_in_use(dut: Any) -> None:
    habits = Habits(experts=400, locality=0.3, prefetch=0.0, wrote=0.5, hold=900, latency=2, pace=1.0)
    play = Play(dut, habits, 3, Layout())
    told = await play.run(2000)
    assert counters(dut) == wrapped(dut, told.hits, told.misses, told.evictions, told.back_bytes, 0)
    assert play.waited > 2000
    assert (int(dut.wait_cycles_o.value),) == wrapped(dut, play.waited)


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
    assert counters(dut) == wrapped(dut, 3, 2, 0, 0, 1)


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
    assert counters(dut)[3:] == wrapped(dut, layout.writable_bytes, 1)


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
    assert counters(dut) == wrapped(dut, 0, 1, 0, 0, 0)


@cocotb.test()
async def descriptors_are_right_wherever_experts_lie(dut: Any) -> None:
    """Bases, strides and sizes of all bits; addresses are modulo their width."""
    chance = random.Random(8)
    await Bench(dut, Layout()).start()
    for _ in range(60):
        bits = chance.getrandbits
        await FallingEdge(dut.clk_i)
        layout = Layout(bits(40), bits(32), bits(40), bits(32), bits(32), bits(32), bits(32) | 1)
        bench = Bench(dut, layout)
        await bench.reset()
        experts = chance.sample(range(1 << 10), bench.slots + 1)
        for name, expert in enumerate(experts[:-1]):
            await one(bench, expert, name)
            slot = name
            far, near = (
                layout.far_base + expert * layout.far_stride,
                layout.near_base + slot * layout.near_stride,
            )
            assert await move(bench, latency=0) == Copy(False, far % 2**40, near % 2**40, layout.size)
            await answer(bench)
            await bench.cycle(rel_valid_i=1, rel_slot_i=slot, rel_wrote_i=1)
        await one(bench, experts[-1], 0)
        far = layout.far_base + experts[0] * layout.far_stride + layout.writable_offset
        near = layout.near_base + layout.writable_offset
        assert await move(bench, latency=0) == Copy(True, near % 2**40, far % 2**40, layout.writable_bytes)
        await move(bench, latency=0)
        await answer(bench)
        assert (bench.read("back_bytes_o"),) == wrapped(dut, layout.writable_bytes)


@cocotb.test()
async def counters_wrap(dut: Any) -> None:
    """Of all their bits, where they are narrow."""
    bench, most = Bench(dut, Layout()), 1000
    await bench.start()
    times = min(2 ** len(dut.hits_o), most) + 5
    for _ in range(times):
        await one(bench, 1, 0, prefetch=True)
        await move(bench, fails=True, latency=0)
        await bench.cycle()
    await bench.cycle()
    assert counters(dut) == wrapped(dut, 0, times, 0, 0, times)
