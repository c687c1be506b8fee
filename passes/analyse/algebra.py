"""Sizes and counts as polynomials in rank shapes: ``M0 + F + 2``, ``2*E*M*P``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Polynomial:
    """Σ coefficient · product of rank shapes; a rank ``m0`` prints as its shape ``M0``.

    ``terms`` maps the sorted ranks of a product to its coefficient.
    """

    terms: tuple[tuple[tuple[str, ...], int], ...] = ()

    @staticmethod
    def product(ranks: Iterable[str], coefficient: int = 1) -> Polynomial:
        """The product of the shapes of `ranks`."""
        return Polynomial(((tuple(sorted(ranks)), coefficient),))

    def __add__(self, other: Polynomial) -> Polynomial:
        total: dict[tuple[str, ...], int] = dict(self.terms)
        for ranks, coefficient in other.terms:
            total[ranks] = total.get(ranks, 0) + coefficient
        kept = [(ranks, coefficient) for ranks, coefficient in total.items() if coefficient]
        return Polynomial(tuple(sorted(kept, key=lambda term: (-len(term[0]), term[0]))))

    def __mul__(self, other: Polynomial) -> Polynomial:
        total = Polynomial()
        for left, a in self.terms:
            for right, b in other.terms:
                total += Polynomial.product((*left, *right), a * b)
        return total

    @property
    def order(self) -> str:
        """Its class, ``O(F + M0)``: products that are no factor of another, coefficients left out."""
        products = [Counter(ranks) for ranks, coefficient in self.terms if coefficient > 0]
        top = [one for one in products if not any(one != other and one <= other for other in products)]
        named = ["*".join(rank.upper() for rank in sorted(one.elements())) for one in top]
        return f"O({' + '.join(name or '1' for name in named) or '0'})"

    @property
    def ranks(self) -> frozenset[str]:
        """The ranks whose shapes it depends on."""
        return frozenset(rank for ranks, _ in self.terms for rank in ranks)

    def at(self, extents: Mapping[str, int]) -> int:
        """The value for given rank extents."""
        total = 0
        for ranks, coefficient in self.terms:
            for rank in ranks:
                coefficient *= extents[rank]
            total += coefficient
        return total

    def __str__(self) -> str:
        text = ""
        for ranks, coefficient in self.terms:
            shapes = [rank.upper() for rank in ranks]
            if abs(coefficient) != 1 or not shapes:
                shapes.insert(0, str(abs(coefficient)))
            sign = " - " if coefficient < 0 else " + "
            text += (sign if text else sign.strip(" +")) + "*".join(shapes)
        return text or "0"
