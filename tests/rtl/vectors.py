"""Vectors of the unit harnesses, from NumPy and the integer oracle: inputs, what must come out, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.ir.bitmod_format import FORMATS, NO_TERM, Mode, Term, terms_of, two_terms
from penstock.sim.rtl.bitmod_oracle import Accumulator, Activations, Rounding, Terms, accumulate

Words = NDArray[np.uint32]
FLUSH = 24
ELEMENTS: tuple[tuple[Rounding, int], ...] = (
    *(("nearest-even", 15), ("truncate", 15)),
    *(("nearest-even", 18), ("nearest-even", 12)),
)
"""Rounding and accumulator width of pe_harness's elements."""


@dataclass(frozen=True)
class Vectors:
    """Words ``[cycles, 4]`` of 32 bits: given, wanted, and which bits of the wanted ones count."""

    given: Words
    wanted: Words
    mask: Words
    marked: bool = False
    """Whether only output words whose top bit is set count, in their order, whenever they come."""

    @classmethod
    def join(cls, parts: list[Vectors]) -> Vectors:
        """One after another."""
        given, wanted, mask = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("given", "wanted", "mask")
        )
        return cls(given, wanted, mask, parts[0].marked)

    def wrong(self, out: Words) -> int:
        """Cycles in which something that counts differs."""
        if self.marked:
            out = out[out[:, 0] >> 31 == 1]
        if out.shape != self.wanted.shape:
            return len(self.wanted)
        return int(((out ^ self.wanted) & self.mask).any(axis=1).sum())


def _words(count: int, columns: dict[int, NDArray]) -> Words:
    full = np.zeros((count, 4), np.uint32)
    for index, column in columns.items():
        full[:, index] = column
    return full


def _one(column: int, given: dict[int, NDArray], wanted: NDArray, mask: NDArray | int) -> Vectors:
    count = len(wanted)
    return Vectors(
        _words(count, given), _words(count, {column: wanted}), _words(count, {column: np.full(count, mask)})
    )


def term_bits(term: Term) -> int:
    """A term as its wires hold it."""
    return term.sign << 3 | term.man << 2 | term.exp


def _pair(value: int) -> int:
    high, low = two_terms(value)
    return term_bits(high) << 4 | term_bits(low)


def unit_vectors(seed: int, floats: int) -> Vectors:
    """Of units_harness: every code, special value and mode; shifts; sums and products of single precision."""
    numbers = np.random.default_rng(seed)
    parts = [_decoded(), *(_generated(mode) for mode in Mode), *_shifts(numbers), *_floats(numbers, floats)]
    return Vectors.join([*parts, _groups(numbers)])


def _decoded() -> Vectors:
    given, wanted, mask = [], [], []
    for special in sorted({special for each in FORMATS.values() for special in each.specials} | {14, -14}):
        table = [*FORMATS["bitmod4"].values()[0]]
        table[8] = special
        for code in range(16):
            given.append(code | _pair(special) << 4)
            terms = two_terms(int(table[code]))
            wanted.append(term_bits(terms[0]) << 4 | term_bits(terms[1]))
            # The sign of a term that is absent does not count.
            mask.append(
                sum((7 if term == NO_TERM else 15) << 4 * (1 - place) for place, term in enumerate(terms))
            )
    return _one(2, {2: np.array(given)}, np.array(wanted), np.array(mask))


def _generated(mode: Mode) -> Vectors:
    specials = (6, -6, 10, -10, 12, -12, 16, -16, 14, -14) if mode is Mode.FP else (6,)
    given, control, wanted, mask = [], [], [], []
    for special in specials:
        for whole in range(256):
            code = whole & ((1 << mode.bits) - 1)
            if mode is Mode.FP:
                value = special if code == 8 else int(FORMATS["bitmod4"].values()[0][code])
            else:
                value = code - (1 << mode.bits) if code >> (mode.bits - 1) else code
            for place, term in enumerate(terms_of(value, mode)):
                given.append(whole & 15 | whole >> 4 << 12 | _pair(special) << 4)
                control.append(mode.value << 12 | (mode.terms - 1 - place) << 14)
                wanted.append(term_bits(term) << 8)
                mask.append((7 if not term.man else 15) << 8)
    return _one(2, {2: np.array(given), 3: np.array(control)}, np.array(wanted), np.array(mask))


