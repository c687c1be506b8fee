"""Runs inside the simulator: bitmod_accel, 2 × 3 elements: chains of layers from memory to memory."""

from __future__ import annotations

import struct
from typing import Any

import cocotb
import numpy as np
from axi_memory import Memory, attach, clocks, pause, reset, start_clock
from cocotb.triggers import FallingEdge
from cocotb_linear import ARRAY, SCHEMES, Layer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from penstock.backends.verilog.images import activation_words, weight_words

CONTROL, STATUS, ERROR, IRQ_ENABLE = 0x10, 0x14, 0x18, 0x1C
BASE, BASE_HIGH, COUNT, PROGRESS, CYCLES, CORE_CYCLES = 0x20, 0x24, 0x28, 0x2C, 0x30, 0x38
ARRAY_SIZE, TILES, LANES = 0x08, 0x40, 0x44
START, ABORT = 1, 2
BUSY, DONE, FAILED, NONFINITE = 1, 2, 4, 8
DESCRIPTORS = 0x400
PATIENCE = 200_000
SHAPES = [(5, 7, 200), (3, 4, 129), (9, 3, 256), (2, 5, 17)]


class Bench:
    """The accelerator, its memory, and software at its registers."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.memory = Memory()
        self.slave = attach(dut, self.memory)
        self.bus: Any = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk_i, dut.rst_ni, reset_active_level=False
        )
        self.free = 0x1004
        self.layers: list[tuple[Layer, int]] = []

    async def read(self, address: int) -> int:
        return await self.bus.read_dword(address)

    async def write(self, address: int, value: int) -> None:
        await self.bus.write_dword(address, value)

    def place(self, data: bytes, align: int = 8) -> int:
        address = -(-self.free // align) * align
        self.memory.bytes[address : address + len(data)] = data
        self.free = address + len(data)
        return address

    def add(self, layer: Layer, *, flags: int = 0) -> None:
        """Put a layer's operands into memory, room for its results, and its descriptor."""
        tokens, channels, _ = layer.shape
        weights = self.place(weight_words(layer.weights, layer.bias).astype("<u8").tobytes())
        acts = self.place(activation_words(layer.acts, layer.weights.groups).astype("<u8").tobytes())
        results = self.place(bytes(4 * tokens * channels), align=4)
        self.free += 4  # results end and begin at halves of words
        descriptor = struct.pack(
            "<QQQHHHBBQ24x",
            weights,
            acts,
            results,
            tokens,
            channels,
            layer.weights.groups,
            int(layer.weights.format.mode),
            flags,
            layer.weights.format.special_terms,
        )
        at = DESCRIPTORS + 64 * len(self.layers)
        self.memory.bytes[at : at + 64] = descriptor
        self.layers.append((layer, results))

    def field(self, index: int, offset: int, data: bytes) -> None:
        """Change a descriptor."""
        at = DESCRIPTORS + 64 * index + offset
        self.memory.bytes[at : at + len(data)] = data

    async def start(self, count: int | None = None, base: int = DESCRIPTORS) -> None:
        await self.write(BASE, base)
        await self.write(BASE_HIGH, 0)
        await self.write(COUNT, len(self.layers) if count is None else count)
        await self.write(CONTROL, START)

    async def end(self) -> int:
        """Wait for the interrupt line; the status then."""
        for _ in range(PATIENCE):
            await FallingEdge(self.dut.clk_i)
            if int(self.dut.irq_o.value):
                return await self.read(STATUS)
        raise AssertionError("no interrupt")

    def assert_exact(self, count: int | None = None) -> None:
        for index, (layer, address) in enumerate(self.layers[:count]):
            want = layer.expected()
            raw = bytes(self.memory.bytes[address : address + want.nbytes])
            out = np.frombuffer(raw, "<f4").reshape(want.shape)
            same = (out.view(np.uint32) == want.view(np.uint32)) | (np.isnan(out) & np.isnan(want))
            assert same.all(), f"layer {index}, {layer.shape}: {np.argwhere(~same)[:3].tolist()} differ"

    def assert_nothing_else_written(self) -> None:
        for layer, address in self.layers:
            tokens, channels, _ = layer.shape
            self.memory.touched -= set(range(address, address + 4 * tokens * channels))
        assert not self.memory.touched, f"written beside the results: {min(self.memory.touched):#x}"


