"""Runs inside the simulator: the memory of the SN40L behind a bus model and DMAs; invariants 3, 8, 10."""

from __future__ import annotations

import itertools
import random
from typing import Any

import cocotb
from axi_memory import clocks, draw
from cocotb.triggers import FallingEdge
from cocotb_sn40l_copies import prepare, run_batch
from cocotbext.axi import AxiBus, AxiMaster, AxiResp

from penstock.sim.rtl.sn40l_memory import DDR, Code, Descriptor, Fault, FaultKind, Op

READ, WRITTEN, BUSY, STALL, CE, UE = range(6)
KIB = 1024


async def begin(dut: Any) -> Any:
    master = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk_i, dut.rst_ni, reset_active_level=False)
    await prepare(dut)
    return master


def sizes(dut: Any) -> tuple[int, int, int]:
    """Channels, bytes of HBM, bytes of DDR."""
    channels = int(dut.HbmChannels.value)
    return channels, 32 * channels * int(dut.HbmBeats.value), 32 * int(dut.DdrBeats.value)


def pause(master: Any, stall: float, seed: int) -> None:
    writes, reads = master.write_if, master.read_if
    channels = (writes.aw_channel, writes.w_channel, writes.b_channel, reads.ar_channel, reads.r_channel)
    for index, channel in enumerate(channels):
        chance = random.Random(seed * 8 + index)
        channel.set_pause_generator(draw(chance, stall) if stall else itertools.repeat(False))


async def counter(dut: Any, channel: int, which: int) -> int:
    await FallingEdge(dut.clk_i)
    dut.perf_select_i.value = 6 * channel + which
    await FallingEdge(dut.clk_i)
    return int(dut.perf_o.value)


async def totals(dut: Any, which: int) -> int:
    return sum([await counter(dut, channel, which) for channel in range(sizes(dut)[0] + 1)])


async def clear(dut: Any) -> None:
    """Counters and faults."""
    await FallingEdge(dut.clk_i)
    dut.perf_clear_i.value = dut.fault_clear_i.value = 1
    await clocks(dut, 1)
    dut.perf_clear_i.value = dut.fault_clear_i.value = 0
    await clocks(dut, 1)


async def inject(dut: Any, fault: Fault) -> None:
    await FallingEdge(dut.clk_i)
    dut.fault_i.value, dut.fault_valid_i.value = fault.bits(), 1
    await clocks(dut, 1)
    dut.fault_valid_i.value = 0
    await clocks(dut, 1)


