"""Greedies for up to some hundred thousand buffers, in C, side by side on the machine's cores.

Buffers that meet are found through a segment tree over time, so the work grows with the pairs that are live
together, not with all pairs. Largest first, first fit, is within a fraction of a per cent of the bound where
hundreds are live at once; the other orders are for where it is not.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

import numpy as np

from .native import library
from .problem import Buffer
from .search import Stop

ORDERS = (("size", False), ("area", False), ("lifetime", True), ("size", True))
"""Orders and whether each takes the tightest gap instead of the first."""


class _Spans:
    """The buffers as arrays over sections."""

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        spans = np.array([span for b in buffers for span in b.spans], np.int64).reshape(-1, 2)
        edges = np.unique(spans)
        self.sections = max(len(edges) - 1, 1)
        self.spans = np.ascontiguousarray(np.searchsorted(edges, spans), np.int32)
        self.span_at = np.cumsum([0, *(len(b.spans) for b in buffers)]).astype(np.int32)
        self.size = np.array([b.size_bytes for b in buffers], np.int64)
        self.align = np.array([b.align for b in buffers], np.int64)
        self.given = np.array([-1 if b.offset is None else b.offset for b in buffers], np.int64)
        self.steps = np.array([b.steps for b in buffers], np.int64)

    def order(self, name: str) -> np.ndarray:
        """Buffers with a given place, then the others, largest key first."""
        keys = {
            "size": (-self.size, -self.steps),
            "area": (-self.size * self.steps, -self.size),
            "lifetime": (-self.steps, -self.size),
        }[name]
        return np.lexsort((*reversed(keys), self.given < 0)).astype(np.int32)

    def place(self, order: np.ndarray, tightest: bool, stop: Stop) -> np.ndarray | None:
        """Offsets, or None when stopped."""
        offsets = np.empty(len(order), np.int64)
        status = library().pst_greedy(
            len(order),
            self.sections,
            *(a.ctypes.data for a in (order, self.span_at, self.spans, self.size, self.align, self.given)),
            int(tightest),
            ctypes.addressof(stop.flag),
            offsets.ctypes.data,
        )
        if status == 2:
            raise MemoryError(f"{len(order)} buffers")
        return None if status else offsets


def crowded(
    buffers: Sequence[Buffer], stop: Stop | None = None, jobs: int | None = None
) -> Iterator[tuple[str, dict[str, int]]]:
    """Each greedy's (name, offsets by buffer name), in the order of `ORDERS` with one job, else as they end.

    Args:
        buffers: of one arena.
        stop: ends those that run.
        jobs: threads; the cores where not given.
    """
    spans, stop = _Spans(buffers), stop or Stop()
    names = [f"{order}-{'best' if tightest else 'first'}-fit" for order, tightest in ORDERS]
    jobs = jobs or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(jobs) as pool:
        tasks: dict[Future[np.ndarray | None], str] = {
            pool.submit(spans.place, spans.order(order), tightest, stop): name
            for name, (order, tightest) in zip(names, ORDERS, strict=True)
        }
        try:
            for task in tasks if jobs == 1 else as_completed(tasks):
                found = task.result()
                if found is not None:
                    yield tasks[task], {b.name: int(at) for b, at in zip(buffers, found, strict=True)}
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
