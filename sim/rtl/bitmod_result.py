"""What a run of linear layers on the BitMoD accelerator showed, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .compare import SimResult


@dataclass(frozen=True)
class LayerRun:
    """One layer of a run.

    Attributes:
        name: in the model.
        tokens, channels, inputs: its shape.
        format: of the weights.
        mismatches: results that differ from the integer oracle's, of ``results``.
        relative_error_quantized: ‖out − ref‖/‖ref‖ against float64 with the dequantized weights: what the
            array's arithmetic loses.
        relative_error_float: the same with the original weights: arithmetic and quantization. Tokens that are
            not finite are left out of both.
        cycles_rtl, cycles_model: from the end of the layer before.
        utilisation: share of the array's peak multiply rate over these cycles.
        weight_bytes, activation_bytes, result_bytes: moved for it, by the model.
    """

    name: str
    tokens: int
    channels: int
    inputs: int
    format: str
    mismatches: int
    results: int
    relative_error_quantized: float
    relative_error_float: float
    cycles_rtl: int
    cycles_model: int
    utilisation: float
    weight_bytes: int
    activation_bytes: int
    result_bytes: int

    @property
    def bytes_moved(self) -> Mapping[str, int]:
        """Bytes by what they are."""
        return {
            "weights": self.weight_bytes,
            "activations": self.activation_bytes,
            "results": self.result_bytes,
        }


@dataclass(frozen=True)
class ChainResult(SimResult):
    """A run of layers compared.

    Attributes:
        core_cycles_rtl, core_cycles_model: cycles in which the array is busy.
        array: tokens × channels it works on at a time.
        memory_latency: cycles the memory took to answer.
        layers: in order.
        nonfinite: an activation was infinite or NaN.
        bytes_read: from memory, by what they were, as the driver counted them.
        bytes_written: to it, likewise.
    """

    design: ClassVar[str] = "bitmod_accel"

    core_cycles_rtl: int
    core_cycles_model: int
    array: tuple[int, int]
    memory_latency: int
    layers: tuple[LayerRun, ...]
    nonfinite: bool
    bytes_read: Mapping[str, int]
    bytes_written: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        layers = tuple(LayerRun(**each) for each in data["layers"])
        return super().from_json({**data, "layers": layers, "array": tuple(data["array"])})

    @property
    def ok(self) -> bool:
        """Bit-exact, in the cycles the model says, layer by layer, and in the bytes the layers need."""
        moved = {"activations": 0, "weights": 0}
        for each in self.layers:
            moved["activations"] += each.activation_bytes
            moved["weights"] += each.weight_bytes
        return (
            super().ok
            and self.core_cycles_rtl == self.core_cycles_model
            and all(each.cycles_rtl == each.cycles_model for each in self.layers)
            and all(self.bytes_read[name] == size for name, size in moved.items())
            and self.bytes_written == sum(each.result_bytes for each in self.layers)
        )

    @property
    def utilisation(self) -> float:
        """Share of the array's peak multiply rate, weighted by the layers' cycles."""
        total = sum(each.cycles_rtl for each in self.layers)
        return sum(each.utilisation * each.cycles_rtl for each in self.layers) / total if total else 0.0

    @property
    def utilisations(self) -> Mapping[str, float]:
        """Of the array's multipliers."""
        return {"utilisation": self.utilisation}

    @property
    def errors(self) -> Mapping[str, float]:
        """The worst layer's: the array's arithmetic alone, and with the quantization of the weights."""
        return {
            "arithmetic": max(each.relative_error_quantized for each in self.layers),
            "with quantization": max(each.relative_error_float for each in self.layers),
        }

    def findings(self) -> list[tuple[str, str]]:
        """The array, traffic, and a line for every layer; a warning where activations were not finite."""
        read = ", ".join(f"{name} {size:,} B" for name, size in self.bytes_read.items())
        idle = self.cycles_rtl - self.core_cycles_rtl
        rows = [
            ("array", f"{self.array[0]} × {self.array[1]}, busy in all but {idle:,} cycles"),
            ("utilisation", f"{self.utilisation:.1%} of the array's peak"),
            (
                "memory",
                f"latency {self.memory_latency} cycles; read {read}; written {self.bytes_written:,} B",
            ),
        ]
        rows += [(f"layer {number}", _line(each)) for number, each in enumerate(self.layers)]
        if self.nonfinite:
            rows.append(("not finite", "activations with infinity or NaN; their tokens give NaN"))
        return rows


def _line(layer: LayerRun) -> str:
    equal = "=" if layer.cycles_rtl == layer.cycles_model else "≠"
    exact = f"{layer.mismatches} DIFFER" if layer.mismatches else "bit-exact"
    return (
        f"{layer.name}  {layer.tokens}×{layer.channels}×{layer.inputs} {layer.format}  {exact}  "
        f"RTL {layer.cycles_rtl:,} {equal} model {layer.cycles_model:,}  {layer.utilisation:.1%}  "
        f"error {layer.relative_error_quantized:.2e}, float {layer.relative_error_float:.2e}"
    )