def _shifts(numbers: np.random.Generator) -> list[Vectors]:
    values = np.concatenate(
        [np.arange(-300, 300), numbers.integers(-(2**14), 2**14, 400), [2**14 - 1, -(2**14)]]
    )
    grid, amount = (
        each.ravel() for each in np.meshgrid(values, [0, 1, 2, 3, 7, 12, 13, 14, 15, 16, 31, 32, 63])
    )
    given = (grid.astype(np.int64) & 0x7FFF) << 16
    out = []
    for truncate, rounded in ((0, np.rint), (1, np.floor)):
        wanted = (rounded(grid / 2.0**amount).astype(np.int64) & 0x7FFF) << 16
        out.append(_one(2, {2: given, 3: amount | truncate << 16}, wanted, 0x7FFF0000))
    return out


def _floats(numbers: np.random.Generator, count: int) -> list[Vectors]:
    a, b = operands(numbers, count)
    out = []
    with np.errstate(all="ignore"):
        for column, result in ((0, a + b), (1, a * b)):
            wanted = np.where(np.isnan(result), np.uint32(0x7FC00000), result.view(np.uint32))
            out.append(_one(column, {0: a.view(np.uint32), 1: b.view(np.uint32)}, wanted, 0xFFFFFFFF))
    return out


def operands(numbers: np.random.Generator, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random patterns, close exponents, cancellations, subnormals, all pairs of the values that matter."""
    bits = numbers.integers(0, 2**32, (2, count), np.uint32)
    close = bits & 0x807FFFFF | numbers.integers(120, 135, (2, count)).astype(np.uint32) << 23
    tiny = bits & 0x807FFFFF | numbers.integers(0, 40, (2, count)).astype(np.uint32) << 23
    short = close & 0xFFFF8000
    far = close[1] ^ (np.uint32(64) << 23)
    edge = bits[1] & 0x807FFFFF | numbers.integers(90, 130, count).astype(np.uint32) << 23
    large = bits & 0x807FFFFF | numbers.integers(185, 255, (2, count)).astype(np.uint32) << 23
    special = [0.0, 1.0, 1.5, np.inf, np.nan, 65504.0, 3.4028234663852886e38, 2.0**-149, 2.0**-148, 2.0**-127]
    special += [
        2.0**-126,
        2.0**-64,
        2.0**23,
        2.0**127,
        1 + 2.0**-23,
        1 - 2.0**-24,
        2.0**24 - 1,
        2.0**-126 - 2.0**-149,
    ]
    positive = np.array(special, np.float32)
    signalling = np.array([0x7F800001, 0x7FFFFFFF, 0x7FBFFFFF, 0x7F000000, 0x00800001], np.uint32).view(
        np.float32
    )
    values = np.concatenate([positive, -positive, signalling])
    pairs = np.stack(np.meshgrid(values, values), -1).reshape(-1, 2)
    a = np.concatenate([bits[0], close[0], close[0], tiny[0], tiny[0], short[0], tiny[0], large[0]])
    b = np.concatenate([bits[1], close[1], close[0] ^ 0x80000001, tiny[1], far, short[1], edge, large[1]])
    # Numbers a few exponents apart whose last bits decide: a tie, and one unit to each side of it.
    gap = numbers.integers(1, 27, count).astype(np.uint32)
    exponent = numbers.integers(60, 200, count).astype(np.uint32)
    upper = exponent << 23 | numbers.integers(0, 2**23, count).astype(np.uint32)
    lower = (exponent - gap) << 23 | (1 << 22 >> numbers.integers(0, 22, count)).astype(np.uint32)
    lower = (
        lower + numbers.integers(-1, 2, count).astype(np.uint32)
        | numbers.integers(0, 2, count).astype(np.uint32) << 31
    )
    return (
        np.append(np.concatenate([a, upper]).view(np.float32), pairs[:, 0]),
        np.append(np.concatenate([b, lower]).view(np.float32), pairs[:, 1]),
    )


def _groups(numbers: np.random.Generator) -> Vectors:
    mantissa = np.append(numbers.integers(-(2**21) + 1, 2**21, 3000), [0, 1, -1, 2**21 - 1, -(2**21) + 1])
    mantissa = np.append(mantissa, mantissa >> numbers.integers(0, 21, len(mantissa)))
    exponent = numbers.integers(0, 64, len(mantissa))
    wanted = (mantissa * 2.0 ** (exponent - 28.0)).astype(np.float32) + np.float32(0)
    given = {0: (mantissa & 0x3FFFFF).astype(np.uint32), 3: exponent << 6}
    return _one(3, given, wanted.view(np.uint32), 0xFFFFFFFF)


# The processing element


KINDS = (
    "normal",
    "every exponent",
    "subnormal",
    "largest",
    "all largest",
    "sparse",
    "outliers",
    "cancelling",
    "power of two",
)


def activations(kind: str, numbers: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float16]:
    """Operands that break datapaths."""
    sign = numbers.integers(0, 2, shape)
    if kind == "normal":
        return numbers.standard_normal(shape).astype(np.float16)
    if kind == "every exponent":
        return _fp16(sign << 15 | numbers.integers(0, 31, shape) << 10 | numbers.integers(0, 1024, shape))
    if kind == "subnormal":
        return _fp16(sign << 15 | numbers.integers(0, 1024, shape))
    if kind == "largest":
        return np.where(sign, np.float16(65504), np.float16(-65504))
    if kind == "all largest":
        return np.full(shape, np.float16(65504))
    if kind == "sparse":
        zero = numbers.random(shape) < 0.9
        return np.where(zero, np.float16(0), numbers.standard_normal(shape)).astype(np.float16)
    if kind == "outliers":
        loud = np.where(numbers.random(shape) < 0.02, 1000, 1)
        return (numbers.standard_normal(shape) * loud).astype(np.float16)
    if kind == "power of two":
        values = np.zeros(shape, np.uint16)
        values[:, 0] = 0x07FF, 0x07FF, 0x000F, 0
        return _fp16(values)
    half = activations("every exponent", numbers, (shape[0], shape[1] // 2, 4))
    return np.concatenate([half, -half], axis=1)


def _fp16(bits: NDArray[np.integer]) -> NDArray[np.float16]:
    return bits.astype(np.uint16).view(np.float16)


def element_vectors(seed: int, groups: int) -> Vectors:
    """Of pe_harness: groups of every kind and mode, each element's scaled sum against the oracle."""
    parts = [
        _element(np.random.default_rng((seed, KINDS.index(kind), mode.value)), kind, mode, groups)
        for kind in KINDS
        for mode in Mode
    ]
    return Vectors.join(parts)


def _element(numbers: np.random.Generator, kind: str, mode: Mode, groups: int) -> Vectors:
    bsig = [mode.significance(number) for number in reversed(range(mode.terms))] * 32
    acts = activations(kind, numbers, (groups, len(bsig), 4))
    sign, man, exp = (numbers.integers(0, high, acts.shape) for high in (2, 2, 4))
    if kind in ("all largest", "cancelling"):
        sign, man, exp = sign * 0, man * 0 + 1, exp * 0 + 3
    if kind == "power of two":
        # 2^15 - 1 (or less that) in the first step, nothing after it: rounding makes it 2^14 a place higher.
        sign, man, exp = sign[:, :1, :1] + sign * 0, man * 0 + 1, exp * 0 + [3, 3, 0, 0]
    scale = np.concatenate([[0, 1, 127], numbers.integers(0, 128, groups)])[:groups]
    given = _element_words(acts, sign << 3 | man << 2 | exp, bsig, scale)
    wanted, mask = np.zeros((groups, 4), np.uint32), np.zeros((groups, 4), np.uint32)
    mask[:, : len(ELEMENTS)] = 0xFFFFFFFF
    for column, element in enumerate(ELEMENTS):
        sums = _sums(acts, man * (1 - 2 * sign), exp, bsig, element)
        mantissa = (sums.mantissa.astype(np.int64) * scale) & 0x1FFFFFF
        wanted[:, column] = 1 << 31 | sums.exponent.astype(np.int64) << 25 | mantissa
    return Vectors(given, wanted, mask, marked=True)


def _element_words(acts: NDArray[np.float16], terms: NDArray, bsig: list[int], scale: NDArray) -> Words:
    groups, steps, _ = acts.shape
    bits = acts.view(np.uint16).astype(np.uint64)
    packed = np.bitwise_or.reduce(bits << np.arange(0, 64, 16, dtype=np.uint64), axis=-1)
    step = np.arange(steps)
    words = np.zeros((groups, steps, 4), np.uint32)
    words[..., 0], words[..., 1] = packed & 0xFFFFFFFF, packed >> np.uint64(32)
    words[..., 2] = np.bitwise_or.reduce(terms << np.arange(0, 16, 4), axis=-1) | np.array(bsig) << 28
    words[..., 3] = (1 << 1) | (step == 0) << 2 | (step == steps - 1) << 3 | scale[:, None] << 4
    return np.concatenate([words.reshape(-1, 4), np.zeros((FLUSH, 4), np.uint32)])


def _sums(
    acts: NDArray, signs: NDArray, exp: NDArray, bsig: list[int], element: tuple[Rounding, int]
) -> Accumulator:
    parts = Activations.of(acts)
    acc = Accumulator.zero((len(acts),))
    for step, significance in enumerate(bsig):
        part = Activations(parts.signed[:, step], parts.exponent[:, step], parts.finite)
        terms = Terms(signs[:, step].astype(np.float32), exp[:, step].astype(np.int32), significance)
        acc = accumulate(acc, part, terms, *element)
    return acc
