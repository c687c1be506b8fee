"""Weights of the BitMoD array: element codes, what they are worth, bit-serial terms, a quantized matrix.

BitMoD (HPCA 2025, section III) extends FP4 (E2M1) and FP3 by one of four special values per group of 128
weights; the special value takes the code of the redundant negative zero. Floating-point values are in
*doubled* units: the smallest step of the grid, one half, counts as 1, so every value is an integer. Beside
them stand the symmetric integers of eight, six and five bits the same array multiplies (section IV-A).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

GROUP_SIZE = 128
SCALE_MAX = 127
SPECIAL_CODE = 0b1000
LANES = 4

_FP4_MAGNITUDES = (0, 1, 2, 3, 4, 6, 8, 12)


class Mode(IntEnum):
    """What the array takes a weight for; the value is the number of its first term, counted down to 0."""

    FP = 1
    INT6 = 2
    INT8 = 3

    @property
    def terms(self) -> int:
        """Bit-serial terms of a weight, a cycle each."""
        return self.value + 1

    @property
    def bits(self) -> int:
        """Bits of a code as the array keeps it."""
        return 2 * self.terms

    def significance(self, term: int) -> int:
        """Bit significance of a term: terms of an integer lie two places apart."""
        return term if self is Mode.FP else 2 * term


@dataclass(frozen=True)
class Term:
    """``(-1)^sign · 2^exp``, or nothing where ``man`` is 0; its slot multiplies it by ``2^bsig``."""

    sign: int
    exp: int
    man: int

    @property
    def word(self) -> int:
        """As the array has it: sign, man, two bits of exp."""
        return self.sign << 3 | self.man << 2 | self.exp


NO_TERM = Term(0, 0, 0)


@dataclass(frozen=True)
class BitmodFormat:
    """One data type of the array: BitMoD's (the paper's table IV), or symmetric integers (section II-B).

    Attributes:
        name: as users write it.
        bits: storage bits of one weight.
        codes: the codes in use; FP3 codes are FP4 codes without mantissa, integers are in two's complement
            of six or eight bits without the most negative one.
        specials: the four special values, doubled, in the order of their two-bit index (+ER, −ER, +EA, −EA);
            0 where there are none.
        mode: how the array works on it.
    """

    name: str
    bits: int
    codes: tuple[int, ...]
    specials: tuple[int, int, int, int] = (0, 0, 0, 0)
    mode: Mode = Mode.FP

    def values(self) -> NDArray[np.int64]:
        """What a code is worth, in units of ``1 / steps``: ``[special index, code]``, four rows."""
        if self.mode is not Mode.FP:
            codes = np.arange(1 << self.mode.bits)
            return np.tile(codes - (codes >> (self.mode.bits - 1) << self.mode.bits), (4, 1))
        signed = [*_FP4_MAGNITUDES, *(-m for m in _FP4_MAGNITUDES)]
        table = np.tile(np.array(signed, np.int64), (4, 1))
        table[:, SPECIAL_CODE] = self.specials
        return table

    @property
    def special_terms(self) -> int:
        """The special values as the array's register holds them: a byte of two terms each, index 0 lowest."""
        word = 0
        for index, value in enumerate(self.specials):
            high, low = two_terms(value)
            word |= (high.word << 4 | low.word) << (8 * index)
        return word

    @property
    def steps(self) -> int:
        """What 1 is in the array's integers: 2 where values are doubled."""
        return 2 if self.mode is Mode.FP else 1

    @property
    def group_bits(self) -> int:
        """What a group takes beside its codes: a scale (8), BitMoD's special index (2; section III-C)."""
        return 10 if self.mode is Mode.FP else 8

    @property
    def bits_per_weight(self) -> float:
        """Storage, the group's included."""
        return self.bits + self.group_bits / GROUP_SIZE


