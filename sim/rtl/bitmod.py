"""A linear layer emitted for the BitMoD array: its streams, its results, and what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...ir.bitmod_format import BitmodWeights, lookup
from ..cost.bitmod import BitmodArray, linear_cycles
from . import bitmod_oracle
from .compare import SimResult, differing, relative_error
from .design import Design, Stream
from .run import Run

KIND = "bitmod_linear"


@dataclass(frozen=True)
class LinearResult(SimResult):
    """A run of a linear layer compared.

    Attributes:
        relative_error_quantized: ‖out − ref‖/‖ref‖ against float64 with the dequantized weights: what the
            array's arithmetic loses.
        relative_error_float: the same with the original weights: arithmetic and quantization. Tokens that are
            not finite are left out of both.
        nonfinite: an activation was infinite or NaN.
        utilisation: share of the array's peak multiply rate.
    """

    design: ClassVar[str] = KIND

    relative_error_quantized: float
    relative_error_float: float
    nonfinite: bool
    utilisation: float

    @property
    def utilisations(self) -> Mapping[str, float]:
        """Of the array's multipliers."""
        return {"utilisation": self.utilisation}

    @property
    def errors(self) -> Mapping[str, float]:
        """The array's arithmetic alone, and with the quantization of the weights."""
        return {"arithmetic": self.relative_error_quantized, "with quantization": self.relative_error_float}

    def findings(self) -> list[tuple[str, str]]:
        """Utilisation and errors; a warning where activations were not finite."""
        rows = [
            ("utilisation", f"{self.utilisation:.1%} of the array's peak"),
            (
                "relative error",
                f"{self.relative_error_quantized:.2e} against float64 on the quantized weights",
            ),
            ("", f"{self.relative_error_float:.2e} against float64 on the original weights"),
        ]
        if self.nonfinite:
            rows.append(("not finite", "activations with infinity or NaN; their tokens give NaN"))
        return rows


@dataclass(frozen=True)
class LinearDesign(Design):
    """One linear layer in Verilog, and its operands: codes, scales, bias, activations and float weights."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tokens, channels, inputs."""
        shape = self.description["shape"]
        return shape["tokens"], shape["channels"], shape["inputs"]

    @property
    def array(self) -> BitmodArray:
        """Parameters of the array."""
        return BitmodArray(**self.description["array"])

    @property
    def weight_passes(self) -> int:
        """How often the weights stream in: once per chunk of tokens."""
        return -(-self.shape[0] // self.array.max_tokens)

    @property
    def streams(self) -> Mapping[str, Stream]:
        """Weights and activations."""
        named = {name: self.file(self.description[name]) for name in ("weights", "activations")}
        return {
            "weights": Stream("weight", named["weights"], self.weight_passes),
            "activations": Stream("act", named["activations"]),
        }

    @property
    def figures(self) -> tuple[str, ...]:
        """The cycle counter and the flag of infinities and NaNs."""
        return ("cycles", "nonfinite")

    @property
    def result_words(self) -> int:
        """Words of results, each of one token and Cols channels."""
        tokens, channels, _ = self.shape
        return tokens * -(-channels // self.array.cols)

    @property
    def word_bytes(self) -> int:
        """Cols FP32 values."""
        return 4 * self.array.cols

    @property
    def weights(self) -> BitmodWeights:
        """The quantized weights."""
        arrays = self.operands
        return BitmodWeights(
            format=lookup(self.description["format"]),
            inputs=self.shape[2],
            codes=arrays["codes"],
            special=arrays["special"],
            group_scale=arrays["group_scale"],
            channel_scale=arrays["channel_scale"],
        )

    def arrange(self, words: bytes) -> NDArray[np.float32]:
        """Result words in the order they left the array, as ``[tokens, channels]``.

        Chunks of tokens, in them tiles of channels, in them tokens.
        """
        tokens, channels, _ = self.shape
        array = self.array
        values = np.frombuffer(words, "<f4").reshape(-1, array.cols)
        tiles = -(-channels // array.cols)
        out = np.empty((tokens, tiles * array.cols), np.float32)
        start = 0
        for first in range(0, tokens, array.max_tokens):
            count = min(array.max_tokens, tokens - first)
            part = values[start : start + tiles * count].reshape(tiles, count, array.cols)
            out[first : first + count] = part.transpose(1, 0, 2).reshape(count, -1)
            start += tiles * count
        return out[:, :channels]

    def compare(self, driver: str, run: Run, trace: str | None) -> LinearResult:
        """Hold a run against the integer oracle, float64 and the closed form of the cycles."""
        operands, weights = self.operands, self.weights
        expected = bitmod_oracle.linear(
            weights,
            operands["activations"],
            operands["bias"],
            self.description.get("rounding", "nearest-even"),
            self.description.get("acc_width", bitmod_oracle.ACC_WIDTH),
        )
        wrong = differing(expected, run.results)
        model = linear_cycles(self.array, *self.shape, mode=weights.format.mode)
        return LinearResult(
            layer=self.layer,
            driver=driver,
            bit_exact=not wrong.any(),
            mismatches=int(wrong.sum()),
            results=wrong.size,
            cycles_rtl=run.figures["cycles"],
            cycles_model=model.total,
            relative_error_quantized=self._error(run.results, weights.dequantize()),
            relative_error_float=self._error(run.results, operands["weights"].astype(np.float64)),
            nonfinite=bool(run.figures["nonfinite"]),
            utilisation=model.utilisation,
            build_seconds=run.build_seconds,
            run_seconds=run.run_seconds,
            trace=trace,
        )

    def _error(self, results: NDArray, weights: NDArray[np.float64]) -> float:
        acts = self.operands["activations"].astype(np.float64)
        finite = np.isfinite(acts).all(axis=1)
        return relative_error(results[finite], acts[finite] @ weights.T + self.operands["bias"])
