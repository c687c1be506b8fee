"""The mappings a search goes through: dataflows, and for each the numbers of every rank and loop order.

A dataflow says which ranks lie over rows and columns, which unit runs which Einsum, and where what crosses
a pass is kept; its splits and loop orders are points of a box, so that many are priced at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ...ir.einsum import Einsum
from ...ir.targets import Target, Unit
from ...ir.view import Cascade
from ...sim.cost.spatial.mapping import MappingError, Nest, Split
from ...sim.cost.spatial.operations import cost_of, operations_of
from ...sim.cost.spatial.points import Points
from ...sim.cost.spatial.workload import Problem, problem

Array = np.ndarray
MOST_ORDERS = 5040
"""Orders of one level's loops, the first ones where there are more."""
MOST_PLACES = 27
"""Combinations of places of intermediates that are all tried."""


@dataclass(frozen=True)
class Box:
    """One dataflow and everything that is free in it.

    Attributes:
        nest: the dataflow; its numbers are not used.
        problem: the nest without its numbers.
        splits: per rank, its choices as rows (outer, inner, spatial).
        dram, buffer: the loop orders to choose from, as positions of every rank.
    """

    nest: Nest
    problem: Problem
    splits: tuple[Array, ...]
    dram: Array
    buffer: Array

    @property
    def radix(self) -> tuple[int, ...]:
        """Number of choices of each kind: every rank's splits, the DRAM order, the buffer order."""
        return (*(len(choices) for choices in self.splits), len(self.dram), len(self.buffer))

    @property
    def size(self) -> int:
        """Number of mappings."""
        total = 1
        for count in self.radix:
            total *= count
        return total

    def digits(self, numbers: Array) -> Array:
        """The choices (kind × mapping) of mappings given by their number."""
        found = []
        for count in self.radix:
            numbers, digit = np.divmod(numbers, count)
            found.append(digit)
        return np.array(found)

    def points(self, digits: Array) -> Points:
        """The mappings with these choices."""
        chosen = np.array(
            [choices[digit] for choices, digit in zip(self.splits, digits[: len(self.splits)], strict=True)]
        )
        return Points(
            chosen[:, :, 0].copy(),
            chosen[:, :, 1].copy(),
            chosen[:, :, 2].copy(),
            self.dram[digits[-2]].T.copy(),
            self.buffer[digits[-1]].T.copy(),
        )

    def likely(self, count: int, random: np.random.Generator) -> Array:
        """Random choices, half to all of the ranks at an end: one trip of a loop, and the widest spread."""
        found = []
        share = random.choice([0.5, 0.75, 1.0], count)
        for choices in self.splits:
            wide = choices[:, 2] == choices[:, 2].max()
            ends = np.flatnonzero((choices[:, 0] == 1) | (choices[:, 1] == 1) & wide)
            ends = ends[wide[ends]] if wide[ends].any() else ends
            end = random.random(count) < share
            found.append(np.where(end, random.choice(ends, count), random.integers(0, len(choices), count)))
        for orders in (self.dram, self.buffer):
            found.append(random.integers(0, len(orders), count))
        return np.array(found)

    def mapping(self, digits: Array) -> Nest:
        """One mapping, as a nest to print and evaluate."""
        names = self.problem.ranks
        row = [choices[digit] for choices, digit in zip(self.splits, digits[: len(names)], strict=True)]
        dram = [names[rank] for rank in np.argsort(self.dram[digits[-2]])]
        buffer = [names[rank] for rank in np.argsort(self.buffer[digits[-1]])]
        return replace(
            self.nest,
            splits={name: Split(*map(int, numbers)) for name, numbers in zip(names, row, strict=True)},
            dram_order=tuple(dram),
            buffer_order=tuple(rank for rank in buffer if rank not in self.nest.tile_order),
        )


def boxes(cascade: Cascade, target: Target, *, element_bytes: int = 2, most_splits: int = 64) -> list[Box]:
    """Every dataflow of a cascade as one nest.

    Args:
        cascade: with extents.
        target: with units of one and two dimensions.
        element_bytes: of a tensor element.
        most_splits: choices of a rank beyond which only powers of two are taken.
    """
    found = []
    for nest in _dataflows(cascade, target):
        stated = _stated(cascade, nest, target, element_bytes)
        for keep in _choices(_places(stated)) if stated else ():
            for double in (True, False):
                each = replace(nest, keep=keep, double_buffered=double)
                stated = _stated(cascade, each, target, element_bytes)
                if stated:
                    found.append(_box(each, stated, most_splits))
    return found


def _stated(cascade: Cascade, nest: Nest, target: Target, element_bytes: int) -> Problem | None:
    """The nest taken apart; None where the dataflow cannot be."""
    try:
        return problem(cascade, nest, target, element_bytes)
    except MappingError:
        return None


def _choices(places: Mapping[str, tuple[str, ...]]) -> list[dict[str, str]]:
    """Every combination where they are few; else all in one place, but for one tensor."""
    combinations = itertools.product(*places.values())
    if math.prod(map(len, places.values())) <= MOST_PLACES:
        return [dict(zip(places, kept, strict=True)) for kept in combinations]
    found = []
    for common in ("array", "buffer", "dram"):
        base = {tensor: common if common in open_to else open_to[0] for tensor, open_to in places.items()}
        single = [base | {tensor: place} for tensor, open_to in places.items() for place in open_to]
        found += [each for each in (base, *single) if each not in found]
    return found


