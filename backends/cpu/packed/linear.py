"""A linear layer that multiplies by packed BitMoD weights, without unpacking them in memory."""

from __future__ import annotations

import ctypes
import os

import numpy as np
from numpy.typing import NDArray

from ....ir.bitmod_format import BitmodWeights
from ....ir.errors import InputError
from ..loader import aligned_array
from .layout import pack, shape_of
from .library import Call, isa_number, library

DIGITS = {"int8": 1, "int15": 2, "int22": 3}
"""How activations are rounded, per token and group of 128 inputs, to how many int8 digits in base 128:
``int8`` to -127..127, ``int15`` to -16256..16256, ``int22`` to -2080768..2080768, as exact as float32."""

MOST_THREADS = 255


class PackedLinear:
    """``y = x · wᵀ + bias`` with the weights quantized to BitMoD FP4 or FP3 (BitMoD, HPCA 2025, section III).

    Weights stay as they are stored; activations are rounded (`DIGITS`), products are summed up as integers
    over a group. Every variant of the kernel gives the same bits, for any number of threads and tokens.

    Args:
        weights: quantized matrix ``[N, D]``, or its image, as `pack` makes it.
        bias: float32 ``[N]``, or None; an image brings its own.
        activations: a key of `DIGITS`.
        isa: ``avx512``, ``avx2`` or ``portable``; the best this machine runs when None.

    Attributes:
        image: the packed weights.
        rows: N.
        inputs: D.

    Raises:
        InputError: the matrix cannot be packed, the image is corrupt, or there is no such rounding.
        TargetError: this machine does not run that variant.
        ToolMissing: the kernels are not compiled yet and there is no C compiler.
    """

    def __init__(
        self,
        weights: BitmodWeights | NDArray[np.uint8],
        bias: NDArray[np.float32] | None = None,
        *,
        activations: str = "int22",
        isa: str | None = None,
    ) -> None:
        if activations not in DIGITS:
            raise InputError(f"no rounding '{activations}' of activations", accepted=", ".join(DIGITS))
        self.image = pack(weights, bias) if isinstance(weights, BitmodWeights) else _placed(weights)
        shape = shape_of(self.image)
        self.rows, self.inputs = shape.rows, shape.inputs
        self._digits = DIGITS[activations]
        self._isa = isa_number(isa)
        self._library = library()
        self._shared = np.empty(0, np.uint8)

    def __call__(
        self, x: NDArray[np.float32], *, threads: int | None = None, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The layer's output ``[T, N]`` for tokens ``[T, D]``, float32; one call at a time for each object.

        A token that holds a NaN or an infinity gives a row of NaN. A group of 128 activations all below
        2^-100 counts as zeros.

        Args:
            x: tokens.
            threads: as many as the process may use when None.
            out: where the output goes; a new array when None.

        Raises:
            InputError: `x` or `out` does not have that shape and type, or not so many threads can be started.
        """
        x = np.ascontiguousarray(x, np.float32)
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise InputError(f"activations of shape {x.shape}", accepted=f"(tokens, {self.inputs})")
        tokens = x.shape[0]
        y = np.empty((tokens, self.rows), np.float32) if out is None else out
        if y.shape != (tokens, self.rows) or y.dtype != np.float32 or not y.flags.c_contiguous:
            raise InputError(
                f"an output of shape {y.shape}, {y.dtype}", accepted=f"float32 ({tokens}, {self.rows})"
            )
        if tokens == 0:
            return y
        needed = self._library.pst_bitmod_shared_bytes(self.inputs, tokens, self._digits)
        if self._shared.size < needed:
            self._shared = aligned_array((needed,), "uint8")
        addresses = (array.ctypes.data for array in (self.image, x, y, self._shared))
        call = Call(*addresses, tokens, self._digits, self._isa)
        status = self._library.penstock_bitmod_run(_thread_count(threads), ctypes.byref(call))
        if status:
            raise InputError(
                f"{threads} threads cannot be started: {os.strerror(status)}", accepted="fewer threads"
            )
        return y


def _placed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image at a cache line, where it is or copied."""
    shape_of(image)
    if image.ctypes.data % 64 == 0 and image.flags.c_contiguous:
        return image
    placed = aligned_array(image.shape, "uint8")
    placed[:] = image
    return placed


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return min(len(os.sched_getaffinity(0)), MOST_THREADS)
    if not 1 <= threads <= MOST_THREADS:
        raise InputError(f"{threads} threads", accepted=f"1 to {MOST_THREADS}")
    return threads
