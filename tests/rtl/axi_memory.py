"""A memory behind an AXI4 port: addresses that answer with an error, random pauses on every channel."""

from __future__ import annotations

import itertools
import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from cocotbext.axi import AxiBus, AxiSlave


class Memory:
    """Bytes ``[size]``; reads of ``bad_reads`` and writes of ``bad_writes`` fail."""

    def __init__(self, size: int = 1 << 16) -> None:
        self.bytes = bytearray(size)
        self.bad_reads = range(0)
        self.bad_writes = range(0)
        self.reads: list[int] = []
        self.touched: set[int] = set()

    async def read(self, address: int, length: int) -> bytes:
        self.reads.append(address)
        if address in self.bad_reads or address + length > len(self.bytes):
            raise OSError(f"no memory at {address:#x}")
        return bytes(self.bytes[address : address + length])

    async def write(self, address: int, data: bytes) -> None:
        if address in self.bad_writes or address + len(data) > len(self.bytes):
            raise OSError(f"no memory at {address:#x}")
        self.bytes[address : address + len(data)] = data
        self.touched.update(range(address, address + len(data)))


def attach(dut: Any, memory: Memory) -> AxiSlave:
    """Put the memory at the ``m_axi`` port of a harness."""
    bus = AxiBus.from_prefix(dut, "m_axi")
    return AxiSlave(bus, dut.clk_i, dut.rst_ni, memory, reset_active_level=False)


def pause(slave: AxiSlave, stall: float, seed: int) -> None:
    """Let every channel pause with probability ``stall`` in each cycle."""
    writes, reads = slave.write_if, slave.read_if
    assert writes is not None
    assert reads is not None
    channels = (
        writes.aw_channel,
        writes.w_channel,
        writes.b_channel,
        reads.ar_channel,
        reads.r_channel,
    )
    for index, channel in enumerate(channels):
        chance = random.Random(seed * 8 + index)
        channel.set_pause_generator(draw(chance, stall) if stall else itertools.repeat(False))


def draw(chance: random.Random, stall: float) -> Any:
    while True:
        yield chance.random() < stall


def start_clock(dut: Any) -> None:
    """Start the clock, in reset."""
    dut.rst_ni.value = 0
    Clock(dut.clk_i, 10, unit="ns").start()


async def reset(dut: Any, cycles: int = 4) -> None:
    dut.rst_ni.value = 0
    await clocks(dut, cycles)
    dut.rst_ni.value = 1
    await clocks(dut, 2)


async def clocks(dut: Any, count: int) -> None:
    for _ in range(count):
        await FallingEdge(dut.clk_i)


def watch_bursts(dut: Any, channel: str) -> list[tuple[int, int]]:
    """The bursts taken on a channel (``ar`` or ``aw``) from now on: address, beats."""
    bursts: list[tuple[int, int]] = []

    async def watch() -> None:
        valid, ready = getattr(dut, f"m_axi_{channel}valid"), getattr(dut, f"m_axi_{channel}ready")
        addr, length = getattr(dut, f"m_axi_{channel}addr"), getattr(dut, f"m_axi_{channel}len")
        while True:
            await FallingEdge(dut.clk_i)
            if valid.value == 1 and ready.value == 1:
                bursts.append((int(addr.value), int(length.value) + 1))

    cocotb.start_soon(watch())
    return bursts
