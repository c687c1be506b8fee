"""BitMoD values and their bit-serial terms."""

from __future__ import annotations

import pytest

from penstock.ir.bitmod_format import FORMATS, NO_TERM, Term, two_terms
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
