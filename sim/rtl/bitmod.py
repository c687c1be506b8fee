"""Linear layers emitted for the BitMoD accelerator: their memory, their results, and what those should be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, repeat
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...ir.bitmod_format import BitmodWeights, lookup
from ...ir.errors import BundleError, InputError
from ..cost.bitmod_accel import Accelerator, ChainCycles, Layer, LayerCycles, chain_cycles
from . import bitmod_oracle
from .bitmod_result import ChainResult, LayerRun
from .compare import differing, relative_error
from .design import Design
from .run import Progress, Run

KIND = ChainResult.design
FIGURES = ("cycles", "core_cycles", "nonfinite", "descriptors", "activations", "weights", "written")
ERRORS = {
    1: "a start without descriptors, or with a misplaced first one",
    2: "error response to a descriptor read",
    3: "a descriptor that cannot be carried out",
    4: "error response to an activation read",
    5: "error response to a weight read",
    6: "error response to a result write",
    7: "aborted",
}
"""What the ERROR register's codes mean (``bitmod_accel_pkg.sv``)."""
READ_AHEAD = (4, 5)


@dataclass(frozen=True)
class ChainDesign(Design):
    """Linear layers in memory and the accelerator that runs them in order."""

    cocotb_driver: ClassVar[str] = "penstock.sim.rtl.cocotb_accel"
    # An array of elements repeats: a fifth faster, and its code is small enough to compile so.
    optimisation: ClassVar[str] = "-O2"

    @cached_property
    def accelerator(self) -> Accelerator:
        """Its parameters."""
        return Accelerator.from_json(self.description["accelerator"])

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers as their descriptors have them."""
        keys = ("tokens", "channels", "inputs", "weights", "activations", "results", "fence")
        return tuple(
            Layer(mode=lookup(each["format"]).mode, **{key: each[key] for key in keys})
            for each in self.description["layers"]
        )

    @property
    def names(self) -> list[str]:
        """The layers' names."""
        return [each["name"] for each in self.description["layers"]]

    @property
    def memory(self) -> dict[str, Any]:
        """Addresses, the image's name and hash, the latency."""
        return self.description["memory"]

    def with_latency(self, cycles: int) -> Self:
        """The same design with a memory that answers after so many cycles, at least 1."""
        if cycles < 1:
            raise InputError(f"a memory that answers after {cycles} cycles", accepted="at least 1")
        return replace(self, description={**self.description, "memory": {**self.memory, "latency": cycles}})

    def image(self) -> str:
        """The path of the memory image.

        Raises:
            BundleError: it is missing, shorter or longer than it should be, or has changed.
        """
        path = self.file(self.memory["image"])
        data, wanted = path.read_bytes(), self.memory["results"] - self.memory["base"]
        if len(data) != wanted:
            raise BundleError(f"holds {len(data)} bytes", where=str(path), accepted=f"{wanted} bytes")
        if hashlib.sha256(data).hexdigest() != self.memory["sha256"]:
            raise BundleError("the memory image has changed", where=str(path), accepted="emit it again")
        return str(path)

    def arguments(self) -> list[str]:
        """The image and the memory's latency."""
        return ["--image", self.image(), "--memory-latency", str(self.memory["latency"])]

    def job(self) -> dict[str, Any]:
        """The memory, what the registers must say, and where each layer's results lie."""
        array = self.accelerator.array
        return {
            "memory": {**self.memory, "image": self.image()},
            "tile": array.cols << 16 | array.rows,
            "tiles": array.col_tiles << 16 | array.row_tiles,
            "lanes": array.lanes,
            "buffers": array.max_groups << 16 | array.max_tokens,
            "regions": [[each.results, 4 * each.tokens * each.channels] for each in self.layers],
        }

    @property
    def figures(self) -> tuple[str, ...]:
        """Counters, the flag of infinities and NaNs, bytes by kind, the cycle in which each layer ends."""
        return (*FIGURES, *(f"end{number}" for number in range(len(self.layers))))

    @property
    def result_bytes(self) -> int:
        """The part of the memory that results are written to."""
        return self.memory["end"] - self.memory["results"]

    def arrange(self, results: bytes) -> NDArray[np.float32]:
        """That part as words."""
        if len(results) != self.result_bytes:
            raise BundleError(f"{len(results)} bytes of results", accepted=f"{self.result_bytes}")
        return np.frombuffer(results, "<f4")

    def failure(self, said: Mapping[str, int]) -> str:
        """The accelerator's error code, the layer it names, and the address that was refused.

        A read that fails may have been ahead of the layer under way, for the next one.
        """
        index, code, address = said["index"], said["code"], said["address"]
        layer = f"layer {index}, {self.names[index]}" if index < len(self.layers) else f"descriptor {index}"
        ahead = ", or ahead of it" if code in READ_AHEAD and index + 1 < len(self.layers) else ""
        where = f" at {address:#x}" if address else ""
        return f"the accelerator failed in {layer}{ahead}: {ERRORS[code]}{where}"

    def weights(self, number: int) -> BitmodWeights:
        """A layer's quantized weights."""
        keys = ("codes", "special", "group_scale", "channel_scale")
        return BitmodWeights(
            format=lookup(self.description["layers"][number]["format"]),
            inputs=self.layers[number].inputs,
            **{key: self.operand(number, key) for key in keys},
        )

    def operand(self, number: int, name: str) -> NDArray:
        """An array of a layer.

        Raises:
            BundleError: it is not there.
        """
        try:
            return self.operands[f"{number}.{name}"]
        except KeyError as error:
            raise BundleError(
                f"no array {error}", where=str(self.file(self.description["operands"]))
            ) from error

    def cycles(self) -> ChainCycles:
        """What the cost model says."""
        memory = self.memory
        return chain_cycles(self.accelerator, self.layers, latency=memory["latency"], base=memory["base"])

    def compare(
        self, driver: str, run: Run, trace: str | None, progress: Progress | None = None
    ) -> ChainResult:
        """Hold a run against the integer oracle, float64 and the cost model."""
        model = self.cycles()
        ends = [run.figures[f"end{number}"] for number in range(len(self.layers))]
        taken = [end - before for end, before in zip(ends, [0, *ends], strict=False)]
        layers: list[LayerRun] = []
        work = [each.macs for each in self.layers]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            rows = pool.map(self._compare_layer, repeat(run.results), count(), taken, model.layers)
            for row in rows:
                layers.append(row)
                if progress:
                    progress("comparing with the oracle", sum(work[: len(layers)]), sum(work))
        return ChainResult(
            layer=self.layer,
            driver=driver,
            bit_exact=not any(each.mismatches for each in layers),
            mismatches=sum(each.mismatches for each in layers),
            results=sum(each.results for each in layers),
            cycles_rtl=run.figures["cycles"],
            cycles_model=model.total,
            core_cycles_rtl=run.figures["core_cycles"],
            core_cycles_model=model.core,
            array=(self.accelerator.array.all_rows, self.accelerator.array.all_cols),
            memory_latency=self.memory["latency"],
            layers=tuple(layers),
            nonfinite=bool(run.figures["nonfinite"]),
            bytes_read={name: run.figures[name] for name in ("descriptors", "activations", "weights")},
            bytes_written=run.figures["written"],
            build_seconds=run.build_seconds,
            run_seconds=run.run_seconds,
            trace=trace,
        )

    def _compare_layer(self, memory: NDArray, number: int, taken: int, model: LayerCycles) -> LayerRun:
        layer, weights = self.layers[number], self.weights(number)
        first = (layer.results - self.memory["results"]) // 4
        results = memory[first : first + layer.tokens * layer.channels].reshape(layer.tokens, layer.channels)
        acts, bias = self.operand(number, "activations"), self.operand(number, "bias")
        expected = bitmod_oracle.linear(
            weights,
            acts,
            bias,
            self.description["rounding"],
            self.description["acc_width"],
            self.accelerator.array.lanes,
        )
        wrong = differing(expected, results)
        finite = np.isfinite(acts).all(axis=1)
        exact = acts[finite].astype(np.float64)

        def error(matrix: NDArray) -> float:
            return relative_error(results[finite], exact @ matrix.T.astype(np.float64) + bias)

        return LayerRun(
            name=self.names[number],
            tokens=layer.tokens,
            channels=layer.channels,
            inputs=layer.inputs,
            format=weights.format.name,
            mismatches=int(wrong.sum()),
            results=wrong.size,
            relative_error_quantized=error(weights.dequantize()),
            relative_error_float=error(self.operand(number, "weights")),
            cycles_rtl=taken,
            cycles_model=model.cycles,
            utilisation=model.utilisation,
            weight_bytes=model.weight_bytes,
            activation_bytes=model.activation_bytes,
            result_bytes=model.result_bytes,
        )
