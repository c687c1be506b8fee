"""Runs inside the simulator: memory channels with rows that must be opened, and refreshes."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb_sn40l_copies import prepare, run_batch
from cocotb_sn40l_memory import begin, clear, inject, totals
from cocotbext.axi import AxiResp

from penstock.sim.rtl.sn40l_memory import DDR, Code, Descriptor, Fault, FaultKind, Op

READ, STALL = 0, 3


@cocotb.test()
async def data_are_right_while_rows_open_and_close(dut: Any) -> None:
    master = await begin(dut)
    chance = random.Random(1)
    for tier in (0, DDR):
        data = chance.randbytes(6000)
        await master.write(tier + 77, data)
        assert bytes((await master.read(tier + 77, 6000)).data) == data
    copy = Descriptor(Op.COPY, 5000, source=0, destination=1, source_offset=80, destination_offset=0x9001)
    _, (answer,) = await run_batch(dut, [(0, copy)])
    assert answer.code == Code.OKAY
    want = bytes((await master.read(80, 5000)).data)
    assert bytes((await master.read(DDR + 0x9001, 5000)).data) == want
    await inject(dut, Fault(FaultKind.FLIP, 96, mask=6))
    assert (await master.read(80, 64)).resp == AxiResp.SLVERR
    await clear(dut)
    assert (await master.read((1 << 39) + 64, 32)).resp == AxiResp.DECERR


@cocotb.test()
async def misses_and_refreshes_cost_what_they_are_set_to(dut: Any) -> None:
    """A stream opens a row of 32 beats once; rows far apart are opened for every beat of theirs."""
    await prepare(dut)
    miss, interval, closed = (
        int(getattr(dut, name).value) for name in ("RowMiss", "RefreshInterval", "RefreshCycles")
    )
    pace = int(dut.HbmDen.value) / int(dut.HbmNum.value)
    open_share = interval / (interval + closed)
    # One channel: pieces 2048 bytes apart; rows of 1 KiB of a channel hold two of them.
    near = Descriptor(Op.LOAD, 512, 64, 1, source_strides=(2048, 0))
    cycles, (answer,) = await run_batch(dut, [(0, near)])
    assert answer.code == Code.OKAY
    beats = 64 * 16
    hidden = max(0.0, miss - pace)  # the bucket fills while a row opens
    want = (beats * pace + beats / 32 * hidden) / open_share
    assert abs(cycles / want - 1) < 0.15, f"{cycles} cycles, expected {want:.0f}"
    # Beats of four rows in one bank in turn: each opens its row.
    far = Descriptor(Op.LOAD, 32, 4, 40, source_strides=(2048 * 8, 32))
    cycles, (answer,) = await run_batch(dut, [(0, far)])
    assert answer.code == Code.OKAY
    assert await totals(dut, STALL) > 160 * miss / 2
    assert cycles > 160 * miss / open_share * 0.9
