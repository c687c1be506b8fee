"""Runs inside the simulator: pairs of AGCUs, one loading, one storing; credits, tokens, poison, lists."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import cocotb
from axi_memory import clocks, reset, start_clock
from cocotb.triggers import FallingEdge

from penstock.sim.rtl.sn40l_memory import (
    AGCU_DESCRIPTOR,
    AGCU_SEGMENT,
    DDR,
    Code,
    Completion,
    Descriptor,
    Fault,
    FaultKind,
    Op,
    Segment,
)

CONTROL, PROGRAM, UNIT, CREDITS, BUFFERS = range(5)
STORE_DEPTH = 32
PATIENCE = 30_000
SOURCE, TARGET = Segment(0, 0x10000), Segment(DDR, 0x10000)
HBM_CHANNELS = 4


class Pairs:
    """The harness, and the memory's arrays behind it."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.chance = random.Random(seed)
        self.link = [1.0, 1.0]
        self.passed = [0, 0]
        self.stored = [0, 0]
        self.completions = [0] * 4
        self.irqs = 0
        self.most_ahead = 0
        self.most_units = 0

    async def start(self) -> None:
        for name in ("start_i", "abort_i", "cfg_valid_i", "withhold_i", "fault_valid_i", "fault_clear_i"):
            getattr(self.dut, name).value = 0
        self.dut.perf_select_i.value = 0
        self.dut.link_i.value = 3
        start_clock(self.dut)
        await reset(self.dut)
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            await FallingEdge(dut.clk_i)
            dut.link_i.value = sum((self.chance.random() < share) << p for p, share in enumerate(self.link))
            for pair in range(2):
                self.stored[pair] += int(dut.stored_o.value) >> pair & 1
            for unit in range(4):
                self.completions[unit] += int(dut.completion_valid_o.value) >> unit & 1
            self.irqs += int(dut.irq_o.value).bit_count()

    def _beat(self, address: int) -> Any:
        memory = self.dut.i_memory
        if address >= DDR:
            return memory.gen_channel[HBM_CHANNELS].i_chan.mem_q[(address - DDR) // 32]
        piece, within = divmod(address, 512)
        channel = memory.gen_channel[piece % HBM_CHANNELS].i_chan
        return channel.mem_q[piece // HBM_CHANNELS * 16 + within // 32]

    def read(self, address: int, count: int) -> bytes:
        """Whole beats of memory, without a cycle."""
        beats = range(address, address + count, 32)
        return b"".join(int(self._beat(at).value).to_bytes(32, "little") for at in beats)

    def write(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), 32):
            self._beat(address + at).value = int.from_bytes(data[at : at + 32], "little")

    async def configure(self, unit: int, words: dict[int, int]) -> None:
        for address, data in words.items():
            self.dut.cfg_unit_i.value = unit
            self.dut.cfg_addr_i.value, self.dut.cfg_data_i.value = address, data
            self.dut.cfg_valid_i.value = 1
            await FallingEdge(self.dut.clk_i)
        self.dut.cfg_valid_i.value = 0

    async def unit(
        self,
        unit: int,
        descriptors: list[Descriptor],
        *,
        trips: int = 1,
        packets: int = 1,
        flows: tuple[int, int] | None = None,
        depth: int = 0,
    ) -> None:
        """Configure a unit; plane 0 in pair 0, 1 in pair 1; flow 5 to load and store, or those given."""
        plane, (load, store) = unit // 2, flows or (5, 5)
        control = plane << 1 | load << 2 | 1 if unit % 2 == 0 else (1 | plane << 1 | store << 2) << 8
        words = {
            CONTROL: control,
            PROGRAM: trips << 16 | len(descriptors),
            UNIT: packets,
            CREDITS: STORE_DEPTH,
            BUFFERS: depth,
        }
        for number, segment in enumerate((SOURCE, TARGET)):
            words |= dict(enumerate(segment.words(), AGCU_SEGMENT + 4 * number))
        for number, descriptor in enumerate(descriptors):
            words |= dict(enumerate(descriptor.words(), AGCU_DESCRIPTOR + 16 * number))
        await self.configure(unit, words)

    async def go(self) -> None:
        self.stored, self.completions, self.irqs = [0, 0], [0] * 4, 0
        self.dut.start_i.value = 1
        await FallingEdge(self.dut.clk_i)
        self.dut.start_i.value = 0
        await FallingEdge(self.dut.clk_i)

    async def finish(self, units: int = 15) -> None:
        for _ in range(PATIENCE):
            if int(self.dut.done_o.value) & units == units:
                return
            await FallingEdge(self.dut.clk_i)
        raise AssertionError(f"units done: {int(self.dut.done_o.value):04b}")

    def stat(self, unit: int, word: int) -> int:
        return int(self.dut.stat_o.value) >> (128 * unit + 32 * word) & 0xFFFFFFFF

    def error(self, unit: int) -> Completion:
        return Completion.of(int(self.dut.error_completion_o.value) >> 73 * unit & ((1 << 73) - 1))


async def begin(dut: Any, seed: int) -> Pairs:
    pairs = Pairs(dut, seed)
    await pairs.start()
    return pairs


def load(length: int, **fields: Any) -> Descriptor:
    return Descriptor(Op.LOAD, length, source=0, **fields)


def store(length: int, **fields: Any) -> Descriptor:
    return Descriptor(Op.STORE, length, destination=1, **fields)


@cocotb.test()
async def streams_arrive_whole_through_any_network(dut: Any) -> None:
    """Lists, trips, units, two pairs at once, a network that pauses: memory against the model."""
    pairs = await begin(dut, 1)
    for round_ in range(4):
        pairs.link = [(1.0, 0.5, 0.1, 1.0)[round_], (1.0, 1.0, 0.6, 0.9)[round_]]
        data = pairs.chance.randbytes(0x8000)
        pairs.write(0, data)
        # Pair 0: 3 trips over two descriptors, rows of 2.5 words, in the storing unit one descriptor a trip.
        rows = [load(80, n1=6, source_strides=(96, 0)), load(256, source_offset=4096)]
        pairs.write(DDR, bytes(0x2000))
        await pairs.unit(0, rows, trips=3, packets=13)
        await pairs.unit(1, [store(32, n1=26, n2=3, destination_strides=(32, 1024))], packets=13)
        # Pair 1: one long stream to unaligned rows.
        await pairs.unit(2, [load(0x1000, source_offset=0x4000, last=True, irq=True)], packets=64)
        await pairs.unit(3, [store(100, n1=32, destination_offset=0x8003, destination_strides=(200, 0))])
        want = bytearray(pairs.read(DDR + 0x8000, 0x2000))
        await pairs.go()
        await pairs.finish()
        image = {0: data}
        words = [word for each in rows for word in each.load(image[0], [SOURCE])]
        assert len(words) == 26
        for trip in range(3):
            assert pairs.read(DDR + 1024 * trip, 832) == b"".join(words), f"trip {trip}"
        for row in range(32):
            want[3 + 200 * row : 103 + 200 * row] = data[0x4000 + 128 * row : 0x4000 + 128 * row + 100]
        assert pairs.read(DDR + 0x8000, 0x2000) == want
        assert pairs.stored == [6, 2]
        assert pairs.completions == [6, 1, 1, 1]
        assert pairs.irqs == 1
        assert int(dut.error_o.value) == 0
    dut.perf_select_i.value = 4
    await clocks(dut, 2)
    assert int(dut.perf_o.value) & 0xFFFFFFFF == 3 * (6 * 3 + 8), "beats read since start_i"


@cocotb.test()
async def a_unit_begins_when_its_buffer_is_free(dut: Any) -> None:
    """Buffer credits: with one unit of room a unit's packets wait for the one before to be stored."""
    pairs = await begin(dut, 2)
    for depth in (1, 2, 0):
        await pairs.unit(0, [load(32 * 24)], packets=4, depth=depth)
        await pairs.unit(1, [store(32 * 24)])
        await pairs.unit(2, [], trips=0)
        await pairs.unit(3, [], trips=0)
        await pairs.go()
        most = sent = 0
        for _ in range(2000):
            if int(dut.done_o.value) == 15:
                break
            sent += int(dut.passed_o.value) & 1
            most = max(most, sent - 4 * pairs.stored[0])
            await FallingEdge(dut.clk_i)
        assert sent == 24
        assert pairs.stored[0] == 6
        if depth:
            assert most <= 4 * depth, f"{most} packets ahead of a buffer of {depth} units"
        else:
            assert most > 4


@cocotb.test()
async def a_withheld_credit_stalls_its_own_producer_only(dut: Any) -> None:
    pairs = await begin(dut, 3)
    await pairs.unit(0, [load(32 * 100)])
    await pairs.unit(1, [store(32 * 100)])
    await pairs.unit(2, [load(32 * 100)])
    await pairs.unit(3, [store(32 * 100, destination_offset=0x4000)])
    dut.withhold_i.value = 1
    await pairs.go()
    await pairs.finish(12)
    await clocks(dut, 300)
    assert int(dut.done_o.value) == 12, "what has no credits goes on"
    assert pairs.stat(0, 0) > 100, "cycles that a word waits are not counted"
    assert pairs.read(DDR + 0x4000, 3200) == pairs.read(0, 3200)
    before = pairs.read(DDR, 3200)
    assert before[: 32 * STORE_DEPTH] == pairs.read(0, 32 * STORE_DEPTH), "fewer than the credits were sent"
    # An abort on both sides ends it.
    dut.abort_i.value = 3
    await pairs.finish()
    dut.abort_i.value = 0
    assert pairs.error(0).code == pairs.error(1).code == Code.ABORT


@cocotb.test()
async def poison_travels_with_its_word_and_is_told_at_both_ends(dut: Any) -> None:
    pairs = await begin(dut, 4)
    data = pairs.chance.randbytes(2048)
    pairs.write(0, data)
    pairs.write(DDR, bytes(2048))
    bad = 32 * 37
    dut.fault_i.value = Fault(FaultKind.FLIP, bad, word=3, mask=0b101, once=True).bits()
    dut.fault_valid_i.value = 1
    await clocks(dut, 1)
    dut.fault_valid_i.value = 0
    for poisoned in (True, False):
        for pair in (0, 2):
            await pairs.unit(pair, [load(2048)] if pair == 0 else [])
            await pairs.unit(pair + 1, [store(2048)] if pair == 0 else [])
        await pairs.go()
        await pairs.finish()
        if poisoned:
            assert int(dut.error_o.value) == 3
            first, second = pairs.error(0), pairs.error(1)
            assert (first.code, first.errors, first.address) == (Code.READ_SLV, 1, bad)
            assert (second.code, second.errors, second.address) == (Code.POISON, 1, DDR + bad)
            assert pairs.read(DDR, 2048) == data[:bad] + bytes(32) + data[bad + 32 :]
            assert (pairs.stat(0, 1), pairs.stat(1, 1), pairs.stat(1, 3)) == (1, 1, 1)
        else:
            assert int(dut.error_o.value) == 0
            assert pairs.read(DDR, 2048) == data


@cocotb.test()
async def tokens_order_units_and_strangers_are_dropped(dut: Any) -> None:
    """The storing unit first copies what the loading one has filled: it waits for its token."""
    pairs = await begin(dut, 5)
    fill = Descriptor(Op.FILL, 4096, destination=0, destination_offset=0x2000, pattern=0xA5C3, post=0)
    copy = Descriptor(Op.COPY, 4096, source=0, destination=1, source_offset=0x2000, wait=0)
    await pairs.unit(0, [fill, load(640, source_offset=0x1000)], flows=(9, 0))
    await pairs.unit(1, [copy], flows=(0, 5))
    await pairs.unit(2, [replace(fill, length=0, post=None), replace(fill, destination_offset=0x6000)])
    await pairs.unit(3, [], trips=5)
    pairs.write(DDR, bytes(4096))
    await pairs.go()
    await pairs.finish()
    assert pairs.read(DDR, 4096) == 1024 * (0xA5C3).to_bytes(4, "little")
    assert pairs.read(0x6000, 4096) == pairs.read(DDR, 4096), "a refused descriptor ended the list"
    assert pairs.error(2).code == Code.SHAPE
    assert int(dut.error_o.value) == 4
    assert pairs.stat(1, 2) == 20, "packets of another flow are not counted"
    # Registers that are not there: nothing happens.
    await pairs.configure(3, {5: ~0 & 0xFFFFFFFF, 64 + 4 * 9: 1, 256 + 11: 1, 256 + 16 * 100: 1, 0xFFF: 1})
    assert int(dut.done_o.value) == 15
