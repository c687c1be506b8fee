"""What becomes of tensors that cross a pass boundary: kept whole, spilled, or made again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from .nest import KEEP, RECOMPUTE, SPILL, Nest
from .part import renames

_CHOICES = 81


def fate_choices(nest: Nest, *, recompute: bool = True) -> Iterator[tuple[tuple[str, str], ...]]:
    """Ways to treat what crosses pass boundaries: every combination where there are at most 81.

    With more, the smallest are kept and the rest is spilled or made again. What only renames is always
    read again where it comes from.
    """
    written, carried = nest.part.written, nest.part.carried
    crossing = [name for name in nest.crossing() if not renames(written[name]) or name in carried]
    offered = {
        name: (KEEP, SPILL, RECOMPUTE) if recompute and name not in carried else (KEEP, SPILL)
        for name in crossing
    }
    if prod(len(each) for each in offered.values()) <= _CHOICES:
        for fates in product(*offered.values()):
            yield tuple(zip(crossing, fates, strict=True))
        return
    fiber = {name: nest.tile(written[name].output, point=True, fiber=True).constant for name in crossing}
    ranked = sorted(crossing, key=lambda name: fiber[name])
    for kept in range(len(ranked) + 1):
        rest = [offered[name][1:] for name in ranked[kept:]]
        if prod(len(each) for each in rest) > _CHOICES // 5:
            rest = [each[-1:] for each in rest]
        for fates in product(*rest):
            yield tuple(zip(ranked, (*(KEEP,) * kept, *fates), strict=True))


def all_spilled(nest: Nest) -> tuple[tuple[str, str], ...]:
    """The treatment that holds least: everything that crosses a pass boundary goes through memory."""
    return tuple((name, SPILL) for name in nest.crossing())
