"""The exact leg: does an arena of a given size take the buffers? Depth-first, bottom up, in C.

The rules that prune are those of MiniMalloc (Moffitt, ASPLOS 2023, §4) and ours; each has a switch (`Rules`).
Several static orders take turns under node limits that double, for the time a search takes has a heavy tail.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from .native import Order, Problem, Status, library
from .overlap import together
from .problem import Buffer, grain_bytes

ORDERS = ("tLA", "TLA", "LAT", "CAT", "TCA", "TAL")
"""Static orders: buffers by descending (T) most unplaced bytes of a section, taken anew in parts that split
off, (t) the same, once, (L) length of life, (A) size × length, (C) sections."""

LARGEST_GRAINS = 1 << 28
"""Bytes, in grains, that a problem may have live at once: the search counts in 32 bits."""

MOST_BUFFERS = 3000
"""Beyond, a node's lists outgrow the memory."""

_NOGOOD_BITS = 16
_FIRST_LIMIT = 2  # nodes per buffer


class Rules(enum.IntFlag):
    """What prunes; what each does is said in native/search.h."""

    CANONICAL = 1
    DOMINANCE = 2
    SECTIONS = 4
    MONOTONIC = 8
    HATLESS = 16
    DECOMPOSE = 32
    THRESHOLDS = 64
    PASSED = 128
    TWINS = 256
    NOGOODS = 512


ALL_RULES = ~Rules(0)


@dataclass(frozen=True)
class Answer:
    """What is known of one capacity: offsets, that there are none (``proved``), or neither."""

    offsets: dict[str, int] | None = None
    proved: bool = False
    nodes: int = 0


class Stop:
    """A flag that ends a search from another thread."""

    def __init__(self) -> None:
        self.flag = ctypes.c_int32(0)

    def set(self) -> None:
        """End the search within microseconds."""
        self.flag.value = 1


