"""Runs inside the simulator: the read engine feeding the write engine, copies between any two addresses."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from axi_memory import Memory, attach, clocks, pause, reset, start_clock, watch_bursts
from cocotb.triggers import FallingEdge

PATIENCE = 20_000


async def begin(dut: Any, seed: int) -> tuple[Memory, Any]:
    for name in ("flush_i", "read_valid_i", "write_valid_i"):
        getattr(dut, name).value = 0
    memory = Memory()
    memory.bytes[:] = random.Random(seed).randbytes(len(memory.bytes))
    start_clock(dut)
    slave = attach(dut, memory)
    await reset(dut)
    return memory, slave


async def order(dut: Any, side: str, address: int, words: int) -> None:
    getattr(dut, f"{side}_addr_i").value = address
    getattr(dut, f"{side}_words_i").value = words
    getattr(dut, f"{side}_valid_i").value = 1
    while not int(getattr(dut, f"{side}_ready_o").value):
        await FallingEdge(dut.clk_i)
    await FallingEdge(dut.clk_i)
    getattr(dut, f"{side}_valid_i").value = 0


async def rest(dut: Any) -> list[int]:
    """Wait until both engines are idle; how many errors each reported."""
    errors = [0, 0]
    for _ in range(PATIENCE):
        await FallingEdge(dut.clk_i)
        for side in range(2):
            errors[side] += int(dut.error_o.value) >> side & 1
        if int(dut.idle_o.value) == 3:
            return errors
    raise AssertionError("the engines do not come to rest")


async def copy(dut: Any, memory: Memory, source: int, target: int, words: int) -> None:
    """Copy 32-bit words and check every byte of memory."""
    want = bytearray(memory.bytes)
    want[target : target + 4 * words] = memory.bytes[source : source + 4 * words]
    await order(dut, "read", source, (words + 1) // 2)
    await order(dut, "write", target, words)
    assert await rest(dut) == [0, 0]
    assert memory.bytes == want, f"copy of {words} words from {source:#x} to {target:#x}"


@cocotb.test()
async def copies_of_all_alignments_are_exact(dut: Any) -> None:
    memory, slave = await begin(dut, 1)
    limit = int(dut.MaxBurst.value)
    reads, writes = watch_bursts(dut, "ar"), watch_bursts(dut, "aw")
    chance = random.Random(2)
    for words in (1, 2, 3, 4, 31, 32, 33, 34, 257, 1100):
        for offset in (0, 4):
            for stall in (0.0, 0.4):
                pause(slave, stall, words)
                near_page = 0x8000 + 0x1000 * chance.randrange(1, 6) - 8 * chance.randrange(8)
                await copy(dut, memory, 8 * chance.randrange(2048), near_page + offset, words)
    for address, beats in reads + writes:
        assert beats <= limit
        assert address % 4096 + 8 * beats <= 4096, f"burst at {address:#x} of {beats} beats crosses 4 KiB"
    assert max(beats for _, beats in reads) == max(beats for _, beats in writes) == limit


@cocotb.test()
async def errors_are_reported_per_beat_read_and_per_burst_written(dut: Any) -> None:
    memory, _ = await begin(dut, 3)
    memory.bad_reads = range(0x108, 0x118)
    await order(dut, "read", 0x100, 8)
    await order(dut, "write", 0x4000, 16)
    assert await rest(dut) == [2, 0]
    memory.bad_reads, memory.bad_writes = range(0), range(0x5000, 0x5008)
    await order(dut, "read", 0x100, 8)
    await order(dut, "write", 0x5000, 16)
    assert await rest(dut) == [0, 1]


@cocotb.test()
async def a_flush_brings_the_port_to_rest_and_leaves_nothing(dut: Any) -> None:
    memory, slave = await begin(dut, 4)
    for cycle in range(1, 60, 3):
        pause(slave, 0.3, cycle)
        await order(dut, "read", 0x100, 400)
        await order(dut, "write", 0x5004, 700)
        await clocks(dut, cycle)
        dut.flush_i.value = 1
        await rest(dut)
        dut.flush_i.value = 0
        await FallingEdge(dut.clk_i)
        assert memory.touched <= set(range(0x5004, 0x5004 + 2800)), "a flush wrote beside its command"
        memory.touched.clear()
        await copy(dut, memory, 0x2000, 0x6004, 11)
        memory.touched.clear()
