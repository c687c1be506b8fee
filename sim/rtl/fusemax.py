"""An attention head emitted for the FuseMax array: its streams, its results, and what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...ir.schedule import Schedule
from ..cost.spatial.epochs import epoch_cycles
from ..cost.spatial.tiling import Tiling
from . import fusemax_oracle
from .compare import SimResult, differing, relative_error
from .run import Progress, Run
from .streams import Stream, StreamDesign

KIND = "fusemax_attention"
ERROR_BOUND = 2e-3
"""‖out − ref‖/‖ref‖ against float64 on the same FP16 operands: FP16 results alone lose up to 4.9e-4."""


@dataclass(frozen=True)
class AttentionResult(SimResult):
    """A run of an attention head compared.

    Attributes:
        relative_error: ‖out − ref‖/‖ref‖ against float64 attention on the FP16 operands: what the array's
            arithmetic loses. Queries whose result is not finite are left out.
        relative_error_float: the same on the operands before they were rounded to FP16.
        bound: what `relative_error` must not exceed.
        utilisation_2d, utilisation_1d: share of the cycles in which the 2D array and the 1D row work, as the
            RTL counts them.
        stall_cycles: cycles in which the epochs wait for keys and values, as the RTL counts them.
        period: cycles between tiles.
    """

    design: ClassVar[str] = KIND

    relative_error: float
    relative_error_float: float
    bound: float
    utilisation_2d: float
    utilisation_1d: float
    stall_cycles: int
    period: int

    @property
    def ok(self) -> bool:
        """Bit-exact, in the cycles the model says, within the bound."""
        return super().ok and self.relative_error <= self.bound

    @property
    def utilisations(self) -> Mapping[str, float]:
        """Of both units."""
        return {"2D utilisation": self.utilisation_2d, "1D utilisation": self.utilisation_1d}

    @property
    def errors(self) -> Mapping[str, float]:
        """The array's arithmetic alone, and with the rounding of the operands."""
        return {"arithmetic": self.relative_error, "with FP16 operands": self.relative_error_float}

    def findings(self) -> list[tuple[str, str]]:
        """Utilisation, stalls and errors."""
        return [
            (
                "utilisation",
                f"2D array {self.utilisation_2d:.1%}, 1D row {self.utilisation_1d:.1%}; "
                f"{self.stall_cycles} stall cycles",
            ),
            (
                "relative error",
                f"{self.relative_error:.2e} against float64 on the FP16 operands, bound {self.bound:g}",
            ),
            ("", f"{self.relative_error_float:.2e} against float64 on the model's own"),
        ]


@dataclass(frozen=True)
class AttentionDesign(StreamDesign):
    """One attention head in Verilog, and its operands: queries, keys and values, FP16 and as they were."""

    @property
    def tiling(self) -> Tiling:
        """How the head lies on the array."""
        return Tiling(**self.description["tiling"])

    @property
    def schedule(self) -> Schedule:
        """The schedule its program was made from."""
        return Schedule.from_json(self.description["schedule"])

    @property
    def streams(self) -> Mapping[str, Stream]:
        """The program, before the start, and the operands."""
        return {
            "program": Stream("prog", self.file(self.description["program"]), before_start=True),
            "inputs": Stream("in", self.file(self.description["inputs"])),
        }

    @property
    def figures(self) -> tuple[str, ...]:
        """The counters."""
        return ("cycles", "stall_cycles", "busy_2d", "busy_1d")

    @property
    def result_words(self) -> int:
        """A word for every f of every query tile."""
        tiling = self.tiling
        return tiling.blocks * tiling.p1 * tiling.f

    @property
    def word_bytes(self) -> int:
        """Cols FP16 values."""
        return 2 * self.tiling.cols

    def arrange(self, words: bytes) -> NDArray[np.float16]:
        """Result words in the order they left the array, as ``[P, F]``."""
        tiling = self.tiling
        values = np.frombuffer(words, "<f2").reshape(-1, tiling.f, tiling.cols)
        return np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(-1, tiling.f)[: tiling.queries]

    def compare(
        self, driver: str, run: Run, trace: str | None, progress: Progress | None = None
    ) -> AttentionResult:
        """Hold a run against the oracle, float64 and the model of the epochs."""
        operands, tiling, schedule = self.operands, self.tiling, self.schedule
        halves = operands["q"], operands["k"], operands["v"]
        expected = fusemax_oracle.attention(*halves, rows=tiling.rows)
        wrong = differing(expected, run.results)
        cycles = run.figures["cycles"]
        return AttentionResult(
            layer=self.layer,
            driver=driver,
            bit_exact=not wrong.any(),
            mismatches=int(wrong.sum()),
            results=wrong.size,
            cycles_rtl=cycles,
            cycles_model=epoch_cycles(schedule, tiling.epoch_shape).total,
            relative_error=_error(run.results, *halves),
            relative_error_float=_error(run.results, *(operands[f"{name}_float"] for name in "qkv")),
            bound=ERROR_BOUND,
            utilisation_2d=run.figures["busy_2d"] / cycles,
            utilisation_1d=run.figures["busy_1d"] / cycles,
            stall_cycles=run.figures["stall_cycles"],
            period=schedule.period,
            build_seconds=run.build_seconds,
            run_seconds=run.run_seconds,
            trace=trace,
        )


def attention(q: NDArray, k: NDArray, v: NDArray) -> NDArray[np.float64]:
    """Softmax attention in float64.

    Args:
        q: ``[P, E]``, scaled already.
        k: ``[M, E]``.
        v: ``[M, F]``.
    """
    with np.errstate(all="ignore"):
        scores = q.astype(np.float64) @ k.astype(np.float64).T
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return weights @ v.astype(np.float64) / weights.sum(axis=1, keepdims=True)


def _error(results: NDArray, q: NDArray, k: NDArray, v: NDArray) -> float:
    reference = attention(q, k, v)
    finite = np.isfinite(reference).all(axis=1) & np.isfinite(results).all(axis=1)
    return relative_error(results[finite], reference[finite])
