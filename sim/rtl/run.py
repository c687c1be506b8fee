"""What the drivers share: what a run brings back, and how it tells of its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from numpy.typing import NDArray

Progress = Callable[[str, float, float | None], None]
"""``progress(label, done, total)``: what is being done, how far, and of how much (None: unknown)."""


@dataclass(frozen=True)
class Run:
    """One run of a design's RTL.

    Attributes:
        results: the result's array.
        figures: the RTL's own counters and flags, by name; ``cycles`` is start to done.
        build_seconds: building the model; 0 where it was in the cache.
        run_seconds: running it.
    """

    results: NDArray
    figures: Mapping[str, int]
    build_seconds: float
    run_seconds: float
