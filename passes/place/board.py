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
from numba import njit

from .game import tables
from .plan import Copy, MemoryMap, Rectangle
from .problem import Machine, Problem
from .rules import RECTANGLES, TINY_S, Tables

NONE = -1


class Lists(NamedTuple):
    """Accesses by tensor and tensors by class, in order."""

    access: np.ndarray  # [A]
    access_at: np.ndarray  # [X + 1]
    member: np.ndarray  # [X]
    member_at: np.ndarray  # [X + 1] by class
    pinned: np.ndarray  # [X + 1] by class: its place is given, on `Desk.bare`


class Board(NamedTuple):
    """Pieces by offset, who is served, and slow memory's idle time."""

    head: np.ndarray  # [3] as `rules.State.head`
    fast: np.ndarray  # [A]
    slow_s: np.ndarray  # [N]
    fast_s: np.ndarray  # [N]
    charged_s: np.ndarray  # [N]
    r_offset: np.ndarray  # [A]
    r_top: np.ndarray  # [A]
    r_first: np.ndarray  # [A]
    r_last: np.ndarray  # [A]
    r_tensor: np.ndarray  # [A]
    r_from: np.ndarray  # [A] first instruction a copy in may move in; NONE: made here
    r_need: np.ndarray  # [A] instruction before which it is in; the definition
    r_done: np.ndarray  # [A] instruction at whose end it is saved to slow memory; NONE


def lists(T: Tables) -> Lists:
    """The order of accesses and members."""
    count = T.height.size
    return Lists(
        np.argsort(T.tensor, kind="stable"),
        np.searchsorted(np.sort(T.tensor), np.arange(count + 1)),
        np.argsort(T.group, kind="stable"),
        np.searchsorted(np.sort(T.group), np.arange(count + 1)),
        np.zeros(count + 1, np.bool_),
    )


def empty(T: Tables) -> Board:
    """A board without pieces."""
    a, n = T.tensor.size, T.compute_s.size
    pieces = [np.zeros(a, np.int64) for _ in range(8)]
    return Board(
        np.zeros(3, np.int64),
        np.zeros(a, np.int64),
        T.traffic_s.copy(),
        np.zeros(n),
        np.zeros(n),
        *pieces,
    )


@njit(cache=True)
def copy_to(target, source):
    """Make one board equal another."""
    target.head[:] = source.head
    target.fast[:] = source.fast
    target.slow_s[:] = source.slow_s
    target.fast_s[:] = source.fast_s
    target.charged_s[:] = source.charged_s
    count = source.head[RECTANGLES]
    target.r_offset[:count] = source.r_offset[:count]
    target.r_top[:count] = source.r_top[:count]
    target.r_first[:count] = source.r_first[:count]
    target.r_last[:count] = source.r_last[:count]
    target.r_tensor[:count] = source.r_tensor[:count]
    target.r_from[:count] = source.r_from[:count]
    target.r_need[:count] = source.r_need[:count]
    target.r_done[:count] = source.r_done[:count]


@njit(cache=True)
def saved_s(T, B, a):
    """What serving one more access from fast memory saves."""
    i = T.instruction[a]
    now = max(T.compute_s[i], B.slow_s[i] + B.fast_s[i])
    return now - max(T.compute_s[i], B.slow_s[i] - T.slow_s[a] + B.fast_s[i] + T.fast_s[a])


@njit(cache=True)
def serve(T, B, a):
    """Serve an access from fast memory."""
    if not B.fast[a]:
        B.fast[a] = 1
        B.slow_s[T.instruction[a]] -= T.slow_s[a]
        B.fast_s[T.instruction[a]] += T.fast_s[a]


