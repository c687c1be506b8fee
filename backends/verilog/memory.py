"""The memory of the BitMoD accelerator: descriptors, activations, weights, and room for results.

Formats are those of ``rtl/bitmod/bitmod_descriptor.sv`` and of `penstock.backends.verilog.images`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...ir.bitmod_format import BitmodWeights
from ...ir.errors import InputError
from ...sim.cost.bitmod_accel import DESCRIPTOR_BYTES, Accelerator, Layer
from .images import activation_words, weight_words

BASE = 0x8000_0000
"""Address of the first descriptor."""
ALIGNMENT = 64
SHAPE_LIMIT = 1 << 16
_DESCRIPTOR = struct.Struct("<QQQHHHBBQ24x")


@dataclass(frozen=True)
class Linear:
    """A linear layer to run, checked by `of`.

    Attributes:
        name: in the model.
        quantized: the weights ``[N, D]``.
        weights: the floats they came from.
        bias: ``[N]``.
        activations: ``[T, D]``.
    """

    name: str
    quantized: BitmodWeights
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    activations: NDArray[np.float16]

    @classmethod
    def of(
        cls,
        name: str,
        quantized: BitmodWeights,
        weights: ArrayLike,
        bias: ArrayLike | None,
        activations: ArrayLike,
    ) -> Linear:
        """A layer from what a model has.

        Args:
            name: for messages and reports.
            quantized: the weights as `penstock.passes.quantize.quantize` gives them, ``[N, D]``.
            weights: the float weights they came from, ``[N, D]``, for the error report.
            bias: ``[N]``, or None.
            activations: ``[T, D]``, rounded to FP16; infinities and NaNs are allowed.

        Raises:
            InputError: shapes that do not fit together, or a descriptor.
        """
        channels, inputs = quantized.channels, quantized.inputs
        floats = np.asarray(weights, np.float32)
        offset = np.zeros(channels, np.float32) if bias is None else np.asarray(bias, np.float32)
        with np.errstate(over="ignore"):
            acts = np.asarray(activations).astype(np.float16)
        if floats.shape != (channels, inputs):
            raise InputError(
                f"weights {list(floats.shape)} were not quantized to [{channels}, {inputs}]", where=name
            )
        if offset.shape != (channels,):
            raise InputError(f"bias of shape {list(offset.shape)}", where=name, accepted=f"[{channels}]")
        if acts.ndim != 2 or acts.shape[1] != inputs or not len(acts):
            raise InputError(
                f"activations of shape {list(acts.shape)}",
                where=name,
                accepted=f"[T, {inputs}], T at least 1",
            )
        if max(len(acts), channels) >= SHAPE_LIMIT:
            raise InputError(
                f"{len(acts)} tokens, {channels} channels",
                where=name,
                accepted=f"less than {SHAPE_LIMIT} of each",
            )
        return cls(name, quantized, floats, offset, acts)

    def fits(self, accelerator: Accelerator) -> None:
        """Raise InputError where its inputs are more than the accelerator's buffers hold."""
        most = accelerator.array.max_groups
        if self.quantized.groups > most:
            raise InputError(
                f"{self.quantized.inputs} inputs are {self.quantized.groups} groups of 128, and the "
                f"accelerator's buffers hold {most}",
                where=self.name,
                accepted=f"at most {most * 128} inputs, or a target with larger buffers",
            )


@dataclass(frozen=True)
class Memory:
    """What the accelerator finds in memory.

    Attributes:
        image: from `BASE` on: descriptors, then each layer's weights and activations.
        results: address of the first result; they end the memory.
        end: address after the last.
        layers: as the descriptors have them.
    """

    image: bytes
    results: int
    end: int
    layers: tuple[Layer, ...]


def memory(linears: Sequence[Linear]) -> Memory:
    """Lay the layers out, in order; everything begins at a multiple of 64 bytes."""
    blocks: list[bytes] = []
    free = BASE + len(linears) * DESCRIPTOR_BYTES

    def place(words: NDArray[np.uint64]) -> int:
        nonlocal free
        data = words.astype("<u8").tobytes()
        data += bytes(-len(data) % ALIGNMENT)
        blocks.append(data)
        free += len(data)
        return free - len(data)

    placed = [
        (
            place(weight_words(each.quantized, each.bias)),
            place(activation_words(each.activations, each.quantized.groups)),
        )
        for each in linears
    ]
    results, layers, descriptors = free, [], []
    for each, (weights, activations) in zip(linears, placed, strict=True):
        mode = each.quantized.format.mode
        shape = len(each.activations), each.quantized.channels
        layers.append(Layer(*shape, each.quantized.inputs, mode, weights, activations, free))
        descriptors.append(
            _DESCRIPTOR.pack(
                *(weights, activations, free, *shape, each.quantized.groups, int(mode), 0),
                each.quantized.format.special_terms,
            )
        )
        free += -(-4 * shape[0] * shape[1] // ALIGNMENT) * ALIGNMENT
    return Memory(b"".join([*descriptors, *blocks]), results, free, tuple(layers))
