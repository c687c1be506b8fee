"""The processing element against the integer oracle: random groups, and values that break datapaths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.ir.bitmod_format import FORMATS, two_terms
from penstock.sim.rtl.bitmod_oracle import Accumulator, Activations, Terms, accumulate

RunVectors = Callable[[str, NDArray[np.uint32]], NDArray[np.uint32]]
Steps = tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], list[int]]

STEPS = 64
FLUSH = 24

pytestmark = pytest.mark.slow


def fp16(bits: NDArray[np.integer]) -> NDArray[np.float16]:
    return bits.astype(np.uint16).view(np.float16)


def finite_bits(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """FP16 patterns with every exponent equally likely: subnormals, zeros and the largest included."""
    exponent, fraction = random.integers(0, 31, shape), random.integers(0, 1024, shape)
    return random.integers(0, 2, shape) << 15 | exponent << 10 | fraction


def random_terms(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[NDArray, NDArray, NDArray]:
    return random.integers(0, 2, shape), random.integers(0, 2, shape), random.integers(0, 4, shape)


def activations(kind: str, random: np.random.Generator, groups: int) -> NDArray[np.float16]:
    shape = (groups, STEPS, 4)
    if kind == "normal":
        return random.standard_normal(shape).astype(np.float16)
    if kind == "every exponent":
        return fp16(finite_bits(random, shape))
    if kind == "subnormal":
        return fp16(random.integers(0, 2, shape) << 15 | random.integers(0, 1024, shape))
    if kind == "largest":
        return np.where(random.integers(0, 2, shape), np.float16(65504), np.float16(-65504))
    if kind == "all largest":
        return np.full(shape, np.float16(65504))
    if kind == "sparse":
        return np.where(random.random(shape) < 0.9, np.float16(0), random.standard_normal(shape)).astype(
            np.float16
        )
    if kind == "outliers":
        values = random.standard_normal(shape) * np.where(random.random(shape) < 0.02, 1000, 1)
        return values.astype(np.float16)
    # Half of a group against its own negative: the sum cancels, the exponent must stay.
    half = fp16(finite_bits(random, (groups, STEPS // 2, 4)))
    return np.concatenate([half, -half], axis=1)


KINDS = (
    "normal",
    "every exponent",
    "subnormal",
    "largest",
    "all largest",
    "sparse",
    "outliers",
    "cancelling",
)


def run_groups(
    run_vectors: RunVectors,
    acts: NDArray[np.float16],
    sign: NDArray,
    man: NDArray,
    exp: NDArray,
    bsig: list[int],
    scale: NDArray,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Mantissas and exponents of groups ``[G, 64, 4]`` that follow each other without a gap."""
    groups = len(acts)
    bits = acts.view(np.uint16).astype(np.uint64)
    packed = np.bitwise_or.reduce(bits << np.arange(0, 64, 16, dtype=np.uint64), axis=-1)
    terms = np.bitwise_or.reduce((sign << 3 | man << 2 | exp) << np.arange(0, 16, 4), axis=-1)
    step = np.arange(STEPS)
    control = np.array(bsig) << 28
    last = (1 << 1) | (step == 0) << 2 | (step == STEPS - 1) << 3
    words = np.zeros((groups, STEPS, 4), np.uint32)
    words[..., 0], words[..., 1] = packed & 0xFFFFFFFF, packed >> np.uint64(32)
    words[..., 2] = terms | control
    words[..., 3] = last | scale[:, None] << 4
    stream = np.concatenate([words.reshape(-1, 4), np.zeros((FLUSH, 4), np.uint32)])
    out = run_vectors("pe_harness", stream)[:, 0].astype(np.int64)
    out = out[out >> 31 == 1]
    assert len(out) == groups
    mantissa = out & 0x3FFFFF
    return np.where(mantissa >= 2**21, mantissa - 2**22, mantissa), out >> 22 & 63


def expect_groups(
    acts: NDArray[np.float16], sign: NDArray, man: NDArray, exp: NDArray, bsig: list[int]
) -> Accumulator:
    parts = Activations.of(acts)
    signed = (man * (1 - 2 * sign)).astype(np.float32)
    acc = Accumulator.zero((len(acts),))
    for step in range(STEPS):
        part = Activations(parts.signed[:, step], parts.exponent[:, step], parts.finite)
        acc = accumulate(acc, part, Terms(signed[:, step], exp[:, step].astype(np.int32), bsig[step]))
    return acc


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("significances", [(1, 0), (0, 2, 4, 6)], ids=["two terms", "Booth"])
def test_group_sums_are_the_oracles(
    run_vectors: RunVectors, kind: str, significances: tuple[int, ...]
) -> None:
    random = np.random.default_rng(KINDS.index(kind))
    groups = 400
    acts = activations(kind, random, groups)
    sign, man, exp = random_terms(random, acts.shape)
    if kind in ("all largest", "cancelling"):
        sign, man, exp = sign * 0, man * 0 + 1, exp * 0 + 3
    bsig = [significances[step % len(significances)] for step in range(STEPS)]
    scale = np.concatenate([[0, 1, 127], random.integers(0, 128, groups - 3)])
    mantissa, exponent = run_groups(run_vectors, acts, sign, man, exp, bsig, scale)
    want = expect_groups(acts, sign, man, exp, bsig)
    np.testing.assert_array_equal(exponent, want.exponent)
    np.testing.assert_array_equal(mantissa, want.mantissa.astype(np.int64) * scale)


@pytest.mark.parametrize("name", FORMATS)
def test_every_code_and_special_value_multiplies_every_kind_of_activation(
    run_vectors: RunVectors, name: str
) -> None:
    """One weight alone in a group: the sum is the exact product."""
    special, code, bits = np.meshgrid(
        range(4),
        FORMATS[name].codes,
        [0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0xFBFF, 0x8001, 0x5555],
        indexing="ij",
    )
    value = FORMATS[name].values()[special.ravel(), code.ravel()]
    lone = fp16(bits.ravel())
    groups = len(value)
    acts = np.zeros((groups, STEPS, 4), np.float16)
    acts[:, 10:12, 2] = lone[:, None]
    shape = acts.shape
    sign, man, exp = np.zeros(shape, int), np.zeros(shape, int), np.zeros(shape, int)
    for group, doubled in enumerate(value):
        for slot, term in enumerate(two_terms(int(doubled))):
            sign[group, 10 + slot, 2], man[group, 10 + slot, 2], exp[group, 10 + slot, 2] = (
                term.sign,
                term.man,
                term.exp,
            )
    bsig = [1 - step % 2 for step in range(STEPS)]
    mantissa, exponent = run_groups(run_vectors, acts, sign, man, exp, bsig, np.ones(groups, int))
    got = mantissa * 2.0 ** (exponent - 28.0)
    np.testing.assert_array_equal(got, lone.astype(np.float64) * value)