async def begin(dut: Any, shapes: list[tuple[int, int, int]] | None = None, seed: int = 0) -> Bench:
    start_clock(dut)
    bench = Bench(dut)
    await reset(dut)
    await bench.write(IRQ_ENABLE, 3)
    for index, shape in enumerate(SHAPES if shapes is None else shapes):
        bench.add(Layer(*shape, seed + index, SCHEMES[index % len(SCHEMES)]), flags=index & 1)
    return bench


async def good_run(bench: Bench) -> None:
    bench.memory.touched.clear()
    await bench.start()
    assert await bench.end() == DONE
    assert await bench.read(PROGRESS) == len(bench.layers)
    bench.assert_exact()
    bench.assert_nothing_else_written()
    await bench.write(STATUS, DONE)


@cocotb.test()
async def a_chain_of_ragged_layers_is_exact(dut: Any) -> None:
    bench = await begin(dut)
    assert await bench.read(0x00) == 0x424D4F44
    assert await bench.read(0x08) == ARRAY.cols << 16 | ARRAY.rows
    assert await bench.read(0x0C) == ARRAY.max_groups << 16 | ARRAY.max_tokens
    await good_run(bench)
    cycles, core = await bench.read(CYCLES), await bench.read(CORE_CYCLES)
    dut._log.info(f"chain of {SHAPES}: {cycles} cycles, array busy {core}")
    assert core < cycles < core + 100 * len(SHAPES), f"{cycles} cycles, the array busy for {core} of them"
    assert not int(dut.irq_o.value)


@cocotb.test()
async def the_next_layer_is_prefetched_unless_fenced(dut: Any) -> None:
    bench = await begin(dut, [(4, 13, 256), (1, 1, 128), (1, 2, 129)])
    for fence in (0, 1):
        bench.field(1, 31, bytes([fence]))
        bench.memory.reads.clear()
        acts = struct.unpack("<Q", bench.memory.bytes[DESCRIPTORS + 64 + 8 :][:8])[0]
        await bench.start()
        while not await bench.read(PROGRESS):
            early = acts in bench.memory.reads
        assert early == (not fence)
        assert await bench.end() == DONE
        await bench.write(STATUS, DONE)
        bench.assert_exact()


@cocotb.test()
async def backpressure_on_all_channels_changes_nothing(dut: Any) -> None:
    bench = await begin(dut, seed=10)
    for seed, stall in enumerate((0.2, 0.6)):
        pause(bench.slave, stall, seed)
        await good_run(bench)


@cocotb.test()
async def error_answers_stop_the_chain_and_the_next_start_is_clean(dut: Any) -> None:
    bench = await begin(dut, [(5, 4, 129), (2, 3, 128)], seed=20)
    weights, acts, results = struct.unpack("<QQQ", bench.memory.bytes[DESCRIPTORS : DESCRIPTORS + 24])
    for code, start, writes in (
        (2, DESCRIPTORS + 16, False),
        (4, acts + 64, False),
        (5, weights + 80, False),
        (6, results + 8 & ~7, True),
    ):
        bad = range(start, start + 8)
        bench.memory.bad_reads, bench.memory.bad_writes = (range(0), bad) if writes else (bad, range(0))
        pause(bench.slave, 0.3, code)
        await bench.start()
        assert await bench.end() == FAILED
        assert await bench.read(ERROR) == code
        bench.memory.bad_reads = bench.memory.bad_writes = range(0)
        await bench.write(CONTROL, START)
        assert await bench.read(STATUS) == FAILED, "a start before the error is cleared must be dropped"
        await bench.write(STATUS, FAILED)
        await good_run(bench)