class Search:
    """The buffers as the C code takes them, and one search per static order. Close it after use.

    Args:
        buffers: of positive size, in one arena.
        rules: what prunes.
        orders: static orders that take turns.

    Raises:
        ToolMissing: the search is not compiled and there is no C compiler.
        MemoryError: the lists do not fit.
    """

    def __init__(
        self, buffers: Sequence[Buffer], rules: Rules = ALL_RULES, orders: Sequence[str] = ORDERS
    ) -> None:
        self.grain = grain_bytes(buffers)
        self.free = [buffer for buffer in buffers if buffer.offset is None]
        self.pins = sorted((b for b in buffers if b.offset is not None), key=lambda b: -(b.offset or 0))
        self._arrays = _arrays(self.free, self.pins, self.grain)
        self._problem = Problem(
            count=len(self.free),
            sections=self._arrays.pop("sections").item(),
            pins=len(self.pins),
            **{name: array.ctypes.data for name, array in self._arrays.items()},
        )
        self._library = library()
        self._keys = [_keys(self._arrays, self.free, order) for order in orders]
        self._orders = [
            Order(len(code), code.find("T"), keys.ctypes.data)
            for code, keys in zip(orders, self._keys, strict=True)
        ]
        self._handles: list[int] = []
        if not self.free:
            return
        self._handles = [
            self._library.pst_search_open(
                ctypes.addressof(self._problem), ctypes.addressof(order), int(rules), _NOGOOD_BITS
            )
            for order in self._orders
        ]
        if not all(self._handles):
            self.close()
            raise MemoryError(f"{len(buffers)} buffers are too many for the exact search")

    def decide(self, capacity: int, node_limit: int | None = None, stop: Stop | None = None) -> Answer:
        """Whether the buffers fit in that many bytes.

        Args:
            capacity: bytes of the arena.
            node_limit: nodes all orders may visit together; None for no limit.
            stop: ends the search early.
        """
        if any((pin.offset or 0) + pin.size_bytes > capacity for pin in self.pins):
            return Answer(proved=True)
        if not self.free:
            return Answer({pin.name: pin.offset or 0 for pin in self.pins})
        highest = np.array([(capacity - b.size_bytes) // self.grain for b in self.free], np.int32)
        flag, visited = stop or Stop(), 0
        limit = _FIRST_LIMIT * len(self.free)
        while node_limit is None or visited < node_limit:
            for handle in self._handles:
                budget = limit if node_limit is None else min(limit, node_limit - visited)
                before = self._library.pst_search_nodes(handle)
                status, offsets = self._run(handle, capacity, highest, budget, flag)
                visited += self._library.pst_search_nodes(handle) - before
                if status is Status.MEMORY:
                    raise MemoryError(f"{len(self.free)} buffers are too many for the exact search")
                if status is Status.STOPPED:
                    return Answer(nodes=visited)
                if status is not Status.LIMIT:
                    return Answer(offsets, status is Status.NONE, visited)
            limit *= 2
        return Answer(nodes=visited)

    def _run(
        self, handle: int, capacity: int, highest: np.ndarray, limit: int, stop: Stop
    ) -> tuple[Status, dict[str, int] | None]:
        found = np.empty(len(self.free), np.int32)
        status = Status(
            self._library.pst_search_run(
                handle,
                -(-capacity // self.grain),
                highest.ctypes.data,
                limit,
                ctypes.addressof(stop.flag),
                found.ctypes.data,
            )
        )
        if status is not Status.FOUND:
            return status, None
        offsets = {b.name: int(at) * self.grain for b, at in zip(self.free, found, strict=True)}
        return status, offsets | {pin.name: pin.offset or 0 for pin in self.pins}

    def close(self) -> None:
        """Give the memory back."""
        for handle in self._handles:
            self._library.pst_search_close(handle)
        self._handles = []

    def __enter__(self) -> Search:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def takes(buffers: Sequence[Buffer]) -> bool:
    """Whether the search takes a problem of this size."""
    if len(buffers) > MOST_BUFFERS or not buffers:
        return False
    grain = grain_bytes(buffers)
    pinned = max((b.offset + b.size_bytes for b in buffers if b.offset is not None), default=0)
    return (sum(b.size_bytes + grain + b.align for b in buffers) + pinned) // grain < LARGEST_GRAINS


def _ragged(lists: Sequence[Sequence[int] | np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where each list begins, and the lists one after the other."""
    starts = np.cumsum([0, *(len(each) for each in lists)])
    flat = [item for each in lists for item in each] or [0, 0]
    return starts.astype(np.int32), np.array(flat, np.int32)


def _arrays(free: Sequence[Buffer], pins: Sequence[Buffer], grain: int) -> dict[str, np.ndarray]:
    edges = sorted({edge for b in (*free, *pins) for span in b.spans for edge in span})
    section = {edge: index for index, edge in enumerate(edges)}
    spans = [[(section[low], section[high]) for low, high in b.spans] for b in (*free, *pins)]
    overlapping = together((*free, *pins))
    np.fill_diagonal(overlapping, False)
    count = len(free)
    neighbours = [np.flatnonzero(row[:count]) for row in overlapping[:count]]
    bottoms = [(pin.offset or 0) // grain for pin in pins]
    fences = [np.flatnonzero(row[count:])[::-1] for row in overlapping[:count]]
    flat = [[edge for pair in pairs for edge in pair] for pairs in spans]
    span_at, free_spans = _ragged(flat[:count])
    pin_span_at, pin_spans = _ragged(flat[count:])
    neighbour_at, neighbour_list = _ragged(neighbours)
    fence_at, fence_list = _ragged(fences)
    last: dict[tuple[object, ...], int] = {}
    twin = []
    for index, buffer in enumerate(free):
        # Equal in every key of an order too: a gap at an end leaves the spans of a shorter life.
        kind = (buffer.spans, buffer.steps, buffer.size_bytes, buffer.align)
        twin.append(last.get(kind, -1))
        last[kind] = index
    return {
        "sections": np.array(max(len(edges) - 1, 0)),
        "size": np.array([-(-b.size_bytes // grain) for b in free], np.int32),
        "align": np.array([max(1, b.align // grain) for b in free], np.int32),
        "span_at": span_at // 2,
        "spans": free_spans,
        "neighbour_at": neighbour_at,
        "neighbours": neighbour_list,
        "twin": np.array(twin, np.int32),
        "pin_bottom": np.array(bottoms or [0], np.int32),
        "pin_top": np.array(
            [-(-((pin.offset or 0) + pin.size_bytes) // grain) for pin in pins] or [0], np.int32
        ),
        "pin_span_at": pin_span_at // 2,
        "pin_spans": pin_spans,
        "fence_at": fence_at,
        "fences": fence_list,
    }


def _keys(arrays: dict[str, np.ndarray], free: Sequence[Buffer], code: str) -> np.ndarray:
    """One row of keys for each letter of an order."""
    count = len(free)
    spans, at = arrays["spans"].reshape(-1, 2), arrays["span_at"]
    size = arrays["size"].astype(np.int64)
    load = np.zeros(int(spans.max(initial=0)) + 1, np.int64)
    for b in range(count):
        for low, high in spans[at[b] : at[b + 1]]:
            load[low:high] += size[b]
    length = np.array([b.steps for b in free], np.int64)
    keys = {
        "T": lambda: np.zeros(count, np.int64),
        "t": lambda: np.array(
            [max(load[low:high].max() for low, high in spans[at[b] : at[b + 1]]) for b in range(count)],
            np.int64,
        ),
        "L": lambda: length,
        "A": lambda: size * length,
        "C": lambda: np.array([spans[at[b + 1] - 1][1] - spans[at[b]][0] for b in range(count)], np.int64),
    }
    return (
        np.ascontiguousarray(np.stack([keys[letter]() for letter in code]))
        if count
        else np.zeros((1, 1), np.int64)
    )
