"""What a simulation showed, beside what the oracle, the float reference and the cycle model say."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..cost.bitmod import linear_cycles
from . import bitmod_oracle
from .design import Design
from .run import Run


@dataclass(frozen=True)
class SimResult:
    """A run compared.

    Attributes:
        layer: the layer's name.
        driver: ``cpp`` or ``cocotb``.
        bit_exact: every result bit equals the integer oracle's (any NaN equals any NaN).
        mismatches: results that differ.
        results: number of results.
        cycles_rtl: cycles from start to done.
        cycles_model: what the cost model says.
        relative_error_quantized: ‖out − ref‖/‖ref‖ against float64 with the dequantized weights: what the
            array's arithmetic loses.
        relative_error_float: the same with the original weights: arithmetic and quantization. Tokens that are
            not finite are left out of both.
        nonfinite: an activation was infinite or NaN.
        utilisation: share of the array's peak multiply rate.
        build_seconds: building the model; 0 where it was in the cache.
        run_seconds: running it.
        trace: the waveform file, if one was asked for.
    """

    layer: str
    driver: str
    bit_exact: bool
    mismatches: int
    results: int
    cycles_rtl: int
    cycles_model: int
    relative_error_quantized: float
    relative_error_float: float
    nonfinite: bool
    utilisation: float
    build_seconds: float
    run_seconds: float
    trace: str | None

    @property
    def ok(self) -> bool:
        """Bit-exact, in the cycles the model says."""
        return self.bit_exact and self.cycles_rtl == self.cycles_model

    def to_json(self) -> dict[str, object]:
        """The fields by name, and ``ok``."""
        return {"ok": self.ok, **asdict(self)}

    def text(self) -> str:
        """The result for a terminal."""
        exact = "bit-exact" if self.bit_exact else f"{self.mismatches} DIFFER"
        equal = "equal" if self.cycles_rtl == self.cycles_model else "DIFFERENT"
        rate = self.cycles_rtl / self.run_seconds if self.run_seconds else 0.0
        rows = [
            ("layer", self.layer),
            ("driver", self.driver),
            ("results", f"{self.results}, {exact} against the integer oracle"),
            ("cycles", f"RTL {self.cycles_rtl}, model {self.cycles_model}: {equal}"),
            ("utilisation", f"{self.utilisation:.1%} of the array's peak"),
            (
                "relative error",
                f"{self.relative_error_quantized:.2e} against float64 on the quantized weights",
            ),
            ("", f"{self.relative_error_float:.2e} against float64 on the original weights"),
            (
                "time",
                f"build {self.build_seconds:.1f} s, run {self.run_seconds:.1f} s ({rate:,.0f} cycles/s)",
            ),
        ]
        if self.nonfinite:
            rows.append(("not finite", "activations with infinity or NaN; their tokens give NaN"))
        if self.trace:
            rows.append(("trace", self.trace))
        return "\n".join(f"{name:<15} {value}" for name, value in rows)


def compare(design: Design, driver: str, run: Run, trace: str | None) -> SimResult:
    """Hold a run against the oracle, the float reference and the cycle model."""
    operands, weights = design.operands, design.weights
    expected = bitmod_oracle.linear(weights, operands["activations"], operands["bias"])
    both_nan = np.isnan(expected) & np.isnan(run.results)
    wrong = (expected.view(np.uint32) != run.results.view(np.uint32)) & ~both_nan
    tokens, channels, inputs = design.shape
    model = linear_cycles(design.array, tokens, channels, inputs)
    return SimResult(
        layer=design.description["layer"],
        driver=driver,
        bit_exact=not wrong.any(),
        mismatches=int(wrong.sum()),
        results=wrong.size,
        cycles_rtl=run.cycles,
        cycles_model=model.total,
        relative_error_quantized=_relative_error(design, run.results, weights.dequantize()),
        relative_error_float=_relative_error(design, run.results, operands["weights"].astype(np.float64)),
        nonfinite=run.nonfinite,
        utilisation=model.utilisation,
        build_seconds=run.build_seconds,
        run_seconds=run.run_seconds,
        trace=trace,
    )


def _relative_error(design: Design, results: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    acts = design.operands["activations"].astype(np.float64)
    finite = np.isfinite(acts).all(axis=1)
    reference = acts[finite] @ weights.T + design.operands["bias"]
    norm = float(np.linalg.norm(reference))
    difference = float(np.linalg.norm(results[finite] - reference))
    return difference / norm if norm else difference
