"""The values of a module's quantized parameters: floats in, codes and scales out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...ir.errors import InputError
from ...ir.formats import lookup
from ...ir.mlir import ir
from ...ir.quantized import ACTIVATIONS, FLOAT, quantized_params
from .fake import fake_quantize


@dataclass(frozen=True)
class QuantizedParams:
    """Parameters of a module with quantized ones as codes.

    Attributes:
        arrays: by name; a quantized one as ``NAME.codes`` and so on.
        formats: per quantized parameter, its format.
        bits_per_weight: average over the quantized weights, group metadata included; 0 where there are none.
        activations: the coarsest rounding of activations that a mark allows.
    """

    arrays: Mapping[str, NDArray]
    formats: Mapping[str, str]
    bits_per_weight: float
    activations: str = FLOAT

    def to_json(self) -> dict[str, Any]:
        """For a manifest: formats by parameter and the average width; nothing where none is quantized."""
        if not self.formats:
            return {}
        about = {"bits_per_weight": self.bits_per_weight, "activations": self.activations}
        return {"quantized": {"formats": dict(self.formats), **about}}


def quantize_params(module: ir.Module, params: Mapping[str, NDArray]) -> QuantizedParams:
    """Quantize the parameters that a module marks; tied ones share their codes.

    Raises:
        InputError: a marked parameter without values, or with values that cannot be quantized.
    """
    arrays = dict(params)
    formats: dict[str, str] = {}
    done: dict[object, dict[str, NDArray]] = {}
    bits, weights, activations = 0.0, 0, FLOAT
    for name, mark, _ in quantized_params(module):
        if name not in params:
            raise InputError("the parameter has no value", where=name, accepted="an array to quantize")
        array = arrays.pop(name)
        key = (array.ctypes.data, array.shape, array.strides, mark)
        if key not in done:
            chosen = lookup(mark.format)
            scale_bits = 8 if mark.scale_bits == 8 and not chosen.native_scale else None
            try:
                matrix = fake_quantize(mark.matrix(array), chosen, group=mark.group, scale_bits=scale_bits)
            except InputError as error:
                raise InputError(error.message, where=name, accepted=error.accepted) from error
            done[key] = matrix.parts()
            bits += matrix.bits_per_weight * array.size
            weights += array.size
        formats[name] = mark.format
        activations = max(activations, mark.activations, key=ACTIVATIONS.index)
        arrays |= {f"{name}.{part}": stored for part, stored in done[key].items()}
    return QuantizedParams(arrays, formats, bits / weights if weights else 0.0, activations)
