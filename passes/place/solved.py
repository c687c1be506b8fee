"""A mapped program as people and programs read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .picture import svg
from .players import Result
from .problem import Machine, Problem


@dataclass(frozen=True)
class MappedProgram:
    """A problem, the machine, and what a player made of them; the verifier has taken the plan."""

    problem: Problem
    machine: Machine
    result: Result

    def summary(self) -> dict[str, Any]:
        """Figures without the plan."""
        found = self.result.found
        copies = found.plan.copies
        return {
            "program": self.problem.name,
            "sha256": self.problem.sha256,
            "machine": asdict(self.machine),
            "peak_live_bytes": self.problem.peak_live_bytes,
            "player": self.result.player,
            "latency_s": self.result.latency_s,
            "all_slow_s": self.result.all_slow_s,
            "speedup": self.result.speedup,
            "bound_s": self.result.bound_s,
            "queued_s": self.result.queued_s,
            "verified": True,
            "copies_in": sum(not copy.out for copy in copies),
            "copies_out": sum(copy.out for copy in copies),
            "stall_s": sum(copy.stall_s for copy in copies),
            "evaluations": found.evaluations,
            "seconds": found.seconds,
            "curve": found.curve,
            **found.extra,
        }

    def to_json(self) -> dict[str, Any]:
        """The figures and the plan."""
        return {**self.summary(), "plan": self.result.found.plan.to_json()}

    def svg(self) -> str:
        """The picture of the map."""
        gain = f"{self.result.player}: {self.result.speedup:.3f} × faster than all in slow memory"
        return svg(self.problem, self.machine, self.result.found.plan, f"{self.problem.name}, {gain}")

    def text(self) -> str:
        """A few lines for people."""
        result, found = self.result, self.result.found
        copies, mib = found.plan.copies, 2**20
        into = sum(not copy.out for copy in copies)
        waiting = sum(copy.stall_s for copy in copies)
        name, capacity, live = self.problem.name, self.machine.capacity, self.problem.peak_live_bytes

        def us(seconds: float) -> str:
            return f"{seconds * 1e6:.2f} µs"

        lines = (
            f"{name}: {len(self.problem.instructions)} instructions; {live / mib:.2f} MiB live at the peak, "
            f"{capacity / mib:.2f} MiB fast",
            f"{'all in slow memory':>20} {us(result.all_slow_s)}",
            f"{result.player:>20} {us(result.latency_s)}, {result.speedup:.3f} × faster; verified",
            f"{'with queued copies':>20} {us(result.queued_s)}",
            f"{'no map is below':>20} {us(result.bound_s)}",
            f"{len(found.plan.rectangles)} stays in fast memory, {into} copies in, {len(copies) - into} out, "
            f"waiting {us(waiting)}",
            f"{found.evaluations} evaluations in {found.seconds:.1f} s",
        )
        return "\n".join(lines)
