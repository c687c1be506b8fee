"""XLA's memory-space assignment, from the description of its code (openxla ``memory_space_assignment``).

Values in order of benefit / √size. A value's life is cut at its uses; each segment in turn: stay in fast
memory without a copy; else make sure slow memory has the value (*evict*) and *prefetch* for the use; else
leave the use to slow memory. Copy resource is the whole elapsed time of instructions, a first-in first-out
pool a direction. Prefetches start at the time closest to the preferred overlap and move later and earlier.
Out of memory, everything is laid again by duration and size, a limited number of times.

Ratios are those of XLA's unit tests; production values are not published. Evictions always succeed, as with
XLA's single retry. Only windows and offsets are planned here: how long the plan takes is `board.price`'s
affair, which gives its copies idle time the best way there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .board import NONE, Board, Desk, put, saved_s, serve
from .laying import furthest, place_class
from .rules import RECTANGLES, best_gap, is_clear


@dataclass(frozen=True)
class Options:
    """Settings, named as in XLA.

    Attributes:
        min_overlap, preferred_overlap, max_overlap: of a prefetch's window, over the time of the copy; the
            last one over the time to copy all of fast memory.
        earlier_starts: earlier start times tried once later ones have run out.
        max_repacks: times all pieces may be laid anew.
    """

    min_overlap: float = 0.8
    preferred_overlap: float = 1.5
    max_overlap: float = 10.0
    earlier_starts: int = 100
    max_repacks: int = 10


@dataclass
class _Piece:
    """A stay in fast memory while its value is being decided."""

    offset: int
    first: int
    at: int
    end: int
    begin: int
    need: int
    done: int = NONE


class _Pool:
    """Copies of one direction: each starts after an instruction, in turn, and must end before another."""

    def __init__(self, elapsed: np.ndarray) -> None:
        self.until = np.concatenate([[0.0], np.cumsum(elapsed)])
        self.copies: list[tuple[int, int, float]] = []

    def takes(self, start: int, end: int, seconds: float) -> bool:
        """Whether one more copy leaves every copy in time."""
        busy = 0.0
        for begin, stop, demand in sorted([*self.copies, (start, end, seconds)], key=lambda copy: copy[0]):
            busy = max(busy, self.until[begin + 1]) + demand
            if busy > self.until[stop] * (1 + 1e-12):
                return False
        return True

    def add(self, start: int, end: int, seconds: float) -> None:
        self.copies.append((start, end, seconds))


class Assignment:
    """One run of the algorithm on a problem."""

    def __init__(self, desk: Desk, options: Options | None = None) -> None:
        self.desk, self.options = desk, options or Options()
        self.T, self.L, self.board = desk.tables, desk.lists, desk.empty()
        elapsed = np.maximum(self.T.compute_s, self.T.traffic_s)
        self.until = np.concatenate([[0.0], np.cumsum(elapsed)])
        self.reads, self.longest = _Pool(elapsed), self._longest_s()
        self.repacks = 0

    def _longest_s(self) -> float:
        machine = self.desk.machine
        return self.options.max_overlap * machine.capacity / machine.slow_bytes_per_s

    def run(self) -> Board:
        """Decide every value; the plan."""
        for group in priorities(self.desk):
            self._value(int(group))
        return self.board

    def _value(self, group: int) -> None:
        T, L = self.T, self.L
        x = int(L.member[L.member_at[group]])
        if not T.movable[x]:
            return
        if T.shared[x]:  # joint values of one offset: all of them or none
            place_class(T, L, self.board, group)
            return
        while not self._segments(x) and self.repacks < self.options.max_repacks:
            self.repacks += 1
            if not repack(self.desk, self.board):
                break
        pieces, copies = self.pending
        for piece in pieces:
            self._commit(x, piece)
        for copy in copies:
            self.reads.add(*copy)

    def _commit(self, x: int, piece: _Piece) -> None:
        T, L = self.T, self.L
        last = max(int(T.instruction[L.access[piece.end]]), piece.done)
        put(T, self.board, x, piece.offset, piece.first, last, piece.begin, piece.need, piece.done)
        for at in range(piece.at, piece.end + 1):
            serve(T, self.board, int(L.access[at]))

    def _segments(self, x: int) -> bool:
        """Decide a value's segments into ``pending``; False if some found no room."""
        T, L = self.T, self.L
        low, high = int(L.access_at[x]), int(L.access_at[x + 1])
        self.pending: tuple[list[_Piece], list[tuple[int, int, float]]] = ([], [])
        pieces, copies = self.pending
        roomy, at = True, low
        since = -1  # the access or start that the segment begins at
        if not T.param[x]:
            since, at = int(T.instruction[L.access[low]]), low + 1
        while at < high:
            use = int(T.instruction[L.access[at]])
            held = pieces[-1] if pieces and pieces[-1].end == at - 1 else None
            found, room = self._no_copy(x, low, at, since, use, held)
            if not found:
                if held is not None:
                    self._evict(x, held)
                piece, fits = self._prefetch(x, at, since, use, copies)
                room = room and fits
                if piece is not None:
                    pieces.append(piece)
                roomy = roomy and room
            since, at = use, at + 1
        if T.result[x] and pieces and pieces[-1].end == high - 1:
            self._evict(x, pieces[-1])
        if pieces and pieces[0].begin == NONE and pieces[0].end < high - 1:
            self._evict(x, pieces[0])
        return roomy

    def _no_copy(
        self, x: int, low: int, at: int, since: int, use: int, held: _Piece | None
    ) -> tuple[bool, bool]:
        """Stay in fast memory, or start there at the definition: (done, there was room)."""
        T, L, board = self.T, self.L, self.board
        if self.until[use] - self.until[max(since, 0)] >= self.longest:
            return False, True
        if held is not None:
            if not is_clear(T, board, x, held.offset, since + 1, use):
                return False, False
            held.end = at
            return True, True
        if T.param[x] or at != low + 1:
            return False, True
        offset, end = furthest(T, L, board, x, since, low)
        if offset < 0 or end < at:
            return False, False
        self.pending[0].append(_Piece(offset, since, low, at, NONE, since))
        return True, True

    def _evict(self, x: int, held: _Piece) -> None:
        """Save a piece that was made in fast memory, by its last use; its cost counts as nothing."""
        if held.begin == NONE:
            held.done = int(self.T.instruction[self.L.access[held.end]])

    def _prefetch(
        self, x: int, at: int, since: int, use: int, copies: list[tuple[int, int, float]]
    ) -> tuple[_Piece | None, bool]:
        """(A piece copied in for a use or None, whether there was room)."""
        T, L, board = self.T, self.L, self.board
        demand, roomy = float(T.demand_s[x]), True
        saving = float(saved_s(T, board, int(L.access[at])))
        for start in self._starts(since, use, demand, saving):
            pool = _Pool.__new__(_Pool)
            pool.until, pool.copies = self.reads.until, [*self.reads.copies, *copies]
            if not pool.takes(start, use, demand):
                continue
            offset, _ = furthest(T, L, board, x, start + 1, at)
            if offset < 0:
                roomy = False
                continue
            copies.append((start, use, demand))
            return _Piece(offset, start + 1, at, at, start + 1, use), True
        return None, roomy

    def _starts(self, since: int, use: int, demand: float, saving: float) -> list[int]:
        """Start times (the copy moves after them) in the order they are tried."""
        options = self.options

        def elapsed(start: int) -> float:
            return float(self.until[use] - self.until[start + 1])

        allowed = [
            start
            for start in range(since, use)
            if elapsed(start) + saving >= options.min_overlap * demand and elapsed(start) < self.longest
        ]
        if not allowed:
            return []
        best = min(
            range(len(allowed)), key=lambda n: abs(elapsed(allowed[n]) - options.preferred_overlap * demand)
        )
        later, earlier = allowed[best + 1 :], allowed[:best][::-1]
        order = [allowed[best]]
        for n in range(max(len(later), len(earlier))):
            order += later[n : n + 1] + earlier[n : n + 1]
        return order[: 2 * len(later) + 1 + options.earlier_starts]


