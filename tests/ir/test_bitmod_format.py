"""BitMoD values and their bit-serial terms."""

from __future__ import annotations

import pytest

from penstock.ir.bitmod_format import FORMATS, INTEGERS, NO_TERM, Mode, Term, booth_terms, terms_of, two_terms
from penstock.ir.errors import InputError


def worth(term: Term) -> int:
    return term.man * (-1) ** term.sign * 2**term.exp


# Value → exponents at bit significance 1 and 0, None where the slot is empty: the paper's decoding.
EXPONENTS = {
    0: (None, None), 1: (None, 0), 2: (0, None), 3: (0, 0), 4: (1, None), 6: (1, 1), 8: (2, None), 10: (2, 1),
    12: (2, 2), 16: (3, None),
}  # fmt: skip


@pytest.mark.parametrize(("doubled", "exponents"), EXPONENTS.items())
def test_terms_of_the_papers_values(doubled: int, exponents: tuple[int | None, int | None]) -> None:
    for value in {doubled, -doubled}:
        terms = two_terms(value)
        assert tuple(term.exp if term.man else None for term in terms) == exponents
        assert all(term.sign == (value < 0) for term in terms if term.man)


def test_terms_add_up_to_every_value_that_has_two() -> None:
    for value in range(-18, 19):
        try:
            high, low = two_terms(value)
        except InputError:
            assert abs(value) in (11, 13, 17), value
            continue
        assert 2 * worth(high) + worth(low) == value
        assert {high.exp, low.exp} <= {0, 1, 2, 3}


def test_seven_takes_terms_of_opposite_signs() -> None:
    assert two_terms(14) == (Term(0, 3, 1), Term(1, 1, 1))
    assert two_terms(0) == (NO_TERM, NO_TERM)


def test_the_grids() -> None:
    fp4 = sorted(set(FORMATS["bitmod4"].values()[2].tolist()))
    assert fp4 == [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 16]
    three = FORMATS["bitmod3"]
    assert sorted(three.values()[1, list(three.codes)].tolist()) == [-8, -6, -4, -2, 0, 2, 4, 8]
    assert (FORMATS["bitmod4"].bits_per_weight, three.bits_per_weight) == (4.078125, 3.078125)


@pytest.mark.parametrize(("mode", "low", "high"), [(Mode.INT8, -128, 127), (Mode.INT6, -32, 31)])
def test_booth_digits_add_up_to_every_integer(mode: Mode, low: int, high: int) -> None:
    for value in range(low, high + 1):
        terms = terms_of(value, mode)
        places = [mode.significance(number) for number in reversed(range(mode.terms))]
        assert places == [6, 4, 2, 0][-mode.terms :]
        assert sum(worth(term) << place for term, place in zip(terms, places, strict=True)) == value
        assert all(term.exp <= 1 for term in terms)
    for value in (low - 1, high + 1):
        with pytest.raises(InputError):
            booth_terms(value, mode.terms)


# The paper's table of digits: a digit's two bits and the one below → sign, exponent, mantissa.
DIGITS = {
    0b000: NO_TERM, 0b111: NO_TERM, 0b001: Term(0, 0, 1), 0b010: Term(0, 0, 1), 0b011: Term(0, 1, 1),
    0b100: Term(1, 1, 1), 0b101: Term(1, 0, 1), 0b110: Term(1, 0, 1),
}  # fmt: skip


@pytest.mark.parametrize(("window", "digit"), DIGITS.items())
def test_digits_are_the_papers(window: int, digit: Term) -> None:
    value = (window << 1) - (16 if window >> 2 else 0)  # the window over bits 3, 2 and 1
    assert booth_terms(value, 2)[0] == digit


def test_integers_are_symmetric_and_in_twos_complement() -> None:
    for name, bits, width in (("int8", 8, 8), ("int6", 6, 6), ("int5", 5, 6)):
        chosen = INTEGERS[name]
        values = chosen.values()[0, list(chosen.codes)]
        assert values.tolist() == list(range(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1)))
        assert max(chosen.codes) == 2**width - 1
        assert chosen.bits_per_weight == bits + 8 / 128
