"""What the drivers share: what a run brings back, and how it tells of its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[str, float, float | None], None]
"""``progress(label, done, total)``: what is being done, how far, and of how much (None: unknown)."""


@dataclass(frozen=True)
class Run:
    """One run of a design's RTL.

    Attributes:
        results: float32 ``[T, N]``.
        cycles: the RTL's own count, start to done.
        nonfinite: the RTL saw an infinity or NaN among the activations.
        build_seconds: building the model; 0 where it was in the cache.
        run_seconds: running it.
    """

    results: NDArray[np.float32]
    cycles: int
    nonfinite: bool
    build_seconds: float
    run_seconds: float
