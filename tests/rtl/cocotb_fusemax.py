"""Runs inside the simulator: fusemax_attention, 2 x 3 elements: stalls on both sides, resets, runs."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from fusemax_program import Block, program
from numpy.typing import NDArray

from penstock.sim.rtl import fusemax_oracle

ROWS, COLS, E, F = 2, 3, 4, 3
PATIENCE = 20_000
SHAPES = [(1, 1, 2, 1, 2), (2, 3, 1, 2, 2), (2, 4, 2, 1, 1), (1, 3, 1, 1, 3)]


class Job:
    """Random operands of a run: tiles of queries, of keys, keys of the last, tiles in flight, blocks."""

    def __init__(self, shape: tuple[int, int, int, int, int], seed: int) -> None:
        self.shape = shape
        p1, m1, last_rows, self.stages, count = shape
        keys = (m1 - 1) * ROWS + last_rows
        self.blocks = [Block.random(seed + i, p1 * COLS, keys, E, F) for i in range(count)]

    @property
    def program(self) -> list[int]:
        return program(ROWS, E, F, self.stages)

    def operands(self) -> list[int]:
        return [word for block in self.blocks for word in block.words(ROWS, COLS)]

    def expected(self) -> NDArray[np.uint16]:
        """Result words, a column per value."""
        found = []
        for block in self.blocks:
            av = fusemax_oracle.attention(block.q, block.k, block.v, rows=ROWS)
            found.append(av.reshape(-1, COLS, F).transpose(0, 2, 1).reshape(-1, COLS))
        return np.concatenate(found).view(np.uint16)


async def reset(dut: Any) -> None:
    for name in ("start_i", "prog_valid_i", "in_valid_i", "out_ready_i"):
        getattr(dut, name).value = 0
    dut.rst_ni.value = 0
    for _ in range(3):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)


async def begin(dut: Any) -> None:
    Clock(dut.clk_i, 10, unit="ns").start()
    for name in ("p1", "m1", "last_rows", "stages", "blocks", "period"):
        getattr(dut, f"{name}_i").value = 1
    await reset(dut)


async def write_program(dut: Any, words: list[int], chance: random.Random, stall: float) -> None:
    left = list(words)
    while left:
        offered = chance.random() >= stall
        dut.prog_valid_i.value = int(offered)
        dut.prog_data_i.value = left[0]
        assert int(dut.prog_ready_o.value)
        if offered:
            left.pop(0)
        await FallingEdge(dut.clk_i)
    dut.prog_valid_i.value = 0


async def run(
    dut: Any, job: Job, stall: float = 0.0, seed: int = 0, stop_after: int | None = None, load: bool = True
) -> NDArray[np.uint16] | None:
    """Run a job; each stream pauses with probability ``stall``. None where stopped early."""
    chance = random.Random(seed)
    if load:
        await write_program(dut, job.program, chance, stall)
    fields = (*job.shape, len(job.program))
    for name, value in zip(("p1", "m1", "last_rows", "stages", "blocks", "period"), fields, strict=True):
        getattr(dut, f"{name}_i").value = value
    left, words, held = job.operands(), [], False
    dut.start_i.value = 1
    for cycle in range(PATIENCE):
        if cycle == 1:
            dut.start_i.value = 0
        # Once offered, a word stays offered until it is taken.
        held = bool(left) and (held or chance.random() >= stall)
        dut.in_valid_i.value = int(held)
        if held:
            dut.in_data_i.value = left[0]
            if int(dut.in_ready_o.value):
                left.pop(0)
                held = False
        ready = chance.random() >= stall
        dut.out_ready_i.value = int(ready)
        if ready and int(dut.out_valid_o.value):
            raw = int(dut.out_data_o.value).to_bytes(2 * COLS, "little")
            words.append(np.frombuffer(raw, "<u2"))
        if cycle and int(dut.done_o.value):  # in cycle 0 it may still be the run before
            assert not left, "done with operands left"
            return np.array(words)
        if stop_after is not None and cycle == stop_after:
            return None
        await FallingEdge(dut.clk_i)
    raise AssertionError(f"no end after {PATIENCE} cycles")


def assert_exact(words: NDArray[np.uint16] | None, job: Job) -> None:
    assert words is not None
    np.testing.assert_array_equal(words, job.expected(), err_msg=str(job.shape))


@cocotb.test()
async def runs_follow_each_other_and_a_program_stays(dut: Any) -> None:
    await begin(dut)
    for seed, shape in enumerate(SHAPES):
        for load in (True, False):
            job = Job(shape, seed)
            assert_exact(await run(dut, job, load=load), job)


@cocotb.test()
async def stalled_streams_change_no_result(dut: Any) -> None:
    await begin(dut)
    for seed, stall in enumerate((0.2, 0.6, 0.95)):
        job = Job(SHAPES[1], seed)
        assert_exact(await run(dut, job, stall, seed), job)


@cocotb.test()
async def a_reset_in_mid_flight_leaves_nothing_behind(dut: Any) -> None:
    await begin(dut)
    for cycle in (1, 5, 20, 31, 60, 90, 120, 140, 150):
        assert await run(dut, Job(SHAPES[1], cycle), stall=0.05, seed=cycle, stop_after=cycle) is None
        await reset(dut)
        assert not int(dut.busy_o.value)
        assert not int(dut.out_valid_o.value)
        job = Job(SHAPES[2], cycle + 1)
        assert_exact(await run(dut, job), job)
