"""Sizes of tensors in elements, from index expressions and rank extents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

from ...ir.einsum import Access, Index
from ...ir.errors import InputError
from ...ir.view import Cascade

_FIXED = Index()
MOST_POINTS = 2**53
"""Points of an Einsum beyond which counts are no longer exact in 64 bits."""
Pattern = tuple[str, tuple[tuple[tuple[str, int], ...], ...]]


def span(index: Index, extents: Mapping[str, Any]) -> Any:
    """How many coordinates an index expression runs over: 1 + Σ |coefficient|·(extent - 1).

    Extents may be arrays, one entry per case.
    """
    total: Any = 1
    for rank, coefficient in index.terms:
        total = total + abs(coefficient) * (extents[rank] - 1)
    return total


def access_size(access: Access, extents: Mapping[str, int]) -> int:
    """Elements that an access reaches over the whole iteration space, negative coordinates left out.

    An upper bound where two strides of an index leave gaps that neither has alone.
    """
    size = 1
    for index in access.index:
        low, high = index.bounds(extents)
        stride = gcd(*(coefficient for _, coefficient in index.terms)) or 1
        points = prod(extents[rank] for rank in index.ranks)
        size *= max(1, min(points, (high - max(low, 0)) // stride + 1))
    return min(size, prod(extents[rank] for rank in access.ranks))


def pattern(access: Access) -> Pattern:
    """What is read, apart from constant shifts: accesses of one pattern share what they load."""
    return access.tensor, tuple(index.terms for index in access.index)


def tensor_sizes(cascade: Cascade) -> dict[str, int]:
    """Elements of every tensor: the most that any access reaches."""
    sizes: dict[str, int] = {}
    for einsum in cascade.all:
        for access in (einsum.output, *einsum.accesses):
            sizes[access.tensor] = max(sizes.get(access.tensor, 0), access_size(access, cascade.extents))
    return sizes


def compulsory_elements(cascade: Cascade) -> int:
    """Elements of the program inputs and of the results: each moves at least once."""
    sizes = tensor_sizes(cascade)
    return sum(sizes[name] for name in dict.fromkeys((*cascade.inputs, *cascade.results)))


def require_extents(cascade: Cascade) -> None:
    """Check that every rank has an extent of 1 or more, and that counts stay exact.

    Raises:
        InputError: one has none, or an Einsum has more than `MOST_POINTS` points.
    """
    for rank in ranks_of(cascade):
        if cascade.extents.get(rank, 0) < 1:
            raise InputError(
                f"rank '{rank}' has no extent, and numbers are asked for",
                accepted=f"--shape {rank}=N, or a line {rank.upper()}=N in the text",
            )
    for einsum in cascade.all:
        points = prod(cascade.extents[rank] for rank in dict.fromkeys(_ranks(einsum)))
        if points > MOST_POINTS:
            raise InputError(
                f"{points} points", where=str(einsum), accepted=f"at most {MOST_POINTS} in one Einsum"
            )


def ranks_of(cascade: Cascade) -> tuple[str, ...]:
    """Every rank, in order of first appearance."""
    return tuple(dict.fromkeys(rank for einsum in cascade.all for rank in _ranks(einsum)))


def _ranks(einsum: Any) -> Iterable[str]:
    yield from einsum.ranks
    for access in einsum.accesses:
        yield from access.ranks


def divided(index: Index, ranks: Collection[str]) -> tuple[Index, Index]:
    """The terms of an index expression in `ranks`, and the other terms."""
    if len(index.terms) == 1:
        return (index, _FIXED) if index.terms[0][0] in ranks else (_FIXED, index)
    inside = tuple(term for term in index.terms if term[0] in ranks)
    return Index(inside), Index(tuple(term for term in index.terms if term not in inside))


@dataclass(frozen=True)
class Term:
    """A product: constant · Π spans of index expressions in block sizes · Π trips of loops over blocks.

    A window is an index expression in the ranks that run in blocks, and the span of the other ranks in it.
    A loop counts only where one of the loops named beside it takes more than one trip; always if none is.
    """

    constant: int
    windows: tuple[tuple[Index, int], ...] = ()
    trips: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def at(self, blocks: Mapping[str, Any], trips: Mapping[str, Any]) -> Any:
        """The value for block sizes and trip counts, numbers or arrays."""
        value: Any = self.constant
        for window, others in self.windows:
            value = value * (span(window, blocks) + others - 1)
        for rank, others in self.trips:
            turns: Any = sum(trips[other] for other in others) > len(others) if others else 1
            value = value * (1 + turns * (trips[rank] - 1))
        return value
