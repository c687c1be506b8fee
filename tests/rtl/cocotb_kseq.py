"""Runs inside the simulator: the kernel sequencer, orchestrated by software and by hardware."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

PROGRAM, ARGUMENTS, EXECUTE, UNKNOWN = range(4)
INPUTS = (
    *("rst_ni", "so_latency_i", "cmd_valid_i", "cmd_i", "ho_valid_i", "ho_base_i", "ho_count_i"),
    *("sched_we_i", "prog_we_i", "waddr_i", "wdata_i", "run_cycles_i"),
)
WORDS = 64
Command = tuple[int, int, int]  # operation, base, count


def packed(command: Command) -> int:
    operation, base, count = command
    return operation << 30 | base << 15 | count


class Sequencer:
    """The sequencer, and what it did: words of the bus, starts and errors, each with its cycle."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.ports = {name: getattr(dut, name) for name in INPUTS}
        self.driven: dict[str, int] = {}
        self.now = 0
        self.words: list[tuple[int, int]] = []
        self.starts: list[int] = []
        self.errors: list[int] = []
        self.program = [random.Random(seed).getrandbits(52) for _ in range(WORDS)]
        self.kept: dict[str, int] = {}

    async def start(self) -> None:
        cocotb.start_soon(Clock(self.dut.clk_i, 2, "ns").start())
        for _ in range(3):
            await self.cycle(rst_ni=0)
        for address, word in enumerate(self.program):
            await self.cycle(prog_we_i=1, waddr_i=address, wdata_i=word)
        self.words, self.starts, self.errors = [], [], []

    async def cycle(self, **given: int) -> None:
        await FallingEdge(self.dut.clk_i)
        for name, port in self.ports.items():
            value = given.get(name, self.kept.get(name, int(name == "rst_ni")))
            if self.driven.get(name) != value:
                self.driven[name] = port.value = value
        await ReadOnly()
        self.now += 1
        if int(self.dut.cfg_valid_o.value):
            self.words.append((self.now, int(self.dut.cfg_o.value)))
        if int(self.dut.start_o.value):
            self.starts.append(self.now)
        if int(self.dut.error_o.value):
            self.errors.append(self.now)

    async def command(self, command: Command) -> int:
        """Give a command; the cycle in which it was taken."""
        for _ in range(1000):
            await self.cycle(cmd_valid_i=1, cmd_i=packed(command))
            if int(self.dut.cmd_ready_o.value):
                return self.now
        raise AssertionError("the command is not taken")

    async def idle(self) -> None:
        for _ in range(5000):
            await self.cycle()
            if int(self.dut.idle_o.value):
                return
        raise AssertionError("it does not come to rest")

    async def schedule(self, commands: list[Command], base: int = 0) -> None:
        for at, command in enumerate(commands):
            await self.cycle(sched_we_i=1, waddr_i=base + at, wdata_i=packed(command))

    async def go(self, base: int, count: int) -> int:
        await self.cycle(ho_valid_i=1, ho_base_i=base, ho_count_i=count)
        return self.now

    def expected(self, commands: list[Command]) -> list[int]:
        return [
            word
            for operation, base, count in commands
            if operation in (PROGRAM, ARGUMENTS)
            for word in self.program[base : base + count]
        ]

    def counter(self, name: str) -> int:
        return int(getattr(self.dut, name).value)


KERNELS: list[Command] = [
    *((PROGRAM, 3, 7), (ARGUMENTS, 20, 2), (EXECUTE, 0, 0), (ARGUMENTS, 30, 1), (EXECUTE, 0, 0)),
    *((ARGUMENTS, 0, 0), (EXECUTE, 0, 0), (PROGRAM, 0, 64), (EXECUTE, 0, 0)),
]


@cocotb.test()
async def software_gives_commands_and_each_begins_after_the_hosts_latency(dut: Any) -> None:
    for latency in (0, 1, 17):
        unit = Sequencer(dut, 1)
        unit.kept = {"so_latency_i": latency, "run_cycles_i": 9}
        await unit.start()
        for command in KERNELS:
            taken = await unit.command(command)
            before = len(unit.words), len(unit.starts)
            await unit.idle()
            if command[0] == EXECUTE:
                assert unit.starts[before[1]] == taken + latency + 3
            elif command[2]:
                assert unit.words[before[0]][0] == taken + latency + 3
        assert [word for _, word in unit.words] == unit.expected(KERNELS)
        assert len(unit.starts) == 4
        assert not unit.errors


@cocotb.test()
async def hardware_runs_a_schedule_without_a_gap_for_the_host(dut: Any) -> None:
    unit = Sequencer(dut, 2)
    unit.kept = {"so_latency_i": 1000, "run_cycles_i": 9}
    await unit.start()
    await unit.schedule(KERNELS, base=2)
    began = await unit.go(2, len(KERNELS))
    await unit.idle()
    assert [word for _, word in unit.words] == unit.expected(KERNELS)
    cycles = [cycle for cycle, _ in unit.words]
    assert cycles[:7] == list(range(began + 3, began + 10)), "one word a cycle"
    assert len(unit.starts) == unit.counter("launches_o") == 4
    assert unit.counter("busy_cycles_o") == 4 * 10
    # From the end of a run: fetch, decode, load, then fetch, decode, start.
    gaps = [later - sooner - 11 for sooner, later in zip(unit.starts, unit.starts[1:], strict=False)]
    assert gaps == [2 + 1 + 2, 2 + 2, 2 + 64 + 2]
    assert unit.now - began < 200, "nobody waited for the host"


