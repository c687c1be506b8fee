"""The processing element against the integer oracle: random groups, and values that break datapaths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.ir.bitmod_format import ARRAY_FORMATS, Mode, terms_of
from penstock.sim.rtl.bitmod_oracle import Accumulator, Activations, Rounding, Terms, accumulate

RunVectors = Callable[[str, NDArray[np.uint32]], NDArray[np.uint32]]
Steps = tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], list[int]]

FLUSH = 24
ELEMENTS: tuple[tuple[Rounding, int], ...] = (("nearest-even", 15), ("truncate", 15), ("nearest-even", 18))
"""Rounding and width of the accumulator."""

pytestmark = pytest.mark.slow


def fp16(bits: NDArray[np.integer]) -> NDArray[np.float16]:
    return bits.astype(np.uint16).view(np.float16)


def finite_bits(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """FP16 patterns with every exponent equally likely: subnormals, zeros and the largest included."""
    exponent, fraction = random.integers(0, 31, shape), random.integers(0, 1024, shape)
    return random.integers(0, 2, shape) << 15 | exponent << 10 | fraction


def random_terms(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[NDArray, NDArray, NDArray]:
    return random.integers(0, 2, shape), random.integers(0, 2, shape), random.integers(0, 4, shape)


def significances(mode: Mode) -> list[int]:
    """The bit significance of every step of a group."""
    return [mode.significance(number) for number in reversed(range(mode.terms))] * 32


def activations(kind: str, random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float16]:
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
    half = fp16(finite_bits(random, (shape[0], shape[1] // 2, 4)))
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
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Per element, mantissas and exponents of groups ``[G, steps, 4]`` that follow each other at once."""
    groups, steps, _ = acts.shape
    bits = acts.view(np.uint16).astype(np.uint64)
    packed = np.bitwise_or.reduce(bits << np.arange(0, 64, 16, dtype=np.uint64), axis=-1)
    terms = np.bitwise_or.reduce((sign << 3 | man << 2 | exp) << np.arange(0, 16, 4), axis=-1)
    step = np.arange(steps)
    control = np.array(bsig) << 28
    last = (1 << 1) | (step == 0) << 2 | (step == steps - 1) << 3
    words = np.zeros((groups, steps, 4), np.uint32)
    words[..., 0], words[..., 1] = packed & 0xFFFFFFFF, packed >> np.uint64(32)
    words[..., 2] = terms | control
    words[..., 3] = last | scale[:, None] << 4
    stream = np.concatenate([words.reshape(-1, 4), np.zeros((FLUSH, 4), np.uint32)])
    both = run_vectors("pe_harness", stream)[:, : len(ELEMENTS)].astype(np.int64)
    sums = []
    for out in both[both[:, 0] >> 31 == 1].T:
        assert len(out) == groups
        mantissa = out & 0x1FFFFFF
        sums.append((np.where(mantissa >= 2**24, mantissa - 2**25, mantissa), out >> 25 & 63))
    return sums


def expect_groups(
    acts: NDArray[np.float16],
    sign: NDArray,
    man: NDArray,
    exp: NDArray,
    bsig: list[int],
    element: tuple[Rounding, int],
) -> Accumulator:
    parts = Activations.of(acts)
    signed = (man * (1 - 2 * sign)).astype(np.float32)
    acc = Accumulator.zero((len(acts),))
    for step in range(acts.shape[1]):
        part = Activations(parts.signed[:, step], parts.exponent[:, step], parts.finite)
        terms = Terms(signed[:, step], exp[:, step].astype(np.int32), bsig[step])
        acc = accumulate(acc, part, terms, *element)
    return acc


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", Mode)
def test_group_sums_are_the_oracles(run_vectors: RunVectors, kind: str, mode: Mode) -> None:
    random = np.random.default_rng(KINDS.index(kind))
    groups, bsig = 250, significances(mode)
    acts = activations(kind, random, (groups, len(bsig), 4))
    sign, man, exp = random_terms(random, acts.shape)
    if kind in ("all largest", "cancelling"):
        sign, man, exp = sign * 0, man * 0 + 1, exp * 0 + 3
    scale = np.concatenate([[0, 1, 127], random.integers(0, 128, groups - 3)])
    sums = run_groups(run_vectors, acts, sign, man, exp, bsig, scale)
    for element, (mantissa, exponent) in zip(ELEMENTS, sums, strict=True):
        want = expect_groups(acts, sign, man, exp, bsig, element)
        np.testing.assert_array_equal(exponent, want.exponent, err_msg=str(element))
        np.testing.assert_array_equal(mantissa, want.mantissa.astype(np.int64) * scale, err_msg=str(element))


@pytest.mark.parametrize("name", ARRAY_FORMATS)
def test_every_code_and_special_value_multiplies_every_kind_of_activation(
    run_vectors: RunVectors, name: str
) -> None:
    """One weight alone in a group: the sum is the exact product."""
    chosen = ARRAY_FORMATS[name]
    special, code, bits = np.meshgrid(
        range(4) if chosen.mode is Mode.FP else [0],
        chosen.codes,
        [0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0xFBFF, 0x8001, 0x5555],
        indexing="ij",
    )
    value = chosen.values()[special.ravel(), code.ravel()]
    lone = fp16(bits.ravel())
    groups = len(value)
    bsig = significances(chosen.mode)
    first = 5 * chosen.mode.terms
    acts = np.zeros((groups, len(bsig), 4), np.float16)
    acts[:, first : first + chosen.mode.terms, 2] = lone[:, None]
    shape = acts.shape
    sign, man, exp = np.zeros(shape, int), np.zeros(shape, int), np.zeros(shape, int)
    for group, worth in enumerate(value):
        for step, term in enumerate(terms_of(int(worth), chosen.mode), first):
            sign[group, step, 2], man[group, step, 2], exp[group, step, 2] = term.sign, term.man, term.exp
    mantissa, exponent = run_groups(run_vectors, acts, sign, man, exp, bsig, np.ones(groups, int))[0]
    got = mantissa * 2.0 ** (exponent - 28.0)
    exact = lone.astype(np.float64) * value
    if chosen.mode is Mode.FP:
        np.testing.assert_array_equal(got, exact)
    else:  # up to seven bits and a sign times eleven: the last ones may go
        np.testing.assert_allclose(got, exact, rtol=2.0**-12)
