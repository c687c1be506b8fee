"""Runs inside the simulator: software and memory around a BitMoD accelerator, with cocotb.

The job (memory, limits, files) comes as a JSON file named by the plusarg ``+job=``. As in the C++ driver,
reads are answered a fixed number of cycles after their address, a beat a cycle, bursts in order; writes as
long after their last beat. The design's outputs come from registers, so they are read and inputs changed in
the clock's low half, once a cycle.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

CLOCK_NS = 10
RESET_CYCLES = 4
UNWRITTEN = 0xA5
READERS = ("descriptors", "activations", "weights")
ID, CONTROL, STATUS, ERROR, IRQ_ENABLE = 0x00, 0x10, 0x14, 0x18, 0x1C
PARAMETERS = {"tile": 0x08, "buffers": 0x0C, "tiles": 0x40, "lanes": 0x44}
BASE, BASE_HIGH, COUNT, CYCLES, CORE_CYCLES = 0x20, 0x24, 0x28, 0x30, 0x38
FAILED, NONFINITE = 4, 8
IDENTITY = 0x424D_4F44
OKAY, SLVERR = 0, 2


@dataclass
class Burst:
    """A burst under way: the next beat's address, beats left, who asked, when it is due."""

    address: int
    beats: int
    id: int = 0
    due: int = 0
    bad: bool = False


class Memory:
    """Answers the AXI4 port; results may be written, the rest only read, anything else is an error."""

    def __init__(self, dut: Any, memory: Mapping[str, Any], regions: list[list[int]]) -> None:
        self.dut, self.latency, self.regions = dut, memory["latency"], regions
        self.base, self.first, self.end = memory["base"], memory["results"], memory["end"]
        image = Path(memory["image"]).read_bytes()
        self.bytes = bytearray(image + bytes([UNWRITTEN]) * (self.end - self.base - len(image)))
        self.reads: deque[Burst] = deque()
        self.writes: deque[Burst] = deque()
        self.answers: deque[Burst] = deque()
        self.beats: deque[tuple[int, int]] = deque()
        self.read = dict.fromkeys(READERS, 0)
        self.written = self.refused = 0
        self.answered = [0] * len(regions)
        for name in ("arready", "awready", "wready"):
            self.port(name).value = 1
        for name in ("rvalid", "bvalid", "rid", "rdata", "rresp", "rlast", "bid", "bresp"):
            self.port(name).value = 0

    def port(self, name: str) -> Any:
        """A signal of the port."""
        return getattr(self.dut, f"m_axi_{name}")

    def low(self, now: int) -> None:
        """In a cycle's low half: drive this cycle's answers, take what crosses at its end."""
        ready = bool(self.reads) and self.reads[0].due <= now
        self.port("rvalid").value = int(ready)
        if ready:
            self._give(self.reads[0])
        ready = bool(self.answers) and self.answers[0].due <= now
        self.port("bvalid").value = int(ready)
        if ready:
            self._acknowledge(self.answers.popleft(), now)
        if int(self.port("arvalid").value):
            address, beats = int(self.port("araddr").value), int(self.port("arlen").value) + 1
            self.reads.append(Burst(address, beats, int(self.port("arid").value), now + self.latency))
        if int(self.port("awvalid").value):
            self.writes.append(Burst(int(self.port("awaddr").value), int(self.port("awlen").value) + 1))
        if int(self.port("wvalid").value):
            self.beats.append((int(self.port("wdata").value), int(self.port("wstrb").value)))
        while self.writes and self.beats:
            self._write(now)

    def _give(self, burst: Burst) -> None:
        here = self.base <= burst.address and burst.address + 8 <= self.end
        at = burst.address - self.base
        if not here:
            self.refused = self.refused or burst.address
        self.port("rdata").value = int.from_bytes(self.bytes[at : at + 8], "little") if here else 0
        self.port("rresp").value = OKAY if here else SLVERR
        self.port("rid").value = burst.id
        self.port("rlast").value = int(burst.beats == 1)
        self.read[READERS[min(burst.id, 2)]] += 8
        burst.address += 8
        burst.beats -= 1
        if not burst.beats:
            self.reads.popleft()

    def _acknowledge(self, burst: Burst, now: int) -> None:
        self.port("bresp").value = SLVERR if burst.bad else OKAY
        for number, (start, size) in enumerate(self.regions):
            if start < burst.address + 8 and burst.address < start + size:
                self.answered[number] = now

    def _write(self, now: int) -> None:
        burst, (data, strobe) = self.writes[0], self.beats.popleft()
        for lane in range(8):
            place = burst.address + lane
            if strobe >> lane & 1:
                if not self.first <= place < self.end:
                    burst.bad, self.refused = True, self.refused or place
                else:
                    self.bytes[place - self.base] = data >> 8 * lane & 0xFF
                    self.written += 1
        burst.beats -= 1
        if burst.beats:
            burst.address += 8
        else:
            burst.due = now + self.latency
            self.answers.append(self.writes.popleft())