def priorities(desk: Desk) -> np.ndarray:
    """Classes in XLA's order: benefit / √size, then size, then duration, larger first."""
    T, board = desk.tables, desk.empty()
    benefit = np.full(desk.classes, -np.inf)
    for a in range(T.tensor.size):
        i, g = T.instruction[a], T.group[T.tensor[a]]
        memory_bound = T.traffic_s[i] > T.compute_s[i]
        here = T.slow_s[a] - T.fast_s[a] if memory_bound else T.traffic_s[i] - T.compute_s[i]
        both = benefit[g] > 0 and here > 0
        benefit[g] = benefit[g] + here if both else max(benefit[g], here)
    size, duration = np.zeros(desk.classes), np.zeros(desk.classes)
    np.add.at(size, T.group, T.height)
    first = np.full(T.height.size, T.compute_s.size)
    np.minimum.at(first, T.tensor, T.instruction)
    np.maximum.at(duration, T.group, T.final - first)
    del board
    benefit[~np.isfinite(benefit)] = 0.0
    return np.lexsort((-duration, -size, -benefit / np.sqrt(np.maximum(size, 1))))


def repack(desk: Desk, board: Board) -> bool:
    """Lay all pieces anew by duration, then size, each in its best gap; kept only if all fit."""
    T, count = desk.tables, int(board.head[RECTANGLES])
    if any(T.shared[x] for x in board.r_tensor[:count]):
        return False  # pieces of one class would have to move together
    length = board.r_last[:count] - board.r_first[:count]
    height = board.r_top[:count] - board.r_offset[:count]
    trial = desk.empty()
    for r in np.lexsort((-height, -length)):
        x = int(board.r_tensor[r])
        offset = int(best_gap(T, trial, x, int(board.r_first[r]), int(board.r_last[r])))
        if offset < 0:
            return False
        row = (board.r_first[r], board.r_last[r], board.r_from[r], board.r_need[r], board.r_done[r])
        put(T, trial, x, offset, *(int(each) for each in row))
    changed = _places(trial) != _places(board)
    for name in ("head", "r_offset", "r_top", "r_first", "r_last", "r_tensor", "r_from", "r_need", "r_done"):
        getattr(board, name)[...] = getattr(trial, name)
    return changed


def _places(board: Board) -> set[tuple[int, int, int]]:
    """Tensor, first instruction and offset of every piece: two that trade places count as moved."""
    count = int(board.head[RECTANGLES])
    columns = (board.r_tensor[:count], board.r_first[:count], board.r_offset[:count])
    return set(zip(*(column.tolist() for column in columns), strict=True))