def _integers(bits: int, mode: Mode) -> BitmodFormat:
    """Integers −(2^(bits−1)−1) … 2^(bits−1)−1."""
    largest, mask = (1 << (bits - 1)) - 1, (1 << mode.bits) - 1
    codes = tuple(value & mask for value in range(-largest, largest + 1))
    return BitmodFormat(f"int{bits}", bits, codes, mode=mode)


FORMATS: dict[str, BitmodFormat] = {
    "bitmod4": BitmodFormat("bitmod4", 4, tuple(range(16)), (10, -10, 16, -16)),
    "bitmod3": BitmodFormat("bitmod3", 3, tuple(range(0, 16, 2)), (6, -6, 12, -12)),
}
"""BitMoD's own data types."""

INTEGERS: dict[str, BitmodFormat] = {
    "int8": _integers(8, Mode.INT8),
    "int6": _integers(6, Mode.INT6),
    "int5": _integers(5, Mode.INT6),
}
"""The integers the array multiplies as well."""

ARRAY_FORMATS = {**FORMATS, **INTEGERS}


def lookup(name: str) -> BitmodFormat:
    """The format of the array of that name.

    Raises:
        InputError: no such format.
    """
    if name not in ARRAY_FORMATS:
        raise InputError(f"no format '{name}' of the BitMoD array", accepted=", ".join(ARRAY_FORMATS))
    return ARRAY_FORMATS[name]


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


def booth_terms(value: int, count: int) -> tuple[Term, ...]:
    """An integer as radix-4 Booth digits −2 … 2, the most significant first (section IV-A).

    ``value == Σ ±2^exp · 4^place``, places ``count − 1`` down to 0.

    Raises:
        InputError: the value has more than two bits a digit.
    """
    if not -(1 << (2 * count - 1)) <= value < 1 << (2 * count - 1):
        raise InputError(f"{value} does not split into {count} Booth digits")
    doubled = value << 1  # its bit i is bit i − 1 of the value
    digits = [
        (doubled >> place & 1) + (doubled >> (place + 1) & 1) - 2 * (doubled >> (place + 2) & 1)
        for place in range(2 * count - 2, -1, -2)
    ]
    return tuple(Term(int(digit < 0), abs(digit) >> 1, 1) if digit else NO_TERM for digit in digits)


def terms_of(value: int, mode: Mode) -> tuple[Term, ...]:
    """A value's terms in the order the array works on them, numbers ``mode.terms − 1`` down to 0.

    Raises:
        InputError: it has no such terms.
    """
    return two_terms(value) if mode is Mode.FP else booth_terms(value, mode.terms)


@dataclass(frozen=True, eq=False)
class BitmodWeights:
    """A quantized matrix ``[channels N, inputs D]``; groups run along the inputs, the last padded with zeros.

    ``w[n, d] ≈ value(code) · group_scale[n, g] · channel_scale[n]``, the value as `BitmodFormat.values` has
    it: the half of a doubled one is folded into the channel scale.

    Attributes:
        format: the data type.
        inputs: D, before padding to whole groups.
        codes: uint8 ``[N, G, 128]``.
        special: uint8 ``[N, G]``, index 0..3 of the group's special value, 0 for integers.
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
        """Bits of codes, group scales (8), special indices (2, BitMoD's) and channel scales (16)."""
        return (
            self.codes.size * self.format.bits
            + self.special.size * self.format.group_bits
            + self.channels * 16
        )

    def doubled(self) -> NDArray[np.int64]:
        """The codes' integers, floating-point values doubled, ``[N, G, 128]``."""
        return self.format.values()[self.special[:, :, None], self.codes]

    def dequantize(self) -> NDArray[np.float64]:
        """The weights the integers stand for, float64 ``[N, D]``, without rounding."""
        scale = self.group_scale * self.channel_scale.astype(np.float64)[:, None]
        flat = (self.doubled() * scale[:, :, None]).reshape(self.channels, -1)
        return flat[:, : self.inputs]
