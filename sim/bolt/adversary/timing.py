"""T4, timing: what an access takes may depend on what is visible of it, and on nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .statistics import Finding


def hidden_effects(
    latency: np.ndarray, visible: np.ndarray, hidden: Mapping[str, np.ndarray]
) -> list[Finding]:
    """The slope of latency over each hidden quantity, what the visible explains taken out: a t-score.

    Args:
        latency: ``[n]`` cycles or seconds.
        visible: ``[n]`` or ``[n, k]`` labels: accesses with equal ones look alike.
        hidden: by name, ``[n]`` numbers: hit, pending blocks, state…
    """
    _, label = np.unique(visible.reshape(len(visible), -1), axis=0, return_inverse=True)
    label = label.reshape(-1)
    left = _without_means(latency.astype(float), label)
    free = len(latency) - len(np.unique(label)) - 1
    return [
        Finding(name, _slope(left, _without_means(each.astype(float), label), free))
        for name, each in hidden.items()
    ]


def welch_t(one: np.ndarray, other: np.ndarray, name: str = "latencies") -> Finding:
    """Welch's t of two samples; 0 where both are the same constant."""
    spread = one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)
    apart = float(one.mean() - other.mean())
    if spread == 0:
        return Finding(name, 0.0 if apart == 0 else math.copysign(math.inf, apart))
    return Finding(name, apart / math.sqrt(spread))


def _without_means(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    count = np.bincount(label)
    return values - (np.bincount(label, values) / count)[label]


def _slope(left: np.ndarray, hidden: np.ndarray, free: int) -> float:
    """The t-score of a regression's slope; 0 where either does not vary, infinite for a perfect fit."""
    scale, own = float(left @ left), float(hidden @ hidden)
    tiny = 1e-18 * len(left)
    if scale <= tiny or own <= tiny or free < 1:
        return 0.0
    correlation = float(left @ hidden) / math.sqrt(scale * own)
    if abs(correlation) >= 1 - 1e-12:
        return math.copysign(math.inf, correlation)
    return correlation * math.sqrt(free / (1 - correlation**2))
