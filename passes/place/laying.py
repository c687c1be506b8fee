"""Laying tensors on a board: where each stays in fast memory, decided by what it saves, with best fit.

Decisions look at the game's cost and at `rules`' arithmetic on idle time and gaps. `lay` may end a stay early
and bring the tensor back later; `place_class` takes the whole life of every member, or nothing. All in C.
"""

from __future__ import annotations

import ctypes

from .board import Board, Lists
from .native import library
from .rules import Tables


def furthest(T: Tables, L: Lists, B: Board, x: int, first: int, at: int) -> tuple[int, int]:
    """(offset, last access) of a best-fit piece from a time that holds as many accesses as it can."""
    end = ctypes.c_int64()
    offset = library().pst_furthest(T.at.ctypes, L.at.ctypes, B.at.ctypes, x, first, at, ctypes.byref(end))
    return offset, end.value


def place_class(T: Tables, L: Lists, B: Board, g: int) -> None:
    """Lay a class of several members where it does not cost: all of them at one offset, or none."""
    library().pst_place_class(T.at.ctypes, L.at.ctypes, B.at.ctypes, g, 0.0)


def lay(T: Tables, L: Lists, B: Board, g: int) -> None:
    """Lay a class that has no pieces on the board, where it does not cost."""
    library().pst_lay(T.at.ctypes, L.at.ctypes, B.at.ctypes, g, 0.0, 0.0, None)
