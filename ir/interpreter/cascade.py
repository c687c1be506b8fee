"""Runs a cascade written as text in float64, straight from its definition (FuseMax §II-C).

What carries a value from one generation to the next runs generation by generation; every other Einsum
runs once, over its whole iteration space. Where a split ``m1*M0+m0`` reaches past the end of a tensor the
last tile is short: its points are not visited, in any Einsum over both parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..einsum import Access, Einsum, Index
from ..errors import InputError
from ..operators import MAPS, REDUCES
from ..view import Cascade
from .einsum import evaluate

Array = np.ndarray


def run_cascade(cascade: Cascade, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The values of every tensor of a cascade, inputs included.

    Args:
        cascade: the cascade; ranks without an extent take it from the inputs.
        inputs: an array per program input. Tensors of truth values may be given as bool, all others are
            taken as float64.

    Returns:
        Arrays by tensor. What is carried over a generational rank of extent M holds M+1 generations.

    Raises:
        InputError: an input is missing or has another shape; a rank has no extent; a split in more than two
            parts, or a split rank of two lengths, does not divide its rank.
    """
    values: dict[str, Array] = {}
    for name in cascade.inputs:
        if name not in inputs:
            raise InputError(f"input '{name}' is missing", accepted=", ".join(cascade.inputs))
        array = np.asarray(inputs[name])
        values[name] = array if array.dtype.kind == "b" else array.astype(np.float64)
    extents = _extents(cascade, values)
    return _Run(cascade, values, extents).run()


