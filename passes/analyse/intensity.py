"""Operational intensity: what a cascade computes beside what any schedule of it must move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.einsum import Access, Index
from ...ir.view import Cascade
from .algebra import Polynomial
from .footprint import operation_counts
from .sizes import compulsory_elements

_UNIT = Polynomial.product(())


@dataclass(frozen=True)
class Intensity:
    """Operations and compulsory traffic.

    Attributes:
        classes: operations by class (``mul add div exp max cmp move``), algebraic in rank shapes.
        inputs: program input → its size, algebraic.
        results: result → its size, algebraic.
    """

    classes: Mapping[str, Polynomial]
    inputs: Mapping[str, Polynomial]
    results: Mapping[str, Polynomial]

    @property
    def operations(self) -> Polynomial:
        """Operations of all classes together; moves compute nothing and are left out."""
        return sum((n for kind, n in self.classes.items() if kind != "move"), Polynomial())

    @property
    def compulsory(self) -> Polynomial:
        """Elements of inputs and results."""
        return sum((*self.inputs.values(), *self.results.values()), Polynomial())

    def at(self, cascade: Cascade, element_bytes: int) -> dict[str, float | int]:
        """The numbers for a cascade's extents: operations, compulsory bytes, operations per byte."""
        operations = self.operations.at(cascade.extents)
        moved = compulsory_elements(cascade) * element_bytes
        return {
            "operations": operations,
            "compulsory_bytes": moved,
            "operations_per_byte": round(operations / moved, 6) if moved else 0.0,
        }


def intensity(cascade: Cascade) -> Intensity:
    """Operations and compulsory traffic of a cascade, algebraic in rank shapes."""
    sizes: dict[str, Polynomial] = {}
    wanted = (*cascade.inputs, *cascade.results)
    for einsum in cascade.all:
        for access in (einsum.output, *einsum.accesses):
            if access.tensor in wanted:
                known = sizes.get(access.tensor, Polynomial())
                sizes[access.tensor] = _larger(known, _size(cascade, access), cascade)
    return Intensity(
        operation_counts(cascade),
        {name: sizes[name] for name in cascade.inputs},
        {name: sizes[name] for name in cascade.results},
    )


def _size(cascade: Cascade, access: Access) -> Polynomial:
    ranks = [rank for index in access.index for rank in index.ranks]
    if len(ranks) > len(set(ranks)):  # a diagonal
        return Polynomial.product(access.ranks)
    size = _UNIT
    for index in access.index:
        size = size * _span(cascade, index)
    return size


def _span(cascade: Cascade, index: Index) -> Polynomial:
    """Coordinates an index expression reaches: a product where it is a partition, else a sum of spans."""
    ranks = tuple(rank for rank, _ in sorted(index.terms, key=lambda term: -term[1]))
    if len(ranks) > 1 and any(ranks == family for family in cascade.families()):
        return Polynomial.product(ranks)
    total = _UNIT
    for rank, coefficient in index.terms:
        total += Polynomial.product((rank,), abs(coefficient)) + Polynomial.product((), -abs(coefficient))
    return total


def _larger(left: Polynomial, right: Polynomial, cascade: Cascade) -> Polynomial:
    known = {rank: cascade.extents.get(rank, 1 << 10) for rank in left.ranks | right.ranks}
    return left if left.at(known) >= right.at(known) else right
