"""A quantized matrix in any format: codes, choices of variants, scales, and the floats they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bitmod_format import GROUP_SIZE, BitmodWeights
from ..bitmod_format import lookup as known
from ..errors import InputError
from .format import Format
from .packing import pack_codes, unpack_codes

_ROWS = 64
"""Rows worked on at a time, so that they stay in cache."""


@dataclass(frozen=True, eq=False)
class QuantizedMatrix:
    """Weights ``[N, D]``: output channels × inputs, groups along the inputs, the last padded with zeros.

    ``w[n, d] ≈ levels[variant[n, g], codes[n, g, i]] · scale[n, g]``, and with scales of two levels
    ``scale[n, g]`` is ``steps[n, g] · scale[n, 0]``.

    Attributes:
        format: the number format.
        inputs: D, before padding to whole groups.
        codes: uint8 ``[N, G, group]``.
        variant: uint8 ``[N, G]``: the special value, zero point or data type of the group.
        scale: float32 ``[N, G]``; ``[N, 1]``, one a channel, where there are steps.
        steps: uint8 ``[N, G]``, 0..127, or None.
        scale_bits: what a group's scale takes in storage.
    """

    format: Format
    inputs: int
    codes: NDArray[np.uint8]
    variant: NDArray[np.uint8]
    scale: NDArray[np.float32]
    steps: NDArray[np.uint8] | None
    scale_bits: int

    def __post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        where = f"a {self.format.name} matrix"
        if self.codes.ndim != 3 or not 0 < self.inputs <= self.codes[0].size:
            raise InputError(f"codes of shape {list(self.codes.shape)} for {self.inputs} inputs", where=where)
        shape = self.codes.shape[:2]
        scale = shape if self.steps is None else (shape[0], 1)
        if self.variant.shape != shape or self.scale.shape != scale:
            raise InputError(f"variants or scales are not one a group, {list(shape)}", where=where)
        if self.steps is not None and self.steps.shape != shape:
            raise InputError(f"scale steps are not one a group, {list(shape)}", where=where)
        variants, codes = self.format.table.shape
        if self.codes.max() >= codes or self.variant.max() >= variants or not np.isfinite(self.scale).all():
            raise InputError("a code, variant or scale is out of range: the data is corrupt", where=where)

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, D)``."""
        return self.codes.shape[0], self.inputs

    @property
    def group(self) -> int:
        """Weights a group."""
        return self.codes.shape[2]

    @property
    def bits_per_weight(self) -> float:
        """Bits of a code and its share of the group's scale and choice; what a channel has once left out."""
        return self.format.bits + (self.scale_bits + self.format.variant_bits) / self.group

    def scales(self) -> NDArray[np.float64]:
        """The scale of each group, ``[N, G]``."""
        scale = self.scale.astype(np.float64)
        return scale if self.steps is None else self.steps * scale

    def dequantize(self) -> NDArray[np.float64]:
        """The weights the codes stand for, ``[N, D]``, without rounding."""
        out = np.empty(self.shape, np.float64)
        scales = self.scales()
        table = self.format.table
        for start in range(0, len(out), _ROWS):
            rows = slice(start, start + _ROWS)
            places = self.variant[rows, :, None].astype(np.intp) * table.shape[1] + self.codes[rows]
            values = np.take(table, places) * scales[rows, :, None]
            out[rows] = values.reshape(len(values), -1)[:, : self.inputs]
        return out

    def mse(self, weights: ArrayLike) -> float:
        """Squared error over squared weights, ΣΔ²/ΣW²; 0 for weights that are all zero.

        Raises:
            InputError: weights of another shape.
        """
        exact = np.asarray(weights, np.float64)
        if exact.shape != self.shape:
            raise InputError(f"weights of shape {list(exact.shape)}", accepted=str(list(self.shape)))
        energy = float(np.square(exact).sum())
        return float(np.square(self.dequantize() - exact).sum()) / energy if energy else 0.0

    def bitmod(self) -> BitmodWeights:
        """The same weights as the BitMoD array and the packed kernels take them.

        Raises:
            InputError: another format, other groups than 128, or scales of one level.
        """
        if self.format.family != "bitmod" or self.group != GROUP_SIZE or self.steps is None:
            raise InputError(
                f"{self.format.name} in groups of {self.group}",
                where="BitMoD weights",
                accepted=f"bitmod4 or bitmod3 in groups of {GROUP_SIZE} with eight-bit scales",
            )
        return BitmodWeights(
            known(self.format.name),
            self.inputs,
            self.codes,
            self.variant,
            self.steps,
            self.scale[:, 0] / np.float32(2),  # the grid's half folded in
        )

    def parts(self) -> dict[str, NDArray]:
        """The arrays to store, by name, codes packed; `from_parts` puts them together again."""
        steps = {} if self.steps is None else {"steps": self.steps}
        codes = pack_codes(self.format, self.codes)
        return {"codes": codes, "variant": self.variant, "scale": self.scale, **steps}

    @classmethod
    def from_parts(
        cls, chosen: Format, inputs: int, group: int, scale_bits: int, parts: Mapping[str, NDArray]
    ) -> QuantizedMatrix:
        """The matrix of stored arrays.

        Raises:
            InputError: arrays that are missing, do not fit each other, or hold what the format does not know.
        """
        missing = [name for name in ("codes", "variant", "scale") if name not in parts]
        if missing:
            raise InputError(f"no {', '.join(missing)} stored", where=f"a {chosen.name} matrix")
        return cls(
            chosen,
            inputs,
            unpack_codes(chosen, parts["codes"], group),
            parts["variant"],
            parts["scale"],
            parts.get("steps"),
            scale_bits,
        )