@cocotb.test()
async def what_is_written_is_read_whatever_the_burst(dut: Any) -> None:
    """Invariants 1 and 3: bursts over pieces and channels in both tiers, pauses on all five AXI channels."""
    master = await begin(dut)
    _, hbm, ddr = sizes(dut)
    chance = random.Random(1)
    places = (0, 500, 512 * 3 - 7, hbm - 9000, DDR, DDR + ddr - 9000)
    model: dict[int, int] = {}
    for number, place in enumerate(places * 3):
        pause(master, (0.0, 0.3, 0.7)[number // len(places)], number)
        data = chance.randbytes(chance.choice((1, 32, 33, 700, 5000, 9000)))
        answer = await master.write(place, data)
        assert answer.resp == AxiResp.OKAY
        model.update(enumerate(data, place))
        begin_, end = place - min(place % DDR, 40), place + len(data)
        read = await master.read(begin_, end - begin_)
        assert read.resp == AxiResp.OKAY
        for at, byte in enumerate(read.data, begin_):
            assert model.get(at, byte) == byte, f"byte {at:#x}"
    # Many at once, of both tiers.
    pause(master, 0.2, 99)
    wanted = []
    for number in range(24):
        place = chance.choice((4096, DDR + 8192)) + 1000 * number
        data = chance.randbytes(1000)
        wanted.append((place, data, cocotb.start_soon(master.write(place, data))))
    for _, _, task in wanted:
        await task
    reads = [(data, cocotb.start_soon(master.read(place, 1000))) for place, data, _ in wanted]
    for data, task in reads:
        assert bytes((await task).data) == data


@cocotb.test()
async def no_memory_there_is_a_decode_error(dut: Any) -> None:
    master = await begin(dut)
    _, hbm, ddr = sizes(dut)
    for end in (hbm, DDR + ddr, 1 << 39, (1 << 40) - 64):
        assert (await master.read(end, 32)).resp == AxiResp.DECERR, f"{end:#x}"
        assert (await master.write(end, bytes(32))).resp == AxiResp.DECERR, f"{end:#x}"
        if end < 1 << 39:
            good = bytes(range(32))
            assert (await master.write(end - 32, good)).resp == AxiResp.OKAY
            # A burst that leaves the memory: what is there is done, the burst is answered with the error.
            assert (await master.write(end - 32, good + good)).resp == AxiResp.DECERR
            assert bytes((await master.read(end - 32, 32)).data) == good


@cocotb.test()
async def one_flipped_bit_is_corrected_and_counted(dut: Any) -> None:
    """Invariant 8, every bit of a codeword, both tiers."""
    master = await begin(dut)
    chance = random.Random(3)
    for number, bit in enumerate(range(72)):
        address = chance.choice((0, DDR)) + 32 * chance.randrange(4096)
        data = chance.randbytes(32)
        await master.write(address, data)
        await clear(dut)
        await inject(dut, Fault(FaultKind.FLIP, address, word=number % 4, mask=1 << bit))
        read = await master.read(address, 32)
        assert read.resp == AxiResp.OKAY
        assert bytes(read.data) == data, f"bit {bit} is not corrected"
        assert (await totals(dut, CE), await totals(dut, UE)) == (1, 0)
        assert int(dut.ecc_seen_o.value) == 1
        assert int(dut.ecc_address_o.value) & ((1 << 40) - 1) == address


@cocotb.test()
async def two_flipped_bits_are_an_error_and_never_data(dut: Any) -> None:
    master = await begin(dut)
    chance = random.Random(4)
    await master.write(0x4000, bytes(2048))
    for _ in range(60):
        address = 0x4000 + 32 * chance.randrange(1, 63)
        mask = sum(1 << bit for bit in chance.sample(range(72), 2))
        await clear(dut)
        await inject(dut, Fault(FaultKind.FLIP, address + 5, word=chance.randrange(4), mask=mask))
        read = await master.read(address - 32, 96)
        assert read.resp == AxiResp.SLVERR, f"mask {mask:#x}"
        assert (await totals(dut, CE), await totals(dut, UE)) == (0, 1), f"mask {mask:#x}"
        assert int(dut.ecc_seen_o.value) == 2
        assert int(dut.ecc_address_o.value) >> 40 == address
        assert (await master.read(address + 32, 32)).resp == AxiResp.OKAY


@cocotb.test()
async def an_injected_error_answer_moves_nothing_and_once_is_once(dut: Any) -> None:
    master = await begin(dut)
    for kind, answer in ((FaultKind.SLVERR, AxiResp.SLVERR), (FaultKind.DECERR, AxiResp.DECERR)):
        for tier in (0, DDR):
            at = tier + 0x2000
            await clear(dut)
            await master.write(at, b"\x11" * 128)
            await inject(dut, Fault(kind, at + 64, on_read=False, on_write=True, once=True))
            assert (await master.write(at, b"\x22" * 128)).resp == answer
            read = await master.read(at, 128)
            assert read.resp == AxiResp.OKAY, "a fault of writes met a read"
            assert bytes(read.data) == b"\x22" * 64 + b"\x11" * 32 + b"\x22" * 32
            assert (await master.write(at, b"\x33" * 128)).resp == AxiResp.OKAY, "a fault met twice"
            await inject(dut, Fault(kind, at + 64, once=True))
            assert (await master.read(at, 128)).resp == answer
            assert bytes((await master.read(at, 128)).data) == b"\x33" * 128
            await inject(dut, Fault(kind, at + 64))
            for _ in range(3):
                assert (await master.read(at, 128)).resp == answer, "a lasting fault was forgotten"


@cocotb.test()
async def a_fault_in_a_copy_is_reported_once_and_the_next_copies_are_right(dut: Any) -> None:
    """Invariant 8 through the DMA: the completion has the beat's address; nothing wrong is written."""
    master = await begin(dut)
    chance = random.Random(6)
    data = chance.randbytes(8 * KIB)
    await master.write(DDR, data)
    await master.write(0x8000, bytes(8 * KIB))
    copy = Descriptor(Op.COPY, 8 * KIB, source=1, destination=0, destination_offset=0x8000)
    bad = DDR + 32 * 101
    read_side = {
        Fault(FaultKind.FLIP, bad, word=2, mask=3): Code.READ_SLV,
        Fault(FaultKind.SLVERR, bad): Code.READ_SLV,
        Fault(FaultKind.DECERR, bad): Code.READ_DEC,
    }
    for fault, code in read_side.items():
        await master.write(0x8000, bytes(8 * KIB))
        await clear(dut)
        await inject(dut, fault)
        _, (answer,) = await run_batch(dut, [(1, copy)])
        assert (answer.code, answer.errors, answer.address) == (code, 1, bad), f"{answer}"
        want = data[: 32 * 101] + bytes(32) + data[32 * 102 :]
        assert bytes((await master.read(0x8000, 8 * KIB)).data) == want
        await clear(dut)
        _, (answer,) = await run_batch(dut, [(1, copy)])
        assert answer.code == Code.OKAY
        assert bytes((await master.read(0x8000, 8 * KIB)).data) == data
    for kind, code in ((FaultKind.SLVERR, Code.WRITE_SLV), (FaultKind.DECERR, Code.WRITE_DEC)):
        await inject(dut, Fault(kind, 0x8000 + 32 * 21, on_read=False, on_write=True))
        _, (answer,) = await run_batch(dut, [(0, copy)])
        burst = (0x8000 + 32 * 21) // 512 * 512
        assert (answer.code, answer.errors, answer.address) == (code, 1, burst), f"{answer}"
        await clear(dut)
    # One bit: nobody but the counter notices.
    await inject(dut, Fault(FaultKind.FLIP, bad, word=1, mask=1 << 40))
    _, (answer,) = await run_batch(dut, [(2, copy)])
    assert answer.code == Code.OKAY
    assert bytes((await master.read(0x8000, 8 * KIB)).data) == data
    assert await totals(dut, CE) == 1


@cocotb.test()
async def steady_streams_reach_the_configured_bandwidth(dut: Any) -> None:
    """Invariant 10: at least 95 % of what the rates and the ports allow; counters agree."""
    await begin(dut)
    channels, hbm, ddr = sizes(dut)
    hbm_rate = 32 * channels * int(dut.HbmNum.value) / int(dut.HbmDen.value)
    ddr_rate = 32 * int(dut.DdrNum.value) / int(dut.DdrDen.value)
    latency = max(int(dut.HbmLatency.value), int(dut.DdrLatency.value))
    each = hbm // 4
    assert 3 * each >= 64 * hbm_rate * latency * 0.9 or each >= 2**18, "too short to be steady"
    for op in (Op.LOAD, Op.FILL):
        for segment, rate, size in ((0, hbm_rate, each), (1, ddr_rate, min(ddr, 1 << 18) // 4)):
            await clear(dut)
            batch = [
                (
                    dma,
                    Descriptor(
                        op,
                        size,
                        source=segment,
                        destination=segment,
                        source_offset=dma * size,
                        destination_offset=dma * size,
                    ),
                )
                for dma in range(3)
            ]
            cycles, answers = await run_batch(dut, batch)
            assert all(answer.code == Code.OKAY for answer in answers)
            reached, peak = 3 * size / cycles, min(rate, 3 * 32)
            assert reached >= 0.95 * peak, f"{op!r} of tier {segment}: {reached:.2f} of {peak} bytes a cycle"
            assert reached <= peak * 1.001
            moved, still = (READ, WRITTEN) if op == Op.LOAD else (WRITTEN, READ)
            assert 32 * await totals(dut, moved) == 3 * size
            assert await totals(dut, still) == 0
            busy = [await counter(dut, channel, BUSY) for channel in range(channels + 1)]
            stalls = [await counter(dut, channel, STALL) for channel in range(channels + 1)]
            used = range(channels) if segment == 0 else [channels]
            for channel in range(channels + 1):
                assert (busy[channel] > 0) == (channel in used)
                assert stalls[channel] <= busy[channel] <= cycles
    # Short rows: as many outstanding as there are slots, Little's law.
    slots, wait = int(dut.Slots.value), int(dut.HbmLatency.value)
    rows = Descriptor(Op.LOAD, 32, 512, 1, source_strides=(544, 0))
    cycles, (answer,) = await run_batch(dut, [(0, rows)])
    assert answer.code == Code.OKAY
    law = slots * 32 / (wait + 12)
    assert 0.9 * law <= 512 * 32 / cycles <= slots * 32 / wait, f"{512 * 32 / cycles:.2f}, law {law:.2f}"
