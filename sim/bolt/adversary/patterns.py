"""Sequences of operations that an oblivious map must make look alike: hot keys, sweeps, misses, churn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ....ir.errors import InputError
from ..config import BoltConfig, Op


@dataclass(frozen=True)
class Load:
    """Operations in order.

    Attributes:
        ops: ``[n]`` uint8.
        keys: ``[n]`` uint32.
        values: ``[n, value_bytes]`` uint8; used by PUT.
    """

    ops: np.ndarray
    keys: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.ops)


Draw = Callable[[np.random.Generator, int, int], tuple[np.ndarray, np.ndarray]]
"""Generator, capacity and length → ops and keys."""


def _only(op: Op, keys: Callable[[np.random.Generator, int, int], np.ndarray]) -> Draw:
    return lambda draw, capacity, length: (np.full(length, op), keys(draw, capacity, length))


def _uniform(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    return draw.integers(0, capacity, length)


def _single(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    return np.full(length, draw.integers(0, capacity))


def _sweep(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    at = np.arange(length)
    return np.where(at // capacity % 2, capacity - 1 - at % capacity, at % capacity)


def _half(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    return draw.integers(0, capacity // 2, length)


def _hot(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    hot = draw.random(length) < 0.9
    return np.where(
        hot, draw.integers(0, max(1, capacity // 100), length), draw.integers(0, capacity, length)
    )


def _zipf(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    return np.minimum(np.exp2(draw.random(length) * np.log2(capacity)).astype(int) - 1, capacity - 1)


def _stride(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    return np.arange(length) * 2654435761 % capacity


def _absent(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    return draw.integers(1 << 31, 1 << 32, length)


def _repeated(draw: np.random.Generator, capacity: int, length: int) -> np.ndarray:
    return np.repeat(draw.integers(0, capacity, -(-length // 4)), 4)[:length]


def _churn(draw: np.random.Generator, capacity: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """A full map whose keys are deleted and put back in turn."""
    at = np.arange(length)
    return np.where(at % 2, Op.PUT, Op.DEL), at // 2 * 40503 % capacity


def _mixed(draw: np.random.Generator, capacity: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """All ops, a third of the keys absent: as many live keys as fit."""
    return draw.integers(0, len(Op), length), draw.integers(0, capacity * 3 // 2, length) % (1 << 32)


def _writes(draw: np.random.Generator, capacity: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    return draw.choice([Op.PUT, Op.DEL], length), draw.integers(0, capacity, length)


PATTERNS: Mapping[str, Draw] = {
    "uniform": _only(Op.GET, _uniform),
    "single": _only(Op.GET, _single),
    "sweep": _only(Op.GET, _sweep),
    "half": _only(Op.GET, _half),
    "hot": _only(Op.GET, _hot),
    "zipf": _only(Op.GET, _zipf),
    "stride": _only(Op.GET, _stride),
    "repeated": _only(Op.GET, _repeated),
    "absent": _only(Op.GET, _absent),
    "delete-absent": _only(Op.DEL, _absent),
    "overwrite": _only(Op.PUT, _uniform),
    "nop": _only(Op.NOP, _single),
    "writes": _writes,
    "churn": _churn,
    "mixed": _mixed,
}


def pattern(name: str, config: BoltConfig, length: int, seed: int = 0) -> Load:
    """Operations of a pattern on a map that holds the keys 0…N−1, or fewer.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PATTERNS:
        raise InputError(f"no pattern {name!r}", where="patterns of access", accepted=", ".join(PATTERNS))
    draw = np.random.default_rng(seed)
    ops, keys = PATTERNS[name](draw, config.capacity, length)
    values = draw.integers(0, 256, (length, config.value_bytes), np.uint8)
    return Load(np.asarray(ops, np.uint8), np.asarray(keys, np.uint32), values)
