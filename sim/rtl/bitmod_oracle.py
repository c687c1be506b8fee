"""What the BitMoD array must compute, bit for bit, from the paper's arithmetic (HPCA 2025, section IV).

Every step is stated as an exact number rounded to the nearest integer, ties to even, of a power-of-two
grid; there are no registers, shifters or cycles here. Numbers stay below 2^24, so float32 holds them
exactly and `np.rint` is the rounding (`np.floor` for the array that truncates). The order of the steps is
part of the definition: slices of as many inputs as an element has lanes (the paper's four), in order, and for
each slice the terms of highest significance first.

Choices the paper leaves open: rounding to nearest even at alignment, accumulation and normalisation; lanes
with a zero operand take no part in the maximum exponent; scaled groups are summed in FP32, multiplied by the
channel scale and added to the bias in FP32; a token with an infinity or NaN gives NaN everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...ir.bitmod_format import GROUP_SIZE, LANES, BitmodWeights, terms_of

GUARD_BITS = 3
ACC_WIDTH = 15
"""Bits of an accumulator's mantissa, its sign included: the paper's; the array may have 12 to 18."""
UNIT_EXP = 28
"""An accumulator is worth ``mantissa · 2^(exponent − 28)``: bias 15, ten fraction bits, three guard bits."""

Rounding = Literal["nearest-even", "truncate"]
"""What becomes of bits that do not fit: rounded, or dropped toward minus infinity as in the published RTL."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_CHANNEL_BLOCK = 64
_DROP: dict[Rounding, np.ufunc] = {"nearest-even": np.rint, "truncate": np.floor}


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
    """Sums of a group, ``mantissa · 2^(exponent − 28)``."""

    mantissa: Floats
    exponent: Ints

    @classmethod
    def zero(cls, shape: tuple[int, ...]) -> Accumulator:
        """Nothing summed yet."""
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.int32))


def power_of_two(exponent: Ints) -> Floats:
    """``2^exponent`` as float32, for exponents −126..127."""
    return ((exponent.astype(np.int32, copy=False) + 127) << 23).view(np.float32)


def accumulate(
    acc: Accumulator,
    acts: Activations,
    terms: Terms,
    rounding: Rounding = "nearest-even",
    acc_width: int = ACC_WIDTH,
) -> Accumulator:
    """Add the dot product of a slice of activations and weight terms, lanes along the last axis.

    Args:
        acc: sums of shape ``S``.
        acts: shape broadcastable to ``S + (lanes,)``.
        terms: likewise.
        rounding: of everything that drops bits.
        acc_width: bits of the sum's mantissa, its sign included.
    """
    drop = _DROP[rounding]
    products = acts.signed * terms.sign
    exponents = np.where(products != 0, acts.exponent + terms.exponent, 0)
    largest = exponents.max(axis=-1)
    guarded = products * np.float32(2**GUARD_BITS)
    aligned = drop(guarded * power_of_two(exponents - largest[..., None]))
    step = aligned.sum(axis=-1) * np.float32(2**terms.bsig)

    common = np.maximum(largest, acc.exponent)
    total = drop(step * power_of_two(largest - common))
    total += drop(acc.mantissa * power_of_two(acc.exponent - common))
    return _normalise(total, common, drop, acc_width - 1)


def _normalise(total: Floats, exponent: Ints, drop: np.ufunc, bits: int) -> Accumulator:
    """So many magnitude bits at most, rounding what has to go; never more than there were."""
    length = np.frexp(total)[1].astype(np.int32)
    grow = np.maximum(length - bits, 0)
    mantissa = drop(total * power_of_two(-grow))
    full = np.abs(mantissa) == 2**bits
    return Accumulator(np.where(full, mantissa / 2, mantissa), exponent + grow + full)


def weight_terms(weights: BitmodWeights) -> list[Terms]:
    """The terms of every weight, ``[N, G, 128]`` each, in the order the array takes them."""
    mode = weights.format.mode
    split = [[terms_of(int(value), mode) for value in row] for row in weights.format.values()]
    where = weights.special[:, :, None], weights.codes
    slots = []
    for number in reversed(range(mode.terms)):
        chosen = [[terms[mode.terms - 1 - number] for terms in row] for row in split]
        sign = np.array([[term.man * (-1) ** term.sign for term in row] for row in chosen], np.float32)
        exponent = np.array([[term.exp for term in row] for row in chosen], np.int32)
        slots.append(Terms(sign[where], exponent[where], mode.significance(number)))
    return slots


def group_sums(
    acts: Activations,
    slots: list[Terms],
    rounding: Rounding = "nearest-even",
    acc_width: int = ACC_WIDTH,
    lanes: int = LANES,
) -> Accumulator:
    """One group of every token and channel.

    Args:
        acts: ``[T, 128]``.
        slots: the weights' terms ``[N, 128]``, in order.
        rounding: of everything that drops bits.
        acc_width: bits of a sum's mantissa, its sign included.
        lanes: inputs of a slice.

    Returns:
        Sums ``[T, N]``, before the group scale.
    """
    acc = Accumulator.zero((len(acts.signed), len(slots[0].sign)))
    for start in range(0, GROUP_SIZE, lanes):
        now = slice(start, start + lanes)
        part = Activations(acts.signed[:, None, now], acts.exponent[:, None, now], acts.finite)
        for slot in slots:
            terms = Terms(slot.sign[None, :, now], slot.exponent[None, :, now], slot.bsig)
            acc = accumulate(acc, part, terms, rounding, acc_width)
    return acc


def linear(
    weights: BitmodWeights,
    activations: NDArray[np.float16],
    bias: NDArray[np.float32],
    rounding: Rounding = "nearest-even",
    acc_width: int = ACC_WIDTH,
    lanes: int = LANES,
) -> Floats:
    """The layer ``x · Wᵀ + bias`` as the array computes it.

    Args:
        weights: ``[N, D]``.
        activations: float16 ``[T, D]``.
        bias: float32 ``[N]``.
        rounding: of everything that drops bits inside an element.
        acc_width: bits of a group's sum, its sign included.
        lanes: products an element sums at once.

    Returns:
        float32 ``[T, N]``.
    """
    tokens = len(activations)
    padding = weights.groups * GROUP_SIZE - weights.inputs
    acts = Activations.of(np.pad(activations, ((0, 0), (0, padding))))
    slots = weight_terms(weights)
    out = np.empty((tokens, weights.channels), np.float32)
    for start in range(0, weights.channels, _CHANNEL_BLOCK):
        block = slice(start, start + _CHANNEL_BLOCK)
        total = np.zeros((tokens, len(weights.channel_scale[block])), np.float32)
        for group in range(weights.groups):
            columns = slice(group * GROUP_SIZE, (group + 1) * GROUP_SIZE)
            sums = group_sums(
                Activations(acts.signed[:, columns], acts.exponent[:, columns], acts.finite[:, columns]),
                [Terms(each.sign[block, group], each.exponent[block, group], each.bsig) for each in slots],
                rounding,
                acc_width,
                lanes,
            )
            scaled = sums.mantissa * weights.group_scale[block, group].astype(np.float32)
            total = total + scaled * power_of_two(sums.exponent - UNIT_EXP)
        out[:, block] = total * weights.channel_scale[block] + bias[block]
    out[~acts.finite.all(axis=1)] = np.nan
    return out
