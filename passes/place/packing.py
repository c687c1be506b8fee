"""Pieces that fit fast memory by their bytes, given offsets: all of them, or as many as can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..offsets.greedy import ORDERS, Layout
from ..offsets.native import available
from ..offsets.problem import Buffer
from ..offsets.search import Search, takes
from .board import Board, Desk, clear_class, put, serve
from .laying import lay
from .program import Piece

NODES = 20_000
"""Nodes of the exact search for offsets."""


def pack(desk: Desk, pieces: Sequence[Piece]) -> Board:
    """A board of the pieces of lone tensors; where some do not fit, their tensors are laid anew.

    Classes of several members are laid last, each at one offset or not at all.
    """
    alone = [piece for piece in pieces if not desk.tables.shared[piece.tensor]]
    placed = _offsets(desk, alone)
    board, again = desk.empty(), set()
    for piece, offset in zip(alone, placed, strict=True):
        if offset < 0:
            again.add(int(desk.tables.group[piece.tensor]))
            continue
        row = (piece.first, piece.last, piece.begin, piece.need, piece.done)
        put(desk.tables, board, piece.tensor, int(offset), *row)
        for a in piece.accesses:
            serve(desk.tables, board, a)
    again |= {int(desk.tables.group[piece.tensor]) for piece in pieces} - {
        int(desk.tables.group[piece.tensor]) for piece in alone
    }
    for group in again:
        clear_class(desk.tables, desk.lists, board, group)
    desk.price(board)
    for group in sorted(again):
        lay(desk.tables, desk.lists, board, group, 0.0, 0.0)
    return board


def _offsets(desk: Desk, pieces: Sequence[Piece]) -> np.ndarray:
    """Offsets of pieces, -1 where one is left out: as few instructions × bytes as the greedies leave."""
    if not pieces:
        return np.zeros(0, np.int64)
    capacity, align = int(desk.tables.machine[0]), desk.machine.alignment
    heights = [int(desk.tables.height[piece.tensor]) for piece in pieces]
    buffers = [
        Buffer(str(at), piece.first, piece.last + 1, height, align)
        for at, (piece, height) in enumerate(zip(pieces, heights, strict=True))
    ]
    layout = Layout(buffers)
    area = layout.size * (layout.end - layout.start)
    best, least = np.full(len(pieces), -1, np.int64), np.inf
    for order in ORDERS.values():
        for fit in ("first", "best"):
            found = layout.place(order(layout), fit, capacity)
            left = float(area[found < 0].sum())
            if left < least:
                best, least = found, left
            if not left:
                return best
    if takes(buffers) and available():
        with Search(buffers) as search:
            answer = search.decide(capacity, NODES)
        if answer.offsets is not None:
            return np.array([answer.offsets[str(at)] for at in range(len(pieces))], np.int64)
    return best
