"""A mapping in the making, decided tensor by tensor in any order: pieces on the board, and what they cost.

A piece is a stay of one tensor in fast memory, over consecutive accesses; it begins at the definition or with
a copy in, and a copy out may leave it. Where a copy moves within its window is not decided until the plan is
priced: `price` then gives idle time to the copy that is needed first, which leaves the least waiting.

The result is a plan, not a list of moves, and may be one that the game's own choice of offsets and windows
would not find.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .game import tables
from .native import addresses, library
from .plan import Copy, MemoryMap, Rectangle
from .problem import Machine, Problem
from .rules import RECTANGLES, TINY_S, Tables

NONE = -1


class Lists(NamedTuple):
    """Accesses by tensor and tensors by class, in order: ``pst_lists`` of native/tables.h."""

    access: np.ndarray  # [A]
    access_at: np.ndarray  # [X + 1]
    member: np.ndarray  # [X]
    member_at: np.ndarray  # [X + 1] by class
    pinned: np.ndarray  # [X + 1] by class: its place is given, on `Desk.bare`
    at: np.ndarray  # [5] addresses of the others


class Board(NamedTuple):
    """Pieces by offset, who is served, and slow memory's idle time: ``pst_board`` of native/tables.h."""

    head: np.ndarray  # [3] as `rules.State.head`
    slow_s: np.ndarray  # [N]
    fast_s: np.ndarray  # [N]
    charged_s: np.ndarray  # [N]
    r_offset: np.ndarray  # [A]
    r_top: np.ndarray  # [A]
    r_first: np.ndarray  # [A]
    r_last: np.ndarray  # [A]
    r_tensor: np.ndarray  # [A]
    fast: np.ndarray  # [A]
    r_from: np.ndarray  # [A] first instruction a copy in may move in; NONE: made here
    r_need: np.ndarray  # [A] instruction before which it is in; the definition
    r_done: np.ndarray  # [A] instruction at whose end it is saved to slow memory; NONE
    scratch: tuple[np.ndarray, ...]  # what `price` works in
    at: np.ndarray  # [17] addresses of the others


def lists(T: Tables) -> Lists:
    """The order of accesses and members."""
    count = T.height.size
    arrays = (
        np.argsort(T.tensor, kind="stable"),
        np.searchsorted(np.sort(T.tensor), np.arange(count + 1)),
        np.argsort(T.group, kind="stable"),
        np.searchsorted(np.sort(T.group), np.arange(count + 1)),
        np.zeros(count + 1, np.int64),
    )
    return Lists(*arrays, at=addresses(arrays))


def empty(T: Tables) -> Board:
    """A board without pieces."""
    a, n = T.tensor.size, T.compute_s.size
    arrays = (
        np.zeros(3, np.int64),
        T.traffic_s.copy(),
        np.zeros(n),
        np.zeros(n),
        *(np.zeros(a, np.int64) for _ in range(9)),
    )
    scratch = tuple(np.zeros(2 * a, kind) for kind in (np.float64, np.int64, np.int64, np.float64))
    return Board(*arrays, scratch=scratch, at=addresses((*arrays, *scratch)))


def copy_to(T: Tables, target: Board, source: Board) -> None:
    """Make one board equal another."""
    library().pst_copy_to(T.at.ctypes, target.at.ctypes, source.at.ctypes)


def saved_s(T: Tables, B: Board, a: int) -> float:
    """What serving one more access from fast memory saves."""
    return library().pst_saved_s(T.at.ctypes, B.at.ctypes, a)


def serve(T: Tables, B: Board, a: int) -> None:
    """Serve an access from fast memory."""
    library().pst_serve(T.at.ctypes, B.at.ctypes, a)


def put(
    T: Tables, B: Board, x: int, offset: int, first: int, last: int, begin: int, need: int, done: int
) -> int:
    """A new piece, the list kept by offset; its row."""
    return library().pst_put(T.at.ctypes, B.at.ctypes, x, offset, first, last, begin, need, done)


def clear_class(T: Tables, L: Lists, B: Board, g: int) -> None:
    """Take all pieces of a class off the board; charges are stale until priced."""
    library().pst_clear_class(T.at.ctypes, L.at.ctypes, B.at.ctypes, g)


def price(T: Tables, B: Board, book: np.ndarray | None = None) -> float:
    """Latency of the plan; idle time goes to the copy needed first, and is noted as charged.

    ``book`` [2 R, N] takes seconds by copy (in: row r; out: row R + r) and instruction.
    """
    return library().pst_price(T.at.ctypes, B.at.ctypes, None if book is None else book.ctypes)


def out_from(B: Board, r: int) -> int:
    """The first instruction a copy out of a piece may move in."""
    return int(B.r_need[r]) + 1 if B.r_from[r] == NONE else int(B.r_need[r])


class Desk:
    """A problem on a machine with its lists, and plans made of boards.

    Args:
        problem, machine: what is mapped to what.
        pins: a board of pieces that every plan has (`pins.pinned_board`); None for none.
    """

    def __init__(self, problem: Problem, machine: Machine, pins: Board | None = None) -> None:
        self.problem, self.machine = problem, machine
        self.tables = tables(problem, machine)
        self.lists = lists(self.tables)
        self.classes = int(self.tables.group.max(initial=-1)) + 1
        self.all_slow_s = float(np.maximum(self.tables.compute_s, self.tables.traffic_s).sum())
        self.bare = empty(self.tables) if pins is None else pins
        self.pinned = {int(x) for x in self.bare.r_tensor[: self.bare.head[RECTANGLES]]}
        for x in self.pinned:
            self.lists.pinned[self.tables.group[x]] = True

    def empty(self) -> Board:
        """A board without pieces but the pinned ones."""
        board = empty(self.tables)
        copy_to(self.tables, board, self.bare)
        return board

    def price(self, board: Board) -> float:
        """Latency of a board's plan, seconds; charges are brought up to date."""
        return price(self.tables, board)

    def memory_map(self, board: Board, **facts: object) -> MemoryMap:
        """A board's plan, its copies timed."""
        count = int(board.head[RECTANGLES])
        book = np.zeros((2 * count, self.tables.compute_s.size))
        latency = price(self.tables, board, book)
        copies = []
        for r in range(count):
            tensor = int(board.r_tensor[r])
            demand = float(self.tables.demand_s[tensor])
            ways = (
                (False, r, int(board.r_need[r]), board.r_from[r] != NONE),
                (True, count + r, int(board.r_done[r]), board.r_done[r] != NONE),
            )
            for out, row, ready, there in ways:
                if there:
                    charges = tuple((int(k), float(book[row, k])) for k in np.flatnonzero(book[row]))
                    stall = demand - sum(seconds for _, seconds in charges)
                    copies.append(Copy(r, out, ready, charges, stall if stall > TINY_S else 0.0))
        rectangles = tuple(
            Rectangle(
                int(board.r_tensor[r]), int(board.r_offset[r]), int(board.r_first[r]), int(board.r_last[r])
            )
            for r in range(count)
        )
        return MemoryMap(tuple(bool(f) for f in board.fast), rectangles, tuple(copies), latency, facts)
