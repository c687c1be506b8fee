"""Runs inside the simulator: batches of descriptors on the memory harness, the cycles they take.

``+plan=FILE`` is JSON: a list of batches, each a list of [DMA, fields of a `Descriptor`]; segment 0 is HBM,
segment 1 DDR, whole. Descriptors of a batch are offered in the same cycle. ``+out=FILE`` gets, for each
batch, [cycles from the offer to the last completion, bytes at each tier].
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from axi_memory import clocks, reset, start_clock
from cocotb.triggers import FallingEdge, RisingEdge

from penstock.sim.rtl.sn40l_memory import DDR, Code, Completion, Descriptor, Op, Segment


async def prepare(dut: Any) -> None:
    """Clock, reset, segments of all of HBM and all of DDR; the bus model's port at rest."""
    hbm = 32 * int(dut.HbmBeats.value) * int(dut.HbmChannels.value)
    segments = [Segment(0, hbm), Segment(DDR, 32 * int(dut.DdrBeats.value))]
    for name in ("descriptor_valid_i", "fault_valid_i", "fault_clear_i", "perf_clear_i", "perf_select_i"):
        getattr(dut, name).value = 0
    for name in ("arvalid", "awvalid", "wvalid", "rready", "bready"):
        getattr(dut, f"s_axi_{name}").value = 0
    dut.segments_i.value = sum(segment.bits() << 91 * i for i, segment in enumerate(segments))
    start_clock(dut)
    await reset(dut)


async def run_batch(dut: Any, batch: list[tuple[int, Descriptor]]) -> tuple[int, list[Completion]]:
    """Offer the descriptors together; cycles until all have completed, and their completions."""
    bits = valid = 0
    for dma, descriptor in batch:
        bits |= descriptor.bits() << 330 * dma
        valid |= 1 << dma
    await FallingEdge(dut.clk_i)
    dut.descriptor_i.value, dut.descriptor_valid_i.value = bits, valid
    assert int(dut.descriptor_ready_o.value) & valid == valid
    began = int(dut.cycle_o.value)
    await FallingEdge(dut.clk_i)
    dut.descriptor_valid_i.value = 0
    answers: dict[int, Completion] = {}
    while len(answers) < len(batch):
        if not int(dut.completed_o.value):
            await RisingEdge(dut.completed_o)
            await FallingEdge(dut.clk_i)
        done, words = int(dut.completion_valid_o.value), int(dut.completion_o.value)
        ended = int(dut.cycle_o.value)
        for dma, _ in batch:
            if done >> dma & 1:
                answers[dma] = Completion.of(words >> 73 * dma & ((1 << 73) - 1))
        await FallingEdge(dut.clk_i)
    return ended - began, [answers[dma] for dma, _ in batch]


def given(name: str) -> Path:
    """The file of a plusarg."""
    return Path(next(text for text in cocotb.argv if text.startswith(f"+{name}=")).partition("=")[2])


@cocotb.test()
async def batches_of_a_plan(dut: Any) -> None:
    plan = json.loads(given("plan").read_text(encoding="utf-8"))
    await prepare(dut)
    found = []
    for batch in plan:
        descriptors = [(dma, Descriptor(**{**fields, "op": Op(fields["op"])})) for dma, fields in batch]
        cycles, answers = await run_batch(dut, descriptors)
        assert all(answer.code == Code.OKAY for answer in answers), answers
        found.append(cycles)
        await clocks(dut, 4)
    given("out").write_text(json.dumps(found), encoding="utf-8")
