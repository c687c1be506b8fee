"""Pieces that fit fast memory by their bytes, given offsets: all of them, or as many as can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..offsets.greedy import ORDERS, Layout
from ..offsets.native import available
from ..offsets.problem import Buffer
from ..offsets.search import Search, takes
from .board import Board, Desk, clear_class, copy_to, put, serve
from .laying import lay
from .program import Piece
from .rules import RECTANGLES

NODES = 20_000
"""Nodes of the exact search for offsets."""


def pack(desk: Desk, pieces: Sequence[Piece], rest: Board | None = None) -> Board:
    """A board of the pieces of lone tensors; where some do not fit, their tensors are laid anew.

    Pinned tensors lie where they lie. Classes of several members are laid last, each at one offset or not at
    all.

    Args:
        desk: the problem.
        pieces: stays without offsets.
        rest: a board of other tensors, which stay where they are; None for none but the pinned.
    """
    board = desk.empty()
    if rest is not None:
        copy_to(desk.tables, board, rest)
    pieces = [piece for piece in pieces if piece.tensor not in desk.pinned]
    alone = [piece for piece in pieces if not desk.tables.shared[piece.tensor]]
    again = {int(desk.tables.group[piece.tensor]) for piece in pieces if desk.tables.shared[piece.tensor]}
    for piece, offset in zip(alone, _offsets(desk, alone, board), strict=True):
        if offset < 0:
            again.add(int(desk.tables.group[piece.tensor]))
            continue
        row = (piece.first, piece.last, piece.begin, piece.need, piece.done)
        put(desk.tables, board, piece.tensor, int(offset), *row)
        for a in piece.accesses:
            serve(desk.tables, board, a)
    for group in again:
        clear_class(desk.tables, desk.lists, board, group)
    desk.price(board)
    for group in sorted(again):
        lay(desk.tables, desk.lists, board, group)
    return board


def unpacked(desk: Desk, board: Board) -> list[Piece]:
    """The pieces of a board, without their offsets."""
    T, L, pieces = desk.tables, desk.lists, []
    for r in range(int(board.head[RECTANGLES])):
        x = int(board.r_tensor[r])
        first, last, begin, need, done = (
            int(column[r])
            for column in (board.r_first, board.r_last, board.r_from, board.r_need, board.r_done)
        )
        accesses = (int(a) for a in L.access[L.access_at[x] : L.access_at[x + 1]])
        served = tuple(a for a in accesses if board.fast[a] and need <= T.instruction[a] <= last)
        pieces.append(Piece(x, first, last, begin, need, done, served))
    return pieces


def _offsets(desk: Desk, pieces: Sequence[Piece], base: Board) -> np.ndarray:
    """Offsets of pieces among those of a board, -1 where one is left out: the least bytes × instructions."""
    if not pieces:
        return np.zeros(0, np.int64)
    capacity, align = int(desk.tables.machine[0]), desk.machine.alignment
    buffers = [
        Buffer(str(at), piece.first, piece.last + 1, int(desk.tables.height[piece.tensor]), align)
        for at, piece in enumerate(pieces)
    ]
    for r in range(int(base.head[RECTANGLES])):
        columns = (base.r_first, base.r_last, base.r_top, base.r_offset)
        first, last, top, offset = (int(column[r]) for column in columns)
        buffers.append(Buffer(f"base {r}", first, last + 1, top - offset, align, offset=offset))
    layout = Layout(buffers)
    area = layout.size * (layout.end - layout.start)
    best, least = np.full(len(pieces), -1, np.int64), np.inf
    for order in ORDERS.values():
        for fit in ("first", "best"):
            found = layout.place(order(layout), fit, capacity)
            left = float(area[found < 0].sum())
            if left < least:
                best, least = found[: len(pieces)], left
            if not left:
                return best
    if takes(buffers) and available():
        with Search(buffers) as search:
            answer = search.decide(capacity, NODES)
        if answer.offsets is not None:
            return np.array([answer.offsets[str(at)] for at in range(len(pieces))], np.int64)
    return best
