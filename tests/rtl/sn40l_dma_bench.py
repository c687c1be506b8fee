"""Drives the DMA of the SN40L inside the simulator: descriptors in, completions and stream words watched."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from axi_memory import Memory, attach, clocks, pause, reset, start_clock
from cocotb.triggers import FallingEdge

from penstock.sim.rtl.sn40l_memory import Completion, Descriptor, Op, Segment

PATIENCE = 20_000
SEGMENTS = 4
Words = list[tuple[int, bool, bool]]
"""Data, last, poison."""


def random_shape(chance: random.Random, op: Op, room: int, longest: int = 1200) -> Descriptor:
    """A descriptor within segments of ``room`` bytes: rows of any length, strides of either sign."""
    length = chance.choice((1, 2, 31, 32, 33, 511, 512, 513, chance.randrange(1, longest)))
    n1, n2 = chance.choice(((1, 1), (1, 1), (chance.randrange(1, 6), 1), (chance.randrange(1, 5), 3)))
    sides = []
    for dense in (False, op != Op.LOAD):  # rows that are written do not overlap
        pitch = length + chance.randrange(90)
        inner = chance.choice((1, -1)) * pitch
        outer = chance.choice((1, -1)) * (pitch * n1 + chance.randrange(70))
        if not dense:
            inner, outer = (chance.choice((value, value // 2, 0)) for value in (inner, outer))
        low = min(0, (n1 - 1) * inner) + min(0, (n2 - 1) * outer)
        high = max(0, (n1 - 1) * inner) + max(0, (n2 - 1) * outer) + length
        assert high - low <= room, "the shape is larger than its segment"
        sides.append((chance.randrange(-low, room - high + 1), (inner, outer)))
    (source, source_strides), (destination, destination_strides) = sides
    return Descriptor(
        op,
        length,
        n1,
        n2,
        0,
        1,
        source,
        destination,
        source_strides,
        destination_strides,
        pattern=chance.getrandbits(32),
    )


class Bench:
    """The harness with a memory of bytes at its port."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.chance = random.Random(seed)
        self.memory = Memory(1 << 16)
        self.memory.bytes[:] = self.chance.randbytes(1 << 16)
        self.segments = [Segment(0x100, 0x6F00), Segment(0x8000, 0x7000), Segment(0, 0), Segment(0, 0)]
        self.completions: list[Completion] = []
        self.tokens = [0, 0, 0]
        self.irqs = 0
        self.words: Words = []
        self.stall = 0.0
        self.to_store: list[tuple[int, bool]] = []
        self.traffic = 0
        self.slave: Any = None

    async def start(self) -> None:
        """Clock, reset, bus model, monitors."""
        dut = self.dut
        inputs = ("abort_i", "descriptor_valid_i", "token_i", "ld_ready_i", "st_valid_i", "st_poison_i")
        for name in inputs:
            getattr(dut, name).value = 0
        self.set_segments()
        start_clock(dut)
        self.slave = attach(dut, self.memory)
        await reset(dut)
        cocotb.start_soon(self._watch())
        cocotb.start_soon(self._sink())
        cocotb.start_soon(self._feed())

    def set_segments(self) -> None:
        """Put the segments into the harness."""
        bits = 0
        for number, segment in enumerate(self.segments):
            bits |= segment.bits() << 91 * number
        self.dut.segments_i.value = bits

    def pause(self, stall: float, seed: int) -> None:
        """Let every channel and stream pause with this probability."""
        self.stall = stall
        pause(self.slave, stall, seed)

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            await FallingEdge(dut.clk_i)
            if not int(dut.rst_ni.value):
                continue
            if int(dut.completion_valid_o.value):
                self.completions.append(Completion.of(int(dut.completion_o.value)))
            posted = int(dut.token_o.value)
            for token in range(3):
                self.tokens[token] += posted >> token & 1
            self.irqs += int(dut.irq_o.value)
            self.traffic += int(dut.m_axi_arvalid.value) | int(dut.m_axi_awvalid.value)

    async def _sink(self) -> None:
        dut = self.dut
        while True:
            await FallingEdge(dut.clk_i)
            ready = self.chance.random() >= self.stall
            dut.ld_ready_i.value = int(ready)
            if ready and int(dut.ld_valid_o.value):
                self.words.append(
                    (
                        int(dut.ld_data_o.value),
                        bool(int(dut.ld_last_o.value)),
                        bool(int(dut.ld_poison_o.value)),
                    )
                )

    async def _feed(self) -> None:
        dut, held = self.dut, False
        while True:
            await FallingEdge(dut.clk_i)
            held = bool(self.to_store) and (held or self.chance.random() >= self.stall)
            dut.st_valid_i.value = int(held)
            if held:
                dut.st_data_i.value, dut.st_poison_i.value = self.to_store[0][0], int(self.to_store[0][1])
                if int(dut.st_ready_o.value):
                    self.to_store.pop(0)
                    held = False

    async def offer(self, descriptor: Descriptor) -> None:
        """Offer a descriptor until it is taken."""
        dut = self.dut
        dut.descriptor_i.value = descriptor.bits()
        dut.descriptor_valid_i.value = 1
        for _ in range(PATIENCE):
            if int(dut.descriptor_ready_o.value):
                break
            await FallingEdge(dut.clk_i)
        else:
            raise AssertionError("a descriptor is not taken")
        await FallingEdge(dut.clk_i)
        dut.descriptor_valid_i.value = 0

    async def finish(self, count: int) -> list[Completion]:
        """Wait for so many completions, and that nothing follows; take them."""
        for _ in range(PATIENCE):
            if len(self.completions) >= count:
                break
            await FallingEdge(self.dut.clk_i)
        else:
            raise AssertionError(f"{len(self.completions)} of {count} completions after {PATIENCE} cycles")
        await clocks(self.dut, 4)
        assert int(self.dut.idle_o.value), "not idle after the last completion"
        found, self.completions = self.completions, []
        assert len(found) == count, f"{len(found)} completions for {count} descriptors"
        return found

    async def run(self, descriptor: Descriptor, stream: list[bytes] | None = None) -> Completion:
        """One descriptor from end to end; ``stream`` is stored."""
        self.words = []
        if stream is not None:
            self.to_store += [(int.from_bytes(word, "little"), False) for word in stream]
        await self.offer(descriptor)
        (completion,) = await self.finish(1)
        return completion