class Bench:
    """The accelerator, its memory, and software at its registers."""

    def __init__(self, dut: Any, memory: Memory) -> None:
        self.dut, self.memory, self.now = dut, memory, 0
        for name in ("awvalid", "wvalid", "arvalid", "awaddr", "wdata", "araddr"):
            self.port(name).value = 0
        self.port("wstrb").value = 0xF
        self.port("bready").value = self.port("rready").value = 1

    def port(self, name: str) -> Any:
        """A signal of the registers' port."""
        return getattr(self.dut, f"s_axil_{name}")

    async def cycle(self) -> None:
        """One clock."""
        self.memory.low(self.now)
        await FallingEdge(self.dut.clk_i)
        self.now += 1

    async def write(self, address: int, value: int) -> int:
        """Write a register; the cycle in which the write takes effect."""
        self.port("awaddr").value, self.port("wdata").value = address, value
        self.port("awvalid").value = self.port("wvalid").value = 1
        while not int(self.port("bvalid").value):
            taken = {name: int(self.port(f"{name}ready").value) for name in ("aw", "w")}
            await self.cycle()
            for name, gone in taken.items():
                if gone:
                    self.port(f"{name}valid").value = 0
        assert not int(self.port("bresp").value), f"the accelerator refuses to write register {address:#x}"
        await self.cycle()
        return self.now - 2

    async def read(self, address: int) -> int:
        """Read a register."""
        self.port("araddr").value = address
        self.port("arvalid").value = 1
        while not int(self.port("rvalid").value):
            taken = int(self.port("arready").value)
            await self.cycle()
            if taken:
                self.port("arvalid").value = 0
        assert not int(self.port("rresp").value), f"the accelerator refuses to read register {address:#x}"
        value = int(self.port("rdata").value)
        await self.cycle()
        return value

    async def read_wide(self, address: int) -> int:
        """Read a register of 64 bits."""
        return await self.read(address) | await self.read(address + 4) << 32


@cocotb.test()
async def run_chain(dut: Any) -> None:
    """Run the layers once; write results and figures to the job's files."""
    job = json.loads(Path(str(cocotb.plusargs["job"])).read_text(encoding="utf-8"))
    dut.rst_ni.value = 0
    memory = Memory(dut, job["memory"], job["regions"])
    bench = Bench(dut, memory)
    Clock(dut.clk_i, CLOCK_NS, unit="ns").start()
    for _ in range(RESET_CYCLES):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)

    assert await bench.read(ID) == IDENTITY
    for name, address in PARAMETERS.items():
        assert await bench.read(address) == job[name], f"another accelerator: {name}"
    await bench.write(IRQ_ENABLE, 3)
    await bench.write(BASE, job["memory"]["base"] & 0xFFFF_FFFF)
    await bench.write(BASE_HIGH, job["memory"]["base"] >> 32)
    await bench.write(COUNT, len(job["regions"]))
    start, limit = await bench.write(CONTROL, 1), job["max_cycles"]
    with Path(job["results"]).open("wb") as results:
        while not int(dut.irq_o.value) and (limit is None or bench.now - start < limit):
            await bench.cycle()
        results.write(memory.bytes[memory.first - memory.base :])

    outcome: dict[str, Any] = {"finished": bool(int(dut.irq_o.value))}
    status = await bench.read(STATUS)
    if status & FAILED:
        error = await bench.read(ERROR)
        outcome["failed"] = {"code": error & 7, "index": error >> 16, "address": memory.refused}
    outcome["figures"] = {
        "cycles": await bench.read_wide(CYCLES),
        "core_cycles": await bench.read_wide(CORE_CYCLES),
        "nonfinite": int(status & NONFINITE != 0),
        **memory.read,
        "written": memory.written,
        **{f"end{number}": at + 1 - start for number, at in enumerate(memory.answered)},
    }
    Path(job["outcome"]).write_text(json.dumps(outcome), encoding="utf-8")
