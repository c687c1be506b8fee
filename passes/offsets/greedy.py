"""One-pass greedies: place buffers in some order, each in the first or the tightest gap that takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .overlap import together
from .problem import Buffer

Order = Callable[["Layout"], np.ndarray]
_FITS = ("first", "best")


ONE_BY_ONE = 3000
"""Beyond so many buffers the matrix of who meets whom takes long: `crowded` places them."""

MATRIX = 20_000
"""Beyond so many it does not fit in memory."""


class Layout:
    """The buffers as arrays, with the matrix of who is live together with whom."""

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self.start = np.array([b.start for b in buffers], np.int64)
        self.end = np.array([b.end for b in buffers], np.int64)
        self.size = np.array([b.size_bytes for b in buffers], np.int64)
        self.align = np.array([b.align for b in buffers], np.int64)
        self.together = together(buffers)
        self.hinted = np.array([-1 if b.hint is None else b.hint for b in buffers], np.int64)
        self.pinned = {i: b.offset for i, b in enumerate(buffers) if b.offset is not None}

    def place(self, order: np.ndarray, fit: str, capacity: int | None = None) -> np.ndarray:
        """Offsets after placing the buffers in this order, those with a given offset first.

        With a capacity, those that do not fit are left out: offset -1.
        """
        if self.pinned:
            given = np.array([*self.pinned], np.int64)
            order = np.concatenate([given, order[~np.isin(order, given)]])
        offsets = np.zeros(len(order), np.int64)
        placed = np.empty(len(order), np.int64)  # placed buffers, sorted by offset
        bottoms = np.empty(len(order), np.int64)  # and their offsets
        count = 0
        for buffer in order:
            above = placed[:count][self.together[buffer, placed[:count]]]
            offset = self.pinned.get(int(buffer))
            if offset is None:
                offset = self._gap(int(buffer), offsets[above], offsets[above] + self.size[above], fit)
            if capacity is not None and offset + self.size[buffer] > capacity:
                offsets[buffer] = -1
                continue
            offsets[buffer] = offset
            index = int(np.searchsorted(bottoms[:count], offset))
            placed[index + 1 : count + 1] = placed[index:count].copy()
            bottoms[index + 1 : count + 1] = bottoms[index:count].copy()
            placed[index], bottoms[index] = buffer, offset
            count += 1
        return offsets

    def _gap(self, buffer: int, bottoms: np.ndarray, tops: np.ndarray, fit: str) -> int:
        """Offset of the chosen gap between the neighbours, given sorted by their bottoms."""
        align = int(self.align[buffer])
        floors = np.zeros(len(tops) + 1, np.int64)
        if len(tops):
            np.maximum.accumulate(tops, out=floors[1:])
        floors = -(-floors // align) * align
        room = bottoms - floors[:-1]
        fitting = np.flatnonzero(room >= self.size[buffer])
        if not len(fitting):
            return int(floors[-1])
        return int(floors[fitting[0] if fit == "first" else fitting[np.argmin(room[fitting])]])


def _by(*keys: np.ndarray) -> np.ndarray:
    """Indices sorted by the first key, ties by the next, then by position."""
    return np.lexsort((np.arange(len(keys[0])), *reversed(keys)))


def _busiest(layout: Layout) -> np.ndarray:
    """Of every buffer, the most bytes live at one step of its life."""
    steps, _ = np.unique(layout.start, return_index=True)
    live = np.zeros(len(steps), np.int64)
    first = np.searchsorted(steps, layout.start)
    last = np.searchsorted(steps, layout.end)
    for low, high, size in zip(first, last, layout.size, strict=True):
        live[low:high] += size
    return np.array([live[low:high].max() for low, high in zip(first, last, strict=True)], np.int64)


def _hints(layout: Layout) -> np.ndarray:
    """By hint, those without one last, large ones first."""
    return _by(np.where(layout.hinted < 0, np.iinfo(np.int64).max, layout.hinted), -layout.size)


def _life(layout: Layout) -> np.ndarray:
    return layout.end - layout.start


ORDERS: dict[str, Order] = {
    "size": lambda layout: _by(-layout.size, -_life(layout)),
    "area": lambda layout: _by(-layout.size * _life(layout), -layout.size),
    "pressure": lambda layout: _by(-_busiest(layout), -layout.size * _life(layout)),
    "lifetime": lambda layout: _by(-_life(layout), -layout.size),
    "start": lambda layout: _by(layout.start, -layout.size),
}
"""Largest first, largest size × lifetime first, busiest steps first, longest first, or in program order."""


def greedies(buffers: Sequence[Buffer]) -> Iterator[tuple[str, dict[str, int]]]:
    """Every order with first fit and best fit, lazily: (name of the greedy, offsets by buffer name).

    Hints come first, bottom up: of a layout, none of its buffers ends higher than it was.
    """
    layout = Layout(buffers)
    if (layout.hinted >= 0).any():
        offsets = layout.place(_hints(layout), "first")
        yield "hint-first-fit", {b.name: int(at) for b, at in zip(buffers, offsets, strict=True)}
    for name, order in ORDERS.items():
        ranking = order(layout)
        for fit in _FITS:
            offsets = layout.place(ranking, fit)
            yield f"{name}-{fit}-fit", {b.name: int(at) for b, at in zip(buffers, offsets, strict=True)}
