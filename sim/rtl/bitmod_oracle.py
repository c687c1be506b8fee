"""What the BitMoD array must compute, bit for bit, from the paper's arithmetic (HPCA 2025, section IV).

Every step is stated as an exact number rounded to the nearest integer, ties to even, of a power-of-two
grid; there are no registers, shifters or cycles here. Numbers stay below 2^24, so float32 holds them
exactly and `np.rint` is the rounding. The order of the steps is part of the definition: slices of four inputs
in order, and for each slice the terms of bit significance 1 before those of bit significance 0.

Choices the paper leaves open: rounding to nearest even at alignment, accumulation and normalisation; lanes
with a zero operand take no part in the maximum exponent; scaled groups are summed in FP32, multiplied by the
channel scale and added to the bias in FP32; a token with an infinity or NaN gives NaN everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...ir.bitmod_format import GROUP_SIZE, LANES, BitmodWeights, Term, two_terms

GUARD_BITS = 3
MAGNITUDE_BITS = 14
UNIT_EXP = 28
"""An accumulator is worth ``mantissa · 2^(exponent − 28)``: bias 15, ten fraction bits, three guard bits."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_CHANNEL_BLOCK = 64


@dataclass(frozen=True)
class Activations:
    """FP16 values taken apart: ``sign · mantissa · 2^(exponent − 25)``, hidden bit in the mantissa."""

    signed: Floats
    exponent: Ints
    finite: NDArray[np.bool_]

    @classmethod
    def of(cls, values: NDArray[np.float16]) -> Activations:
        """Take FP16 values of any shape apart; subnormals have exponent 1 and no hidden bit."""
        bits = values.view(np.uint16).astype(np.int32)
        field, fraction = (bits >> 10) & 31, bits & 1023
        mantissa = np.where(field == 0, fraction, fraction + 1024)
        signed = np.where(bits >> 15, -mantissa, mantissa)
        return cls(signed.astype(np.float32), np.maximum(field, 1), field != 31)


@dataclass(frozen=True)
class Terms:
    """Weight terms of one slot: ``sign · 2^exponent`` (sign 0: absent), at bit significance ``bsig``."""

    sign: Floats
    exponent: Ints
    bsig: int


@dataclass(frozen=True)
class Accumulator:
    """Sums of a group, ``mantissa · 2^(exponent − 28)`` with 14 magnitude bits."""

    mantissa: Floats
    exponent: Ints

    @classmethod
    def zero(cls, shape: tuple[int, ...]) -> Accumulator:
        """Nothing summed yet."""
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.int32))


def power_of_two(exponent: Ints) -> Floats:
    """``2^exponent`` as float32, for exponents −126..127."""
    return ((exponent.astype(np.int32, copy=False) + 127) << 23).view(np.float32)


def accumulate(acc: Accumulator, acts: Activations, terms: Terms) -> Accumulator:
    """Add the dot product of four activations and four weight terms, lanes along the last axis.

    Args:
        acc: sums of shape ``S``.
        acts: shape broadcastable to ``S + (4,)``.
        terms: likewise.
    """
    products = acts.signed * terms.sign
    exponents = np.where(products != 0, acts.exponent + terms.exponent, 0)
    largest = exponents.max(axis=-1)
    guarded = products * np.float32(2**GUARD_BITS)
    aligned = np.rint(guarded * power_of_two(exponents - largest[..., None]))
    step = aligned.sum(axis=-1) * np.float32(2**terms.bsig)

    common = np.maximum(largest, acc.exponent)
    total = np.rint(step * power_of_two(largest - common))
    total += np.rint(acc.mantissa * power_of_two(acc.exponent - common))
    return _normalise(total, common)


def _normalise(total: Floats, exponent: Ints) -> Accumulator:
    """Fewer than 15 magnitude bits, rounding what has to go; never more than there were."""
    length = np.frexp(total)[1].astype(np.int32)
    grow = np.maximum(length - MAGNITUDE_BITS, 0)
    mantissa = np.rint(total * power_of_two(-grow))
    full = np.abs(mantissa) == 2**MAGNITUDE_BITS
    return Accumulator(np.where(full, mantissa / 2, mantissa), exponent + grow + full)


def weight_terms(weights: BitmodWeights) -> tuple[Terms, Terms]:
    """Both slots' terms of every weight, ``[N, G, 128]``, bit significance 1 first."""
    split = [[two_terms(int(value)) for value in row] for row in weights.format.values()]

    def slot(index: int, bsig: int) -> Terms:
        chosen: list[list[Term]] = [[pair[index] for pair in row] for row in split]
        sign = np.array([[term.man * (-1) ** term.sign for term in row] for row in chosen], np.float32)
        exponent = np.array([[term.exp for term in row] for row in chosen], np.int32)
        where = weights.special[:, :, None], weights.codes
        return Terms(sign[where], exponent[where], bsig)

    return slot(0, 1), slot(1, 0)


def group_sums(acts: Activations, high: Terms, low: Terms) -> Accumulator:
    """One group of every token and channel.

    Args:
        acts: ``[T, 128]``.
        high: terms ``[N, 128]`` of bit significance 1.
        low: terms ``[N, 128]`` of bit significance 0.

    Returns:
        Sums ``[T, N]``, before the group scale.
    """
    acc = Accumulator.zero((len(acts.signed), len(high.sign)))
    for start in range(0, GROUP_SIZE, LANES):
        lanes = slice(start, start + LANES)
        part = Activations(acts.signed[:, None, lanes], acts.exponent[:, None, lanes], acts.finite)
        for slot in (high, low):
            acc = accumulate(
                acc, part, Terms(slot.sign[None, :, lanes], slot.exponent[None, :, lanes], slot.bsig)
            )
    return acc


def linear(weights: BitmodWeights, activations: NDArray[np.float16], bias: NDArray[np.float32]) -> Floats:
    """The layer ``x · Wᵀ + bias`` as the array computes it.

    Args:
        weights: ``[N, D]``.
        activations: float16 ``[T, D]``.
        bias: float32 ``[N]``.

    Returns:
        float32 ``[T, N]``.
    """
    tokens = len(activations)
    padding = weights.groups * GROUP_SIZE - weights.inputs
    acts = Activations.of(np.pad(activations, ((0, 0), (0, padding))))
    high, low = weight_terms(weights)
    out = np.empty((tokens, weights.channels), np.float32)
    for start in range(0, weights.channels, _CHANNEL_BLOCK):
        block = slice(start, start + _CHANNEL_BLOCK)
        total = np.zeros((tokens, len(high.sign[block])), np.float32)
        for group in range(weights.groups):
            columns = slice(group * GROUP_SIZE, (group + 1) * GROUP_SIZE)
            sums = group_sums(
                Activations(acts.signed[:, columns], acts.exponent[:, columns], acts.finite[:, columns]),
                Terms(high.sign[block, group], high.exponent[block, group], high.bsig),
                Terms(low.sign[block, group], low.exponent[block, group], low.bsig),
            )
            scaled = sums.mantissa * weights.group_scale[block, group].astype(np.float32)
            total = total + scaled * power_of_two(sums.exponent - UNIT_EXP)
        out[:, block] = total * weights.channel_scale[block] + bias[block]
    out[~acts.finite.all(axis=1)] = np.nan
    return out
