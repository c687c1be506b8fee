"""What look-ups on the simulated accelerator showed, beside the software model and the plain look-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .compare import SimResult


@dataclass(frozen=True)
class LookupResult(SimResult):
    """A program's run whose rows came from the RTL.

    ``results`` are bytes, of the values and of the program's outputs; cycles are from the first answer to the
    last.

    Attributes:
        accesses: of the map.
        page_reads, page_writes: on the host.
        host_bytes: they moved.
        trace_as_model: pages read and written are the software model's, in order.
        pages_as_model: the host's memory ends as the software model's, bit for bit.
        outputs: arrays of the program, compared with those of plain look-ups.
        clock_hz: stated.
        host_latency: cycles the host's memory took to answer.
    """

    design: ClassVar[str] = "bolt_map"

    accesses: int
    page_reads: int
    page_writes: int
    host_bytes: int
    trace_as_model: bool
    pages_as_model: bool
    outputs: int
    clock_hz: float
    host_latency: int

    @property
    def ok(self) -> bool:
        """Bit-exact, and on the host what the software model does."""
        return self.bit_exact and self.trace_as_model and self.pages_as_model

    @property
    def agreement(self) -> str:
        """How far the cost model is off."""
        off = (self.cycles_model - self.cycles_rtl) / self.cycles_rtl if self.cycles_rtl else 0.0
        return f"{100 * off:+.1f} %"

    def findings(self) -> list[tuple[str, str]]:
        """What the host saw, and time at the stated clock."""
        rate = self.cycles_rtl / self.accesses if self.accesses else 0.0
        same = {True: "as the software model", False: "NOT AS THE SOFTWARE MODEL"}
        return [
            ("accesses", f"{self.accesses}, {rate:,.0f} cycles each at {self.clock_hz / 1e6:g} MHz"),
            (
                "host saw",
                f"{self.page_reads} page reads, {self.page_writes} writes, {self.host_bytes:,} bytes: "
                f"{same[self.trace_as_model]}",
            ),
            ("host's pages", f"at the end {same[self.pages_as_model]}"),
            ("outputs", f"{self.outputs} arrays, compared with plain look-ups"),
            ("host's memory", f"answers after {self.host_latency} cycles"),
        ]