@cocotb.test()
async def bad_descriptors_and_starts_are_refused(dut: Any) -> None:
    bench = await begin(dut, [(2, 3, 128), (1, 1, 128)], seed=30)
    good = bytes(bench.memory.bytes[DESCRIPTORS + 64 : DESCRIPTORS + 128])
    for offset, data in (
        (24, b"\0\0"),  # tokens
        (26, b"\0\0"),  # channels
        (28, b"\0\0"),  # groups
        (28, bytes([ARRAY.max_groups + 1, 0])),
        (29, b"\1"),
        (30, b"\0"),  # mode
        (30, b"\4"),
        (31, b"\2"),  # flags
        (0, b"\4"),  # weights not on a word
        (8, b"\4"),
        (16, b"\2"),
        (36, b"\1"),  # reserved
        (63, b"\x80"),
    ):
        bench.field(1, offset, data)
        await bench.start()
        assert await bench.end() == FAILED
        assert await bench.read(ERROR) == 1 << 16 | 3, f"bytes {data} at {offset}"
        bench.field(1, 0, good)
        await bench.write(STATUS, FAILED)
    for count, base in ((0, DESCRIPTORS), (1, DESCRIPTORS + 32)):
        await bench.start(count, base)
        assert await bench.end() == FAILED
        assert await bench.read(ERROR) == 1
        await bench.write(STATUS, FAILED)
    await good_run(bench)


@cocotb.test()
async def resets_and_aborts_in_mid_flight_leave_nothing_behind(dut: Any) -> None:
    bench = await begin(dut, [(9, 25, 129), (2, 3, 128)], seed=40)
    for cycle in (1, 20, 90, 300, 700, 1500):
        for hard in (True, False):
            pause(bench.slave, 0.2, cycle)
            await bench.start()
            await clocks(dut, cycle)
            if hard:
                await reset(dut)
                assert await bench.read(STATUS) == 0
                await bench.write(IRQ_ENABLE, 3)
            else:
                await bench.write(CONTROL, ABORT)
                assert await bench.end() == FAILED
                assert await bench.read(ERROR) & 7 == 7
                await bench.write(STATUS, FAILED)
            await good_run(bench)


@cocotb.test()
async def registers_tell_the_array_and_refuse_what_they_do_not_know(dut: Any) -> None:
    bench = await begin(dut, [(2, 3, 128)], seed=50)
    assert await bench.read(ARRAY_SIZE) == ARRAY.cols << 16 | ARRAY.rows
    assert await bench.read(TILES) == ARRAY.col_tiles << 16 | ARRAY.row_tiles
    assert await bench.read(LANES) == ARRAY.lanes
    assert (await bench.bus.read(0x48, 4)).resp == AxiResp.SLVERR
    for address in (0x00, PROGRESS, TILES, LANES, 0x48):
        assert (await bench.bus.write(address, bytes(4))).resp == AxiResp.SLVERR
    await bench.start()
    assert (await bench.bus.write(COUNT, bytes(4))).resp == AxiResp.SLVERR, "the count is fixed while busy"
    assert await bench.end() == DONE
    assert await bench.read(COUNT) == 1
    await bench.write(IRQ_ENABLE, 2)
    await FallingEdge(dut.clk_i)
    assert not int(dut.irq_o.value)


@cocotb.test()
async def an_infinity_is_told_and_poisons_its_token(dut: Any) -> None:
    bench = await begin(dut, [])
    layer = Layer(3, 4, 129, 60)
    layer.acts[1, 3] = np.inf
    bench.add(layer)
    bench.add(Layer(1, 3, 128, 61))
    await bench.start()
    assert await bench.end() == DONE | NONFINITE
    bench.assert_exact()
    await bench.write(STATUS, DONE | NONFINITE)
    assert await bench.read(STATUS) == 0
