"""A section emitted for the SN40L-style fabric: how it is run, and what it should come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....ir.errors import BundleError, InputError
from ....ir.fabric import DDR_BIT, LANES, VECTOR_BYTES, Compute, Section
from ...cost.fabric import FabricCosts, SectionCycles, section_cycles
from ..compare import SimResult, differing, relative_error
from ..design import Design
from ..run import Progress, Run
from ..shared import Shared
from ..window import Window
from .functional import execute

KIND = "sn40l_section"
ERROR_BOUND = 2e-3
"""‖out − ref‖/‖ref‖ against the float64 interpreter."""
CYCLES_BOUND = 0.05
"""Of the model's cycles beside the RTL's."""
TIERS = ("hbm", "ddr")
TRACE_BYTES = 1 << 29
"""A waveform file ends when it is so large."""
TRACED = ("trace_first", "trace_cycles", "trace_full")
TOTALS = (
    *("cycles", "errors", "strays", "switch_stalls"),
    *("hbm_read", "hbm_written", "ddr_read", "ddr_written"),
    *TRACED,
)


@dataclass(frozen=True)
class SectionResult(SimResult):
    """A run of a section compared.

    Attributes:
        relative_error: ‖out − ref‖/‖ref‖ against the float64 interpreter.
        bound: what it must not exceed.
        tiles: sequences that streamed through.
        busy: PCU → share of the cycles in which its body works, as the RTL counts them.
        bandwidth: tier → bytes a cycle, read and written, over the whole run.
        peak: tier → bytes a cycle of the tier.
        conflicts: cycles in which accesses to PMUs waited for banks.
        switch_stalls: cycles in which packets waited for an output of a switch.
        shares: what the model says the cycles are.
    """

    design: ClassVar[str] = KIND

    relative_error: float
    bound: float
    tiles: int
    busy: Mapping[str, float]
    bandwidth: Mapping[str, float]
    peak: Mapping[str, float]
    conflicts: int
    switch_stalls: int
    shares: Mapping[str, float]

    @property
    def ok(self) -> bool:
        """Bit-exact against the functional model, within the bounds of interpreter and cycle model."""
        near = abs(self.cycles_model - self.cycles_rtl) <= CYCLES_BOUND * self.cycles_rtl
        return self.bit_exact and near and self.relative_error <= self.bound

    @property
    def agreement(self) -> str:
        """How far the model is from the RTL."""
        return f"{self.cycles_model / self.cycles_rtl - 1:+.2%}, bound {CYCLES_BOUND:.0%}"

    @property
    def utilisations(self) -> Mapping[str, float]:
        """Of every PCU and tier."""
        tiers = {f"{name} bandwidth": self.bandwidth[name] / self.peak[name] for name in self.bandwidth}
        return {**self.busy, **tiers}

    @property
    def errors(self) -> Mapping[str, float]:
        """Against the interpreter."""
        return {"float64 interpreter": self.relative_error}

    def findings(self) -> list[tuple[str, str]]:
        """Error, utilisation of PCUs, bandwidth of tiers, waits."""
        rows = [
            ("relative error", f"{self.relative_error:.2e} against the interpreter, bound {self.bound:g}"),
            ("tiles", f"{self.tiles}, {self.cycles_rtl / self.tiles:,.0f} cycles each"),
        ]
        rows += [
            ("utilisation" if not at else "", f"{share:6.1%} {name}")
            for at, (name, share) in enumerate(self.busy.items())
        ]
        rows += [
            (
                "bandwidth" if not at else "",
                f"{name} {rate:.2f} of {self.peak[name]:g} B/cycle ({rate / self.peak[name]:.1%})",
            )
            for at, (name, rate) in enumerate(self.bandwidth.items())
        ]
        rows.append(("waits", f"{self.conflicts} cycles for PMU banks, {self.switch_stalls} at switches"))
        return rows


@dataclass(frozen=True)
class SectionDesign(Design):
    """A section in Verilog, its configuration and its memory."""

    # Handshakes, tokens, addresses and counters; no packets and no beats, which are wider.
    trace_flags: ClassVar[tuple[str, ...]] = ("--trace-max-width", "2048")

    @cached_property
    def section(self) -> Section:
        """Units and flows."""
        return Section.from_json(self.description["section"])

    @property
    def shared(self) -> tuple[Shared, ...]:
        """Nodes of each kind, and ports of the memory: made code for once."""
        beats = self.description["memory"]
        port = {
            "HbmChannels": beats["channels"],
            "HbmBeats": beats["hbm_beats"],
            "DdrBeats": beats["ddr_beats"],
        }
        return (
            Shared("sn40l_node", tuple({"Kind": kind} for kind in self.description["kinds"])),
            Shared("sn40l_mem_port", (port,)),
        )

    def arguments(self) -> list[str]:
        """Image and configuration.

        Raises:
            BundleError: one is missing or damaged.
        """
        image = self.file(self.description["image"])
        if image.stat().st_size != sum(self.description["loaded"].values()) * VECTOR_BYTES:
            raise BundleError(
                f"{image.stat().st_size} bytes", where=str(image), accepted="what design.json loads"
            )
        return ["--image", str(image), "--config", str(self.file(self.description["config"]))]

    def trace_arguments(self, path: Path, window: Window | None) -> list[str]:
        """File, window and the size at which the file ends."""
        chosen = window or Window(0, None)
        end = [] if chosen.end is None else ["--trace-end", str(chosen.end)]
        limit = ["--trace-bytes", str(TRACE_BYTES)]
        return ["--trace", str(path), "--trace-first", str(chosen.first), *end, *limit]

    def trace_note(self, figures: Mapping[str, int]) -> str:
        """Which cycles were written, where not all."""
        (first, count, ended), cycles = (figures[name] for name in TRACED), figures["cycles"]
        if first == 0 and count >= cycles:
            return ""
        full = f", where it had {TRACE_BYTES >> 20} MiB" if ended else ""
        return f"cycles {first} to {first + count} of {cycles}{full}; --trace-window A:B shows others"

    def job(self) -> dict[str, Any]:
        """No cocotb driver.

        Raises:
            InputError: always.
        """
        raise InputError("a section of the fabric is not driven by cocotb", accepted="--driver cpp")

    @property
    def figures(self) -> tuple[str, ...]:
        """Totals, then counters of the units."""
        return (*TOTALS, *self.description["counters"])

    @property
    def result_bytes(self) -> int:
        """All tiles of the result."""
        return self.section.regions["y"].vectors * VECTOR_BYTES

    def arrange(self, results: bytes) -> NDArray[np.float32]:
        """The result as the model has it."""
        return np.frombuffer(results, "<f4").reshape(self.description["shape"])

    def failure(self, said: Mapping[str, int]) -> str:
        """Descriptors that failed, packets that were lost."""
        errors, strays = said.get("errors"), said.get("strays")
        return f"the section failed: descriptors {'failed' if errors else 'held'}, {strays} packets were lost"

    @property
    def memory(self) -> dict[str, NDArray[np.float32]]:
        """Regions that are loaded, ``[vectors, 8]``."""
        words = np.fromfile(self.file(self.description["image"]), "<f4").reshape(-1, LANES)
        ends = np.cumsum(list(self.description["loaded"].values()))
        return dict(zip(self.description["loaded"], np.split(words, ends[:-1]), strict=True))

    @property
    def costs(self) -> FabricCosts:
        """What the cycle model knows of the machine."""
        machine = self.description["machine"]
        return FabricCosts(machine["hbm_bytes_per_cycle"], machine["ddr_bytes_per_cycle"])

    def cycles(self) -> SectionCycles:
        """What the model says."""
        far = {name for name, address in self.description["addresses"].items() if address >> DDR_BIT}
        return section_cycles(self.section, self.costs, far, self.description["links"])

    def compare(
        self, driver: str, run: Run, trace: str | None, progress: Progress | None = None
    ) -> SectionResult:
        """Hold a run against the functional model, the interpreter and the cycle model."""
        section, figures = self.section, run.figures
        expected = execute(section, self.memory, progress)["y"].reshape(run.results.shape)
        wrong = differing(expected, run.results)
        cycles, model, costs = figures["cycles"], self.cycles(), self.costs
        moved = {tier: figures[f"{tier}_read"] + figures[f"{tier}_written"] for tier in TIERS}
        waits = [figures[name] for name in figures if name.endswith("_waits")]
        return SectionResult(
            layer=self.layer,
            driver=driver,
            bit_exact=not wrong.any(),
            mismatches=int(wrong.sum()),
            results=wrong.size,
            cycles_rtl=cycles,
            cycles_model=model.total,
            relative_error=relative_error(run.results, self.operands["reference"]),
            bound=ERROR_BOUND,
            tiles=section.tiles,
            busy={
                unit.name: figures[f"{unit.name}.busy"] / cycles
                for unit in section.units
                if isinstance(unit, Compute)
            },
            bandwidth={tier: beats * VECTOR_BYTES / cycles for tier, beats in moved.items()},
            peak={"hbm": costs.hbm_bytes_per_cycle, "ddr": costs.ddr_bytes_per_cycle},
            conflicts=sum(waits),
            switch_stalls=figures["switch_stalls"],
            shares=model.shares,
            build_seconds=run.build_seconds,
            run_seconds=run.run_seconds,
            trace=trace,
        )
