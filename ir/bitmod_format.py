"""BitMoD weights: the element codes, what they are worth, their bit-serial terms, and a quantized matrix.

BitMoD (HPCA 2025, section III) extends FP4 (E2M1) and FP3 by one of four special values per group of 128
weights; the special value takes the code of the redundant negative zero. Everything here is in *doubled*
units: the smallest step of the grid, one half, counts as 1, so every value is an integer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

GROUP_SIZE = 128
SCALE_MAX = 127
SPECIAL_CODE = 0b1000
LANES = 4

_FP4_MAGNITUDES = (0, 1, 2, 3, 4, 6, 8, 12)


@dataclass(frozen=True)
class Term:
    """``(-1)^sign · 2^exp``, or nothing where ``man`` is 0; its slot multiplies it by ``2^bsig``."""

    sign: int
    exp: int
    man: int


NO_TERM = Term(0, 0, 0)


@dataclass(frozen=True)
class BitmodFormat:
    """One BitMoD data type (the paper's table IV).

    Attributes:
        name: as users write it.
        bits: storage bits of one weight.
        codes: the four-bit codes in use; FP3 codes are FP4 codes without mantissa.
        specials: the four special values, doubled, in the order of their two-bit index (+ER, −ER, +EA, −EA).
    """

    name: str
    bits: int
    codes: tuple[int, ...]
    specials: tuple[int, int, int, int]

    def values(self) -> NDArray[np.int64]:
        """What a code is worth, doubled: ``[special index, code]``, of shape ``[4, 16]``."""
        signed = [*_FP4_MAGNITUDES, *(-m for m in _FP4_MAGNITUDES)]
        table = np.tile(np.array(signed, np.int64), (4, 1))
        table[:, SPECIAL_CODE] = self.specials
        return table

    @property
    def bits_per_weight(self) -> float:
        """Storage including a group's eight-bit scale and two-bit special index (section III-C)."""
        return self.bits + 10 / GROUP_SIZE


FORMATS: dict[str, BitmodFormat] = {
    "bitmod4": BitmodFormat("bitmod4", 4, tuple(range(16)), (10, -10, 16, -16)),
    "bitmod3": BitmodFormat("bitmod3", 3, tuple(range(0, 16, 2)), (6, -6, 12, -12)),
}


def lookup(name: str) -> BitmodFormat:
    """The format of that name.

    Raises:
        InputError: no such format.
    """
    if name not in FORMATS:
        raise InputError(f"no BitMoD format '{name}'", accepted=", ".join(FORMATS))
    return FORMATS[name]


def two_terms(value: int) -> tuple[Term, Term]:
    """A doubled value as a term of bit significance 1 and one of bit significance 0 (section IV-A).

    ``value == ±2^exp·2 ± 2^exp``, each part absent where its ``man`` is 0.

    Raises:
        InputError: the value needs more than two terms.
    """
    sign, magnitude = int(value < 0), abs(value)
    for flip in (0, 1):
        for high in (3, 2, 1, 0, None):
            rest = magnitude - (0 if high is None else 2 << high)
            low = -rest if flip else rest
            if low == 0 or (0 < low <= 8 and low.bit_count() == 1):
                first = NO_TERM if high is None else Term(sign, high, 1)
                second = NO_TERM if low == 0 else Term(sign ^ flip, low.bit_length() - 1, 1)
                return first, second
    raise InputError(f"{value / 2} does not split into two bit-serial terms")


@dataclass(frozen=True, eq=False)
class BitmodWeights:
    """A quantized matrix ``[channels N, inputs D]``; groups run along the inputs, the last padded with zeros.

    ``w[n, d] ≈ value(code) · group_scale[n, g] · channel_scale[n]`` with the value doubled; the half is
    folded into the channel scale.

    Attributes:
        format: the data type.
        inputs: D, before padding to whole groups.
        codes: uint8 ``[N, G, 128]``, 0..15.
        special: uint8 ``[N, G]``, index 0..3 of the group's special value.
        group_scale: uint8 ``[N, G]``, 0..127.
        channel_scale: float32 ``[N]``.
    """

    format: BitmodFormat
    inputs: int
    codes: NDArray[np.uint8]
    special: NDArray[np.uint8]
    group_scale: NDArray[np.uint8]
    channel_scale: NDArray[np.float32]

    @property
    def channels(self) -> int:
        """N."""
        return self.codes.shape[0]

    @property
    def groups(self) -> int:
        """Groups of 128 inputs, the last one padded."""
        return self.codes.shape[1]

    @property
    def stored_bits(self) -> int:
        """Bits of codes, group scales (8), special indices (2) and channel scales (16)."""
        return self.codes.size * self.format.bits + self.special.size * 10 + self.channels * 16

    def doubled(self) -> NDArray[np.int64]:
        """The doubled integer values, ``[N, G, 128]``."""
        return self.format.values()[self.special[:, :, None], self.codes]

    def dequantize(self) -> NDArray[np.float64]:
        """The weights the integers stand for, float64 ``[N, D]``, without rounding."""
        scale = self.group_scale * self.channel_scale.astype(np.float64)[:, None]
        flat = (self.doubled() * scale[:, :, None]).reshape(self.channels, -1)
        return flat[:, : self.inputs]