@njit(cache=True)
def put(T, B, x, offset, first, last, begin, need, done):
    """A new piece, the list kept by offset."""
    r = B.head[RECTANGLES]
    while r > 0 and B.r_offset[r - 1] > offset:
        _move(B, r - 1, r)
        r -= 1
    B.r_offset[r] = offset
    B.r_top[r] = offset + T.height[x]
    B.r_first[r] = first
    B.r_last[r] = last
    B.r_tensor[r] = x
    B.r_from[r] = begin
    B.r_need[r] = need
    B.r_done[r] = done
    B.head[RECTANGLES] += 1
    return r


@njit(cache=True)
def _move(B, old, new):
    B.r_offset[new] = B.r_offset[old]
    B.r_top[new] = B.r_top[old]
    B.r_first[new] = B.r_first[old]
    B.r_last[new] = B.r_last[old]
    B.r_tensor[new] = B.r_tensor[old]
    B.r_from[new] = B.r_from[old]
    B.r_need[new] = B.r_need[old]
    B.r_done[new] = B.r_done[old]


@njit(cache=True)
def clear_class(T, L, B, g):
    """Take all pieces of a class off the board; charges are stale until priced."""
    kept = 0
    for r in range(B.head[RECTANGLES]):
        if T.group[B.r_tensor[r]] != g:
            _move(B, r, kept)
            kept += 1
    B.head[RECTANGLES] = kept
    for m in range(L.member_at[g], L.member_at[g + 1]):
        x = L.member[m]
        for at in range(L.access_at[x], L.access_at[x + 1]):
            a = L.access[at]
            if B.fast[a]:
                B.fast[a] = 0
                B.slow_s[T.instruction[a]] += T.slow_s[a]
                B.fast_s[T.instruction[a]] -= T.fast_s[a]


@njit(cache=True)
def price(T, B, book):
    """Latency of the plan; idle time goes to the copy needed first, and is noted as charged.

    ``book`` [2 R, N] takes seconds by copy (in: row r; out: row R + r) and instruction; empty to leave it.
    """
    count = B.head[RECTANGLES]
    n = T.compute_s.size
    left = np.zeros(2 * count)
    begin = np.zeros(2 * count, np.int64)
    end = np.full(2 * count, -2, np.int64)
    for r in range(count):
        if B.r_from[r] != NONE:
            begin[r], end[r], left[r] = B.r_from[r], B.r_need[r] - 1, T.demand_s[B.r_tensor[r]]
        if B.r_done[r] != NONE:
            begin[count + r], end[count + r] = out_from(B, r), B.r_done[r]
            left[count + r] = T.demand_s[B.r_tensor[r]]
    order = np.argsort(end)
    low = 0
    while low < order.size and end[order[low]] < -1:
        low += 1
    total = 0.0
    for k in range(n):
        length = max(T.compute_s[k], B.slow_s[k] + B.fast_s[k])
        total += length
        while low < order.size and end[order[low]] < k:
            low += 1
        idle = length - B.slow_s[k]
        B.charged_s[k] = 0.0
        for at in range(low, order.size):
            if idle <= TINY_S:
                break
            c = order[at]
            if begin[c] <= k and left[c] > 0.0:
                moved = min(idle, left[c])
                left[c] -= moved
                idle -= moved
                B.charged_s[k] += moved
                if book.shape[0] > 0:
                    book[c, k] = moved
    return total + left.sum()


@njit(cache=True)
def out_from(B, r):
    """The first instruction a copy out of a piece may move in."""
    return B.r_need[r] + 1 if B.r_from[r] == NONE else B.r_need[r]


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
        self._no_book = np.zeros((0, 0))

    def empty(self) -> Board:
        """A board without pieces but the pinned ones."""
        board = empty(self.tables)
        copy_to(board, self.bare)
        return board

    def price(self, board: Board) -> float:
        """Latency of a board's plan, seconds; charges are brought up to date."""
        return float(price(self.tables, board, self._no_book))

    def memory_map(self, board: Board, **facts: object) -> MemoryMap:
        """A board's plan, its copies timed."""
        count = int(board.head[RECTANGLES])
        book = np.zeros((2 * count, self.tables.compute_s.size))
        latency = float(price(self.tables, board, book))
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