def _places(stated: Problem) -> dict[str, tuple[str, ...]]:
    """Where intermediates that have a choice are kept: what a later pass reads, what lanes make in rows."""
    found: dict[str, tuple[str, ...]] = {}
    for tensor, at in stated.source.items():
        step = stated.steps[at]
        if stated.held.get(tensor):
            found[tensor] = ("array", "buffer", "dram")
        elif stated.place[tensor] == "array" and step.write.ranks & stated.turns(step):
            found[tensor] = ("array", "buffer")
    return found


def _box(nest: Nest, stated: Problem, most_splits: int) -> Box:
    rows, cols = stated.array
    every = frozenset(range(len(stated.ranks)))
    uses = [use.ranks for step in stated.steps for use in (*step.reads, step.write)]
    common = frozenset.intersection(every, *uses)
    splits = []
    for rank, extent in enumerate(stated.extents):
        wide = rows if rank in stated.rows else cols if rank in stated.cols else 1
        splits.append(_splits(extent, wide, most_splits, inside=rank not in common))
    moving = [r for r in sorted(every - common) if splits[r][:, 0].max() > 1]
    turning = [r for r in sorted(every - common - set(stated.tile)) if splits[r][:, 1].max() > 1]
    return Box(
        nest,
        stated,
        tuple(splits),
        _orders(len(every), tuple(sorted(common)), tuple(moving)),
        _orders(len(every), tuple(sorted(common)), tuple(turning)),
    )


def _dataflows(cascade: Cascade, target: Target) -> Iterator[Nest]:
    """Every pair of ranks over rows and columns; ranks that all tensors have are loops around everything."""
    einsums = cascade.einsums
    ranks = tuple(dict.fromkeys(rank for einsum in einsums for rank in einsum.ranks))
    accesses = [access for e in einsums for access in (*e.accesses, e.output)]
    common = [rank for rank in ranks if all(rank in access.ranks for access in accesses)]
    flat = next((unit for unit in target.unit if len(unit.shape) == 2), None)
    lanes = next((unit for unit in target.unit if len(unit.shape) == 1), None)
    free = [rank for rank in ranks if rank not in common and rank != cascade.generational]
    spread = free or common
    few = len(spread) < 2
    for rows, cols in itertools.product((*spread, None) if flat else (None,), (*spread, None)):
        if None in (rows, cols) and flat is not None and not few:
            continue
        if rows == cols and rows is not None:
            continue
        for units in _assignments(einsums, rows, flat, lanes, target):
            yield Nest(
                units=units,
                splits={rank: Split(cascade.extents[rank]) for rank in ranks if rank in cascade.extents},
                rows=(rows,) if rows else (),
                cols=(cols,) if cols else (),
                tile_order=tuple(rank for rank in free if rank not in (rows, cols)),
            )


def _assignments(
    einsums: tuple[Einsum, ...], rows: str | None, flat: Unit | None, lanes: Unit | None, target: Target
) -> list[dict[str, str]]:
    """Units by Einsum: all that can run on the two-dimensional array, or its contractions only."""
    found: list[dict[str, str]] = []
    for only in (einsums, tuple(einsum for einsum in einsums if "mac" in operations_of(einsum))):
        units = _units(einsums, rows, only, flat, lanes, target)
        if units is not None and units not in found:
            found.append(units)
    return found


def _units(
    einsums: tuple[Einsum, ...],
    rows: str | None,
    wide: tuple[Einsum, ...],
    flat: Unit | None,
    lanes: Unit | None,
    target: Target,
) -> dict[str, str] | None:
    """Einsums of `wide` that have the rank on the rows run on the two-dimensional array where it can."""
    found = {}
    for einsum in einsums:
        upon = einsum in wide and (rows is None or rows in einsum.ranks)
        wanted = [flat, lanes] if upon else [lanes, flat]
        able = [unit for unit in wanted if unit is not None and performs(einsum, unit, target)]
        if not able:
            return None
        found[einsum.output.tensor] = able[0].name
    return found


def performs(einsum: Einsum, unit: Unit, target: Target) -> bool:
    """Whether a unit has all the operators of an Einsum."""
    try:
        cost_of(einsum, unit, target, 2)
    except MappingError:
        return False
    return True


@lru_cache(maxsize=4096)
def _splits(extent: int, wide: int, most: int, *, inside: bool) -> Array:
    """Choices for a rank: its divisors, or the powers of two where they are too many; and the full width.

    Args:
        extent: of the rank.
        wide: rows or columns it may lie over.
        most: divisors at most.
        inside: it may have trips inside a DRAM tile.
    """
    found = set()
    for spatial in _sizes(extent, wide, most):
        rest = -(-extent // spatial)
        for inner in _sizes(rest, rest if inside else 1, most):
            found.add((-(-rest // inner), inner, spatial))
    return np.array(sorted(found), np.int64)


def _sizes(extent: int, most: int, limit: int) -> list[int]:
    """Divisors of the extent up to `most`, and the largest size that fits."""
    top = max(1, min(extent, most))
    divisors = {n for n in range(1, int(extent**0.5) + 1) if extent and extent % n == 0}
    divisors |= {extent // n for n in divisors}
    if len(divisors) > limit:
        divisors = {2**n for n in range(extent.bit_length())}
    return sorted({n for n in divisors if n <= top} | {top, 1})


@lru_cache(maxsize=1024)
def _orders(size: int, first: tuple[int, ...], free: tuple[int, ...]) -> Array:
    """Loop orders as positions: `first` outermost, `free` in every order, the rest innermost."""
    rest = tuple(rank for rank in range(size) if rank not in first and rank not in free)
    middles = itertools.islice(itertools.permutations(free), MOST_ORDERS)
    return np.argsort(np.array([first + middle + rest for middle in middles], np.int64), axis=1)
