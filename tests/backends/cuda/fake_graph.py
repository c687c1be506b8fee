"""What a driver without a GPU captured, and the orders in which it may be carried out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Recorded:
    """Something enqueued: what, by which stream, and the numbers of what must have ended before."""

    name: str
    stream: int
    run: Callable[[], None]
    after: frozenset[int] = frozenset()


def drawn(listed: list[Recorded], seed: int | None) -> list[int]:
    """An order in which a graph may be carried out."""
    if seed is None:
        return list(range(len(listed)))
    chance, done, left = random.Random(seed), list[int](), set(range(len(listed)))
    while left:
        done.append(chance.choice(sorted(n for n in left if not listed[n].after & left)))
        left.remove(done[-1])
    return done
