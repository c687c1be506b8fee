"""Nearest levels by table: what every format of fixed levels is quantized with.

The midpoints between levels are multiples of a power of two, so the nearest level follows from one rounded
number: a table lookup instead of a search, with the same result bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import InputError
from .blocks import Floats, in_blocks

Ties = Literal["lower", "even"]


class Codebook:
    """One grid of levels and the codes that mean them.

    Attributes:
        largest: the largest magnitude of a level.
        unit: midpoints are multiples of one over it.
        level: by place, the level.
        code: by place, its code.
    """

    def __init__(self, levels: NDArray, codes: Sequence[int], ties: Ties = "lower") -> None:
        """Levels by code; of codes of equal level the first is used.

        Args:
            levels: float64, by code.
            codes: those that may be used.
            ties: a value between two levels goes to the lower one, or to the one whose code is even.
        """
        grid, first = np.unique(levels[list(codes)], return_index=True)
        meant = np.array(codes, np.uint8)[first]
        self.largest = float(np.abs(grid).max())
        middle = (grid[1:] + grid[:-1]) / 2
        self._ties = ties
        units = (unit for unit in (1, 2, 4) if (middle * unit == np.rint(middle * unit)).all())
        self.unit = next(units, 0)
        if not self.unit:
            raise InputError("levels that are no multiples of one half", accepted="coarser levels")
        reach = int(np.ceil(self.largest * self.unit)) + 2
        if ties == "lower":
            self._offset = reach
            places = np.searchsorted(middle * self.unit, np.arange(-reach, reach + 1) - 0.5)
        else:
            self._offset = 2 * reach
            halves = np.arange(-2 * reach, 2 * reach + 1) / 2
            places = np.searchsorted(middle * self.unit, halves, side="left")
            between = np.isin(halves, middle * self.unit)
            odd = meant[places] % 2 == 1
            places += between & odd
        self.level = grid[places]
        self.code = meant[places]

    def places(self, values: Floats) -> NDArray[np.intp]:
        """Where in the tables the nearest levels of values are; values are overwritten."""
        values *= self.unit
        if self._ties == "lower":
            np.ceil(values, out=values)
        else:
            values = np.floor(values) + np.ceil(values)
        values += self._offset
        np.clip(values, 0, len(self.level) - 1, out=values)
        return values.astype(np.intp)


@dataclass(frozen=True)
class Encoded:
    """Codes ``[G, group]``, variants ``[G]`` and scales ``[G]`` of groups."""

    codes: NDArray[np.uint8]
    variant: NDArray[np.uint8]
    scale: Floats


def encode(
    groups: NDArray, books: Sequence[Codebook], scale_range: tuple[float, float] | None = None
) -> Encoded:
    """Each group in the grid that loses least, scaled so that the largest magnitudes of both meet.

    Errors are sums of squares in float64; the first of equal candidates wins.

    Args:
        groups: floats ``[G, group]``.
        books: the candidates; their order is that of the variants.
        scale_range: bounds of the scales; all zeros get scale 1 when None.
    """
    codes = np.empty(groups.shape, np.uint8)
    variant = np.zeros(len(groups), np.uint8)
    scale = np.empty(len(groups))

    def work(block: Floats, rows: slice) -> None:
        candidates = _Candidates(block, books, scale_range)
        best = np.zeros(len(block), np.intp)
        if len(books) > 1:
            # argmin gives the first of equal ones
            best = np.argmin([candidates.errors(number) for number in range(len(books))], axis=0)
        for number in range(len(books)):
            chosen = np.flatnonzero(best == number)
            if len(chosen):
                codes[rows][chosen] = candidates.codes(number, chosen)
                scale[rows][chosen] = candidates.scale(number)[chosen]
        variant[rows] = best

    in_blocks(groups, work)
    return Encoded(codes, variant, scale)


def losses(groups: NDArray, books: Sequence[Codebook]) -> Floats:
    """Squared error over all groups of each candidate, ``[books]``."""

    def work(block: Floats, rows: slice) -> list[float]:
        candidates = _Candidates(block, books, None)
        return [float(candidates.errors(number).sum()) for number in range(len(books))]

    return np.sum(in_blocks(groups, work), axis=0)


class _Candidates:
    """A block of groups in several grids; grids of the same reach share scales and places."""

    def __init__(
        self, block: Floats, books: Sequence[Codebook], scale_range: tuple[float, float] | None
    ) -> None:
        self._block = block
        self._books = books
        self._largest = np.abs(block).max(axis=1)
        self._range = scale_range
        self._scales: dict[float, Floats] = {}
        self._places: dict[tuple[float, int], NDArray[np.intp]] = {}

    def scale(self, number: int) -> Floats:
        reach = self._books[number].largest
        if reach not in self._scales:
            scale = self._largest / reach
            if self._range is None:
                scale[scale == 0] = 1.0
            else:
                scale = np.clip(scale, *self._range)
            self._scales[reach] = scale
        return self._scales[reach]

    def places(self, number: int) -> NDArray[np.intp]:
        book = self._books[number]
        key = (book.largest, book.unit)
        if key not in self._places:
            self._places[key] = book.places(self._block / self.scale(number)[:, None])
        return self._places[key]

    def errors(self, number: int) -> Floats:
        difference = np.take(self._books[number].level, self.places(number))
        difference *= self.scale(number)[:, None]
        difference -= self._block
        return np.square(difference, out=difference).sum(axis=1)

    def codes(self, number: int, chosen: NDArray[np.intp]) -> NDArray[np.uint8]:
        return np.take(self._books[number].code, self.places(number)[chosen])
