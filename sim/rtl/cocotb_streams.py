"""Runs inside the simulator: streams a design's memory images in and its results out, with cocotb.

The job (files, sizes, limit) comes as a JSON file named by the plusarg ``+job=``. Inputs change and outputs
are read while the clock is low, so nothing depends on the order of events at the rising edge; the design's
valid and ready come from registers, as its headers promise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

CLOCK_NS = 10
RESET_CYCLES = 4


def read_image(path: str) -> list[int]:
    """The words of a ``$readmemh`` file."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [int(line, 16) for line in lines if line and not line.startswith("//")]


class Source:
    """Offers words to a valid/ready stream, one after the other, without pause."""

    def __init__(self, dut: Any, name: str, words: list[int]) -> None:
        self.valid, self.ready, self.data = (
            getattr(dut, f"{name}_{end}") for end in ("valid_i", "ready_o", "data_i")
        )
        self.words, self.next = words, 0
        self.valid.value = 0

    def low(self) -> None:
        """In a cycle's low half: offer the next word; it is taken at the rising edge if ready is up now."""
        self.valid.value = int(self.left)
        if self.left:
            self.data.value = self.words[self.next]
            self.next += int(self.ready.value)

    @property
    def left(self) -> bool:
        """Whether words are left."""
        return self.next < len(self.words)


@cocotb.test()
async def stream_design(dut: Any) -> None:
    """Run the design once; write result words and figures to the job's files."""
    job = json.loads(Path(str(cocotb.plusargs["job"])).read_text(encoding="utf-8"))
    early, sources = (
        [
            Source(dut, stream["port"], read_image(stream["image"]))
            for stream in job["streams"]
            if stream["before_start"] is before
        ]
        for before in (True, False)
    )
    dut.start_i.value = 0
    dut.out_ready_i.value = 1
    dut.rst_ni.value = 0
    Clock(dut.clk_i, CLOCK_NS, unit="ns").start()
    for _ in range(RESET_CYCLES):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    while any(source.left for source in early):
        for source in early:
            source.low()
        await FallingEdge(dut.clk_i)
    for source in early:
        source.low()

    limit, started, done = job["max_cycles"], False, False
    with Path(job["results"]).open("wb") as results:
        while not done and (limit is None or int(dut.cycles_o.value) < limit):
            dut.start_i.value = int(not started)
            started = True
            for source in sources:
                source.low()
            if int(dut.out_valid_o.value):
                results.write(int(dut.out_data_o.value).to_bytes(job["word_bytes"], "little"))
            done = bool(int(dut.done_o.value))
            await FallingEdge(dut.clk_i)
    figures = {name: int(getattr(dut, f"{name}_o").value) for name in job["figures"]}
    Path(job["outcome"]).write_text(json.dumps({"finished": done, "figures": figures}), encoding="utf-8")