def input_shapes(cascade: Cascade) -> dict[str, tuple[int, ...]]:
    """The shape each program input must at least have, from the extents of the ranks that read it.

    Raises:
        InputError: a rank has no extent.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for einsum in cascade.all:
        for access in einsum.accesses:
            if access.tensor in cascade.written:
                continue
            missing = [rank for rank in access.ranks if rank not in cascade.extents]
            if missing:
                raise InputError(f"rank '{missing[0]}' has no extent", where=str(einsum), accepted="a shape")
            sizes = tuple(index.bounds(cascade.extents)[1] + 1 for index in access.index)
            shapes.setdefault(access.tensor, sizes)
            if len(shapes[access.tensor]) == len(sizes):
                pairs = zip(sizes, shapes[access.tensor], strict=True)
                shapes[access.tensor] = tuple(max(pair) for pair in pairs)
    return shapes


def _extents(cascade: Cascade, values: Mapping[str, Array]) -> dict[str, int]:
    """Extents of all ranks; plain ranks of inputs are held to them."""
    extents = dict(cascade.extents)
    for einsum in cascade.all:
        for access in einsum.accesses:
            array = values.get(access.tensor)
            if array is None:
                continue
            if array.ndim != len(access.index):
                raise InputError(
                    f"shape {list(array.shape)}", where=str(access), accepted=f"{len(access.index)} ranks"
                )
            for rank, size in zip(access.plain, array.shape, strict=True):
                if rank is not None and extents.setdefault(rank, size) != size:
                    raise InputError(
                        f"rank '{rank}' has extent {extents[rank]} and, in {access.tensor}, {size}",
                        where=str(einsum),
                    )
    for einsum in cascade.all:
        for rank in einsum.ranks:
            if rank not in extents:
                raise InputError(f"rank '{rank}' has no extent", where=str(einsum), accepted="a shape")
    return extents


class _Run:
    """The tensors of one run; `tails` gives the length of the last tile per pair of sub-ranks."""

    def __init__(self, cascade: Cascade, values: dict[str, Array], extents: dict[str, int]) -> None:
        self.cascade = cascade
        self.values = values
        self.extents = extents
        self.rank = cascade.generational
        self.carried = set(cascade.carried)
        self.tails = self.ragged()

    def run(self) -> dict[str, Array]:
        for einsum in self.cascade.init:
            self.write(einsum)
        body, late = self.generations()
        for einsum in self.cascade.einsums:
            if einsum not in body and einsum not in late:
                self.write(einsum)
        if self.rank is not None:
            for generation in range(self.extents[self.rank]):
                for einsum in body:
                    self.write(einsum, {self.rank: generation})
        for einsum in late:
            self.write(einsum)
        return self.values

    def generations(self) -> tuple[list[Einsum], list[Einsum]]:
        """The Einsums from one generation to the next, and those that wait for the last one."""
        reached = set(self.carried)
        for einsum in self.cascade.einsums:
            if any(access.tensor in reached for access in einsum.accesses):
                reached.add(einsum.output.tensor)
        needed = set(self.carried)
        for einsum in reversed(self.cascade.einsums):
            if einsum.output.tensor in needed:
                needed |= {access.tensor for access in einsum.accesses}
        body = [e for e in self.cascade.einsums if e.output.tensor in reached & needed]
        waits = [e for e in self.cascade.einsums if e.output.tensor in reached and e not in body]
        return body, waits

    def ragged(self) -> dict[tuple[str, str], int]:
        """Pairs ``(m1, m0)`` whose last tile is short, with its length."""
        tails: dict[tuple[str, str], int] = {}
        families = {frozenset(family): family for family in self.cascade.families() if len(family) > 1}
        for access, index, size in self.dimensions():
            family = families.get(frozenset(index.ranks))
            if family is None or index.const or index.bounds(self.extents)[1] < size:
                continue
            if len(family) > 2:
                raise InputError("a split in three parts does not divide its rank", where=str(access))
            tail = size - self.extents[family[1]] * (self.extents[family[0]] - 1)
            if tails.setdefault((family[0], family[1]), tail) != tail or tail < 1:
                raise InputError(f"a rank of {size} does not fit the tiles", where=str(access))
        return tails

    def dimensions(self) -> Iterator[tuple[Access, Index, int]]:
        """Every index at which a tensor is read, and the length of that dimension."""
        for einsum in self.cascade.all:
            for access in einsum.accesses:
                known = self.values.get(access.tensor)
                sizes = known.shape if known is not None else self.shape(access)
                for index, size in zip(access.index, sizes, strict=True):
                    yield access, index, size

    def write(self, einsum: Einsum, fixed: Mapping[str, int] | None = None) -> None:
        """Evaluate an Einsum at some fixed coordinates, tile by tile where the last one is short."""
        fixed = dict(fixed or {})
        pair = next((pair for pair in self.tails if set(pair) <= set(einsum.ranks)), None)
        if pair is None:
            self.store(einsum, self.value(einsum, fixed, self.extents), fixed)
            return
        outer, inner = pair
        total: Array | None = None
        for tile in [fixed[outer]] if outer in fixed else range(self.extents[outer]):
            last = tile == self.extents[outer] - 1
            clipped = {**self.extents, inner: self.tails[pair] if last else self.extents[inner]}
            value = self.value(einsum, {**fixed, outer: tile}, clipped)
            if outer not in einsum.reduced or einsum.reduce is None:
                self.store(einsum, value, {**fixed, outer: tile})
            else:
                total = value if total is None else REDUCES[einsum.reduce].pairwise(total, value)
        if total is not None:
            self.store(einsum, total, fixed)

    def value(self, einsum: Einsum, fixed: Mapping[str, int], extents: Mapping[str, int]) -> Array:
        kept = tuple(Index.of(rank) for rank in einsum.output.ranks if rank not in fixed)
        reduced = tuple(rank for rank in einsum.reduced if rank not in fixed)
        plain = replace(
            einsum,
            output=Access(einsum.output.tensor, kept),
            reduce=einsum.reduce if reduced else None,
            reduced=reduced,
        )
        tensors = [self.values[access.tensor] for access in einsum.accesses]
        return evaluate(plain, tensors, extents, self.kind(einsum, tensors), fixed)

    @staticmethod
    def kind(einsum: Einsum, tensors: Iterable[Array]) -> np.dtype:
        """Truth values stay truth values through comparisons, copies and logical folds."""
        logical = MAPS[einsum.map].kind == "bool" or (
            einsum.map == "id" and einsum.accesses and all(tensor.dtype.kind == "b" for tensor in tensors)
        )
        counts = einsum.reduce in ("sum", "prod")
        return np.dtype(bool if logical and not counts else np.float64)

    def store(self, einsum: Einsum, value: Array, fixed: Mapping[str, int]) -> None:
        output = einsum.output
        if output.tensor not in self.values:
            self.values[output.tensor] = np.zeros(self.shape(output), value.dtype)
        place: list[int | slice] = []
        sizes = iter(value.shape)
        for index in output.index:
            free = [rank for rank in index.ranks if rank not in fixed]
            start = index.const + sum(coeff * fixed[rank] for rank, coeff in index.terms if rank in fixed)
            place.append(slice(start, start + next(sizes)) if free else start)
        self.values[output.tensor][tuple(place)] = value

    def shape(self, output: Access) -> list[int]:
        """Shape of a tensor made here: a carried one has one generation more than its rank."""
        sizes: list[int] = []
        written = [e.output for e in self.cascade.all if e.output.tensor == output.tensor]
        for dimension in range(len(output.index)):
            ends = [each.index[dimension].bounds(self.extents)[1] + 1 for each in written]
            sizes.append(max(ends))
        return sizes
