"""Square blocks transposed in registers: what a row-major tensor holds in columns, without gathers.

First 4 × 4 inside the 128-bit parts of four rows, by interleaving; then the parts change places. Every
shuffle is one instruction that needs no index register.
"""

from __future__ import annotations

from collections.abc import Sequence

from .lanes import Lanes, Vec

_PART = 4  # elements of 32 bits in 128
SQUARES = (4, 8, 16)
"""Sides of the blocks there are."""


def transposed(v: Lanes, rows: Sequence[Vec]) -> list[Vec]:
    """The columns of a square block of 32-bit elements, `v.count` rows of as many."""
    inside = [_four(v, rows[place : place + _PART]) for place in range(0, v.count, _PART)]
    columns: list[Vec] = [rows[0]] * v.count
    for k in range(_PART):
        for part, column in enumerate(_parts(v, [group[k] for group in inside])):
            columns[_PART * part + k] = column
    return columns


def _four(v: Lanes, rows: Sequence[Vec]) -> list[Vec]:
    """4 × 4 in every part: column k of part p is row k's part p of the result."""
    a, b, c, d = rows
    low, high = (0, 4, 1, 5), (2, 6, 3, 7)  # places in a part of the first and (from 4) the second row
    ab = [_inside(v, a, b, places) for places in (low, high)]
    cd = [_inside(v, c, d, places) for places in (low, high)]
    first, second = (0, 1, 4, 5), (2, 3, 6, 7)
    return [_inside(v, ab[half], cd[half], places) for half in (0, 1) for places in (first, second)]


def _inside(v: Lanes, a: Vec, b: Vec, places: Sequence[int]) -> Vec:
    """The same shuffle in every part of two rows."""
    chosen = [
        part + place if place < _PART else v.count + part + place - _PART
        for part in range(0, v.count, _PART)
        for place in places
    ]
    return v.shuffled(a, b, chosen)


def _parts(v: Lanes, rows: Sequence[Vec]) -> list[Vec]:
    """Part p of row g as part g of row p."""
    if len(rows) == 1:
        return list(rows)
    if len(rows) == 2:
        return [_moved(v, rows, (0, 2)), _moved(v, rows, (1, 3))]
    even, odd = (0, 2, 4, 6), (1, 3, 5, 7)
    halves = [[_moved(v, rows[g : g + 2], places) for g in (0, 2)] for places in (even, odd)]
    return [_moved(v, halves[part % 2], (even, odd)[part // 2]) for part in range(4)]


def _moved(v: Lanes, rows: Sequence[Vec], parts: Sequence[int]) -> Vec:
    """Whole parts of two rows, those of the second counted on."""
    a, b = rows
    return v.shuffled(a, b, [_PART * part + place for part in parts for place in range(_PART)])
