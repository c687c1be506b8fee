"""What a simulation showed, beside what an oracle, the float reference and the cycle model say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SimResult:
    """A run compared: what the runs of all designs have in common.

    Attributes:
        layer: the part of the model.
        driver: ``cpp`` or ``cocotb``.
        bit_exact: every result bit equals the oracle's (any NaN equals any NaN).
        mismatches: results that differ.
        results: number of results.
        cycles_rtl: cycles from start to done.
        cycles_model: what the cost model says.
        build_seconds: building the model; 0 where it was in the cache.
        run_seconds: running it.
        trace: the waveform file, if one was asked for.
        trace_note: which cycles it has, where not all.
    """

    design: ClassVar[str] = ""

    layer: str
    driver: str
    bit_exact: bool
    mismatches: int
    results: int
    cycles_rtl: int
    cycles_model: int
    build_seconds: float
    run_seconds: float
    trace: str | None
    trace_note: str = field(default="", kw_only=True)

    @property
    def ok(self) -> bool:
        """Bit-exact, in the cycles the model says."""
        return self.bit_exact and self.cycles_rtl == self.cycles_model

    @property
    def agreement(self) -> str:
        """How the RTL's cycles and the model's compare, in a word or two."""
        return "equal" if self.cycles_rtl == self.cycles_model else "DIFFERENT"

    @property
    def utilisations(self) -> Mapping[str, float]:
        """Share of a peak that was reached: of what → 0 to 1."""
        return {}

    @property
    def errors(self) -> Mapping[str, float]:
        """Relative errors ‖out − ref‖/‖ref‖: what they hold → figure."""
        return {}

    def findings(self) -> list[tuple[str, str]]:
        """What is particular to the design, as rows of a name and a text."""
        return []

    def to_json(self) -> dict[str, object]:
        """The fields by name, ``ok``, and the design's kind."""
        return {"ok": self.ok, "design": self.design, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote, ``ok`` and the design's kind left out."""
        return cls(**data)

    def text(self) -> str:
        """The result for a terminal."""
        exact = "bit-exact" if self.bit_exact else f"{self.mismatches} DIFFER"
        rate = self.cycles_rtl / self.run_seconds if self.run_seconds else 0.0
        rows = [
            ("layer", self.layer),
            ("driver", self.driver),
            ("results", f"{self.results}, {exact} against the oracle"),
            ("cycles", f"RTL {self.cycles_rtl}, model {self.cycles_model}: {self.agreement}"),
            *self.findings(),
            (
                "time",
                f"build {self.build_seconds:.1f} s, run {self.run_seconds:.1f} s "
                f"({rate / 1e3:,.1f} kcycles/s)",
            ),
        ]
        if self.trace:
            rows.append(("trace", f"{self.trace}, {self.trace_note}" if self.trace_note else self.trace))
        return "\n".join(f"{name:<15} {value}" for name, value in rows)


def differing(expected: NDArray, results: NDArray) -> NDArray[np.bool_]:
    """Where two arrays of the same floating-point type differ in a bit; any NaN equals any NaN."""
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    both_nan = np.isnan(expected) & np.isnan(results)
    return (expected.view(bits) != results.view(bits)) & ~both_nan


def relative_error(results: NDArray, reference: NDArray[np.float64]) -> float:
    """‖results − reference‖/‖reference‖; the numerator alone where the reference is zero."""
    norm = float(np.linalg.norm(reference))
    difference = float(np.linalg.norm(results.astype(np.float64) - reference))
    return difference / norm if norm else difference
