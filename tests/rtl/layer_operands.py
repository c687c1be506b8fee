"""Operands of random layers and what the integer oracle says must come out, for every test bench."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from penstock.backends.verilog.images import activation_words, weight_words
from penstock.passes.quantize import quantize
from penstock.sim.rtl.bitmod_oracle import Rounding, linear

SCHEMES = ("bitmod4", "int8", "bitmod3", "int6", "int5")


@dataclass
class Layer:
    """A random layer; ``acts`` may be changed before anything is asked of it.

    Attributes:
        tokens: ``T``.
        channels: ``N``.
        inputs: ``D``, any number.
        seed: of everything random.
        scheme: of the weights.
    """

    tokens: int
    channels: int
    inputs: int
    seed: int
    scheme: str = "bitmod4"
    acts: NDArray[np.float16] = field(init=False)

    def __post_init__(self) -> None:
        numbers = np.random.default_rng(self.seed)
        self.acts = (numbers.standard_normal((self.tokens, self.inputs)) * 4).astype(np.float16)
        self.weights = quantize(numbers.standard_t(3, (self.channels, self.inputs)), self.scheme)
        self.bias = numbers.standard_normal(self.channels).astype(np.float32)

    @property
    def groups(self) -> int:
        """Groups of 128 inputs."""
        return self.weights.groups

    @property
    def mode(self) -> int:
        """What the array is told of the weights."""
        return int(self.weights.format.mode)

    @property
    def specials(self) -> int:
        """The four special values as terms."""
        return self.weights.format.special_terms

    def act_words(self) -> NDArray[np.uint64]:
        """The activation stream."""
        return activation_words(self.acts, self.groups).astype(np.uint64)

    def weight_words(self) -> NDArray[np.uint64]:
        """The weight stream, once through."""
        return weight_words(self.weights, self.bias).astype(np.uint64)

    @property
    def expected(self) -> NDArray[np.uint32]:
        """The oracle's results ``[T, N]`` for the paper's element."""
        return self.expect()

    def expect(
        self, lanes: int = 4, rounding: Rounding = "nearest-even", acc_width: int = 15
    ) -> NDArray[np.uint32]:
        """The oracle's results ``[T, N]`` as bits, for another element; NaNs are the quiet one."""
        out = linear(self.weights, self.acts, self.bias, rounding, acc_width, lanes)
        return np.where(np.isnan(out), np.uint32(0x7FC00000), out.view(np.uint32))

    def descriptor(self, weights: int, acts: int, results: int, flags: int = 0) -> bytes:
        """Its 64 bytes in memory."""
        shape = (self.tokens, self.channels, self.groups, self.mode, flags)
        return struct.pack("<QQQHHHBBQ24x", weights, acts, results, *shape, self.specials)


def hard_activations(layer: Layer, seed: int) -> None:
    """Every exponent, subnormals, the largest finite values, zeros in between."""
    numbers = np.random.default_rng(seed)
    shape = layer.acts.shape
    sign, exponent = numbers.integers(0, 2, shape) << 15, numbers.integers(0, 31, shape) << 10
    layer.acts = (sign | exponent | numbers.integers(0, 1024, shape)).astype(np.uint16).view(np.float16)
    layer.acts[0] = np.where(numbers.integers(0, 2, shape[1]), np.float16(65504), np.float16(-65504))
    if layer.tokens > 2:
        layer.acts[1] = numbers.integers(0, 1024, shape[1]).astype(np.uint16).view(np.float16)
        layer.acts[2, shape[1] // 16 : shape[1] // 2] = 0
