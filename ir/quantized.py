"""Quantized parameters in a module: the mark on an argument, and the arrays that stand for it.

A parameter marked ``penstock.quantized`` keeps its tensor type, which is what the computation sees; its
value is stored as codes, variants and scales under ``NAME.codes``, ``NAME.variant``, ``NAME.scale`` and
``NAME.steps``. Whoever runs the module takes these, and either computes with them or dequantizes:

    %w: tensor<384x384xf32> {penstock.kind = "param", penstock.name = "q.weight", penstock.quantized =
        {bits = 4 : i64, channels = [0], format = "bitmod4", group = 128 : i64, scale_bits = 8 : i64}}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .dtypes import BY_MLIR, lookup
from .entries import NAME, arguments, text_attribute
from .errors import InputError
from .formats import QuantizedMatrix
from .formats import lookup as format_of
from .mlir import func, ir
from .steps import functions, is_entry

QUANTIZED = "penstock.quantized"
PARTS = ("codes", "variant", "scale", "steps")

_KEYS = ("bits", "channels", "format", "group", "scale_bits")
_ACTIVATIONS = "activations"

FLOAT = "float"
ACTIVATIONS = (FLOAT, "int15", "int8")
"""What a contraction with packed weights may round its activations to, per token and group: nothing that
float32 would tell apart, or integers of 15 or 8 bits."""


@dataclass(frozen=True)
class Quantization:
    """How a parameter is quantized.

    Attributes:
        format: name of a number format.
        group: weights that share a scale.
        scale_bits: 8: eight-bit group scales; 32: float32 ones.
        channels: the axes of the tensor that are no inputs of the contraction. As a matrix, channels × the
            other axes, the weights are in groups along the rows.
        activations: one of `ACTIVATIONS`; a mark without it says ``float``.
    """

    format: str
    group: int
    scale_bits: int
    channels: tuple[int, ...]
    activations: str = FLOAT

    def attribute(self) -> ir.DictAttr:
        """The mark, in the current context."""
        whole = ir.IntegerType.get_signless(64)
        rounded = self.activations != FLOAT
        return ir.DictAttr.get(
            {
                **({_ACTIVATIONS: ir.StringAttr.get(self.activations)} if rounded else {}),
                "bits": ir.IntegerAttr.get(whole, format_of(self.format).bits),
                "channels": ir.ArrayAttr.get([ir.IntegerAttr.get(whole, axis) for axis in self.channels]),
                "format": ir.StringAttr.get(self.format),
                "group": ir.IntegerAttr.get(whole, self.group),
                "scale_bits": ir.IntegerAttr.get(whole, self.scale_bits),
            }
        )

    @classmethod
    def of(cls, mark: ir.Attribute, where: str = QUANTIZED) -> Quantization:
        """What a mark says.

        Raises:
            InputError: keys that are missing or unknown, an unknown format or rounding of activations, or
                bits that are not the format's.
        """
        keys = {each.name for each in mark} if isinstance(mark, ir.DictAttr) else set()
        if keys - {_ACTIVATIONS} != set(_KEYS):
            raise InputError(f"{mark} is no quantization", where=where, accepted=", ".join(_KEYS))
        table = ir.DictAttr(mark)
        rounding = ir.StringAttr(table[_ACTIVATIONS]).value if _ACTIVATIONS in keys else FLOAT
        if rounding not in ACTIVATIONS:
            raise InputError(f"activations '{rounding}'", where=where, accepted=", ".join(ACTIVATIONS))
        whole = {key: ir.IntegerAttr(table[key]).value for key in ("bits", "group", "scale_bits")}
        found = cls(
            ir.StringAttr(table["format"]).value,
            whole["group"],
            whole["scale_bits"],
            tuple(ir.IntegerAttr(axis).value for axis in ir.ArrayAttr(table["channels"])),
            rounding,
        )
        bits = format_of(found.format).bits
        if bits != whole["bits"]:
            raise InputError(f"{found.format} of {whole['bits']} bits", where=where, accepted=f"{bits} bits")
        return found

    def _order(self, rank: int) -> tuple[int, ...]:
        return (*self.channels, *(axis for axis in range(rank) if axis not in self.channels))

    def matrix(self, tensor: NDArray) -> NDArray:
        """A tensor as channels × inputs."""
        rows = math.prod(tensor.shape[axis] for axis in self.channels)
        return tensor.transpose(self._order(tensor.ndim)).reshape(rows, -1)

    def tensor(self, matrix: NDArray, shape: tuple[int, ...]) -> NDArray:
        """Channels × inputs as a tensor of this shape."""
        order = self._order(len(shape))
        ordered = matrix.reshape([shape[axis] for axis in order])
        return np.ascontiguousarray(ordered.transpose(np.argsort(order)))

    def stored(self, name: str, parts: Mapping[str, NDArray], shape: tuple[int, ...]) -> QuantizedMatrix:
        """The codes and scales of a parameter, as a matrix of channels × inputs.

        Args:
            name: the parameter's; its arrays are ``NAME.codes`` and so on.
            parts: arrays by name.
            shape: of the parameter's tensor.

        Raises:
            InputError: arrays that are missing, do not fit, or are corrupt.
        """
        found = {part: parts[f"{name}.{part}"] for part in PARTS if f"{name}.{part}" in parts}
        channels = math.prod(shape[axis] for axis in self.channels)
        try:
            matrix = QuantizedMatrix.from_parts(
                format_of(self.format), math.prod(shape) // channels, self.group, self.scale_bits, found
            )
        except InputError as error:
            raise InputError(error.message, where=name, accepted=f"{name}.codes, … as quantized") from error
        if matrix.shape[0] != channels:
            raise InputError(f"codes of shape {list(matrix.codes.shape)} for {list(shape)}", where=name)
        return matrix

    def decode(self, name: str, parts: Mapping[str, NDArray], kind: ir.Type) -> NDArray:
        """The values of a parameter from its stored arrays, in the element type of its tensor type.

        Raises:
            InputError: as for `stored`.
        """
        tensor = ir.RankedTensorType(kind)
        shape = tuple(tensor.shape)
        dtype = lookup(BY_MLIR, str(tensor.element_type)).numpy
        return self.tensor(self.stored(name, parts, shape).dequantize().astype(dtype), shape)


def mark_of(function: func.FuncOp, number: int) -> Quantization | None:
    """How an argument of a function is quantized, or None."""
    table = arguments(function)[number]
    return Quantization.of(table[QUANTIZED], f"@{function.name.value}") if QUANTIZED in table else None


def quantized_params(module: ir.Module) -> Iterator[tuple[str, Quantization, ir.Type]]:
    """Name, quantization and tensor type of every quantized parameter of the entries, each name once."""
    seen = set()
    for function in functions(module).values():
        if not is_entry(function):
            continue
        for number, table in enumerate(arguments(function)):
            name = text_attribute(table, NAME, f"arg{number}")
            mark = mark_of(function, number)
            if mark is not None and name not in seen:
                seen.add(name)
                yield name, mark, function.type.inputs[number]


class Dequantized(Mapping[str, NDArray]):
    """Parameters with the values of quantized ones in place of their codes, decoded when asked for; tied ones
    once.

    Args:
        module: says which are quantized.
        params: arrays by name.

    Raises:
        InputError: at the look-up, stored arrays that are missing, do not fit, or are corrupt.
    """

    def __init__(self, module: ir.Module, params: Mapping[str, NDArray]) -> None:
        self._params = params
        self._marked = {name: (mark, kind) for name, mark, kind in quantized_params(module)}
        hidden = {f"{name}.{part}" for name in self._marked for part in PARTS}
        self._names = dict.fromkeys([*(name for name in params if name not in hidden), *self._marked])
        self._decoded: dict[object, NDArray] = {}

    def __getitem__(self, name: str) -> NDArray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._marked:
            return self._params[name]
        mark, kind = self._marked[name]
        codes = self._params.get(f"{name}.codes")
        key = (name if codes is None else codes.ctypes.data, mark, str(kind))
        if key not in self._decoded:
            self._decoded[key] = mark.decode(name, self._params, kind)
        return self._decoded[key]

    def __contains__(self, name: object) -> bool:
        return name in self._names  # without decoding it

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