@cocotb.test()
async def gaps_are_counted_from_the_end_of_a_kernel_to_the_next_start(dut: Any) -> None:
    unit = Sequencer(dut, 3)
    unit.kept = {"so_latency_i": 25, "run_cycles_i": 4}
    await unit.start()
    for command in ((PROGRAM, 0, 5), (EXECUTE, 0, 0), (EXECUTE, 0, 0)):
        await unit.command(command)
        await unit.idle()
    first, second = unit.starts
    ended = unit.now
    assert unit.counter("busy_cycles_o") == 2 * 5
    between = second - first - 5
    after = ended - (second + 6)
    assert unit.counter("gap_cycles_o") == between + after


@cocotb.test()
async def what_has_no_program_or_is_unknown_is_told_and_skipped(dut: Any) -> None:
    unit = Sequencer(dut, 4)
    unit.kept = {"run_cycles_i": 3}
    await unit.start()
    bad: list[Command] = [(EXECUTE, 0, 0), (ARGUMENTS, 0, 4), (UNKNOWN, 0, 3)]
    for count, command in enumerate(bad, 1):
        await unit.command(command)
        await unit.idle()
        assert len(unit.errors) == count
    assert not unit.words
    assert not unit.starts
    good: list[Command] = [(PROGRAM, 1, 2), (UNKNOWN, 5, 5), (EXECUTE, 0, 0)]
    await unit.schedule(good)
    await unit.go(0, 3)
    await unit.idle()
    assert len(unit.errors) == 4
    assert len(unit.starts) == 1
    assert [word for _, word in unit.words] == unit.program[1:3]


@cocotb.test()
async def an_empty_schedule_does_nothing_and_a_schedule_goes_before_a_command(dut: Any) -> None:
    unit = Sequencer(dut, 5)
    unit.kept = {"run_cycles_i": 0}
    await unit.start()
    await unit.go(0, 0)
    await unit.cycle()
    assert unit.counter("idle_o")
    await unit.schedule([(PROGRAM, 0, 1), (EXECUTE, 0, 0)])
    await unit.cycle(ho_valid_i=1, ho_count_i=2, cmd_valid_i=1, cmd_i=packed((PROGRAM, 9, 1)))
    assert not unit.counter("cmd_ready_o")
    await unit.command((PROGRAM, 9, 1))
    await unit.idle()
    assert [word for _, word in unit.words] == [unit.program[0], unit.program[9]]
    assert len(unit.starts) == 1


@cocotb.test()
async def a_reset_ends_a_load_and_forgets_the_program(dut: Any) -> None:
    unit = Sequencer(dut, 6)
    await unit.start()
    await unit.command((PROGRAM, 0, 60))
    for _ in range(10):
        await unit.cycle()
    assert unit.words
    await unit.cycle(rst_ni=0)
    unit.words = []
    for _ in range(70):
        await unit.cycle()
    assert not unit.words
    await unit.command((EXECUTE, 0, 0))
    await unit.idle()
    assert unit.errors
    assert not unit.starts
    assert unit.counter("launches_o") == unit.counter("gap_cycles_o") == 0


@cocotb.test()
async def commands_and_latencies_may_be_as_long_as_their_bits(dut: Any) -> None:
    unit = Sequencer(dut, 7)
    unit.kept = {"run_cycles_i": 3}
    await unit.start()
    large: list[Command] = [(PROGRAM, 0x2AAA, 0x5555), (ARGUMENTS, 0x5555, 0x2AAA)]
    await unit.schedule(large)
    await unit.go(0, 2)
    await unit.cycle()
    while not unit.counter("idle_o"):
        await unit.cycle()
    expected = [unit.program[at % WORDS] for _, base, count in large for at in range(base, base + count)]
    assert [word for _, word in unit.words] == expected
    unit.kept["so_latency_i"] = 0xFFFF
    taken = await unit.command((EXECUTE, 0, 0))
    while not unit.starts:
        await unit.cycle()
    assert unit.starts == [taken + 0xFFFF + 3]


@cocotb.test()
async def counters_wrap(dut: Any) -> None:
    """Of all their bits, where they are narrow."""
    unit, width = Sequencer(dut, 8), len(dut.launches_o)
    unit.kept = {"run_cycles_i": 2}
    await unit.start()
    await unit.schedule([(PROGRAM, 0, 1), *[(EXECUTE, 0, 0)] * 14])
    while len(unit.starts) < min(2**width, 1024) + 5:
        await unit.go(0, 15)
        await unit.idle()
    running = 3 * len(unit.starts)
    assert unit.counter("launches_o") == len(unit.starts) % 2**width
    assert unit.counter("busy_cycles_o") == running % 2**width
    assert unit.counter("gap_cycles_o") == (unit.now - unit.starts[0] - 1 - running) % 2**width
