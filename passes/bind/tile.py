"""What one tile of a one-pass cascade is, and how it lies on the arrays (FuseMax figure 5).

The generational rank counts the tiles. Its inner sub-rank lies on the rows of a two-dimensional array. Ranks
that all running values have and the loop never sums over are independent points: one lies on the columns, any
others are loops around everything. What is left of an Einsum's ranks is done step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.einsum import Einsum
from ...ir.errors import PlanError
from ...ir.view import Cascade
from ..analyse import count_passes


@dataclass(frozen=True)
class Tile:
    """One generation of a cascade over one set of columns.

    Attributes:
        cascade: as given.
        generational: the rank whose coordinates are the generations.
        rows: the rank on the rows, None where no rank is left for them.
        columns: the rank on the columns, None where the loop computes scalars.
        outer: ranks of loops around everything.
        before: Einsums computed once, before the first generation.
        loop: Einsums of every generation.
        after: Einsums computed once, after the last generation.
    """

    cascade: Cascade
    generational: str
    rows: str | None
    columns: str | None
    outer: tuple[str, ...]
    before: tuple[Einsum, ...]
    loop: tuple[Einsum, ...]
    after: tuple[Einsum, ...]

    @property
    def extents(self) -> Mapping[str, int]:
        """Extents of all ranks."""
        return self.cascade.extents

    def serial(self, ranks: tuple[str, ...]) -> tuple[str, ...]:
        """Ranks among these that neither lie on columns nor count tiles, in the cascade's order."""
        apart = {self.generational, self.columns, *self.outer}
        order = dict.fromkeys(rank for einsum in self.cascade.all for rank in einsum.ranks)
        return tuple(rank for rank in order if rank in ranks and rank not in apart)


def tile_of(cascade: Cascade, *, rows: str | None = None, columns: str | None = None) -> Tile:
    """The tile of a one-pass cascade.

    Args:
        cascade: with a generational rank, and extents.
        rows: rank to lay on the rows (default: the sub-rank inside a generation, else the rank that most
            Einsums reduce or compute over).
        columns: rank to lay on the columns (default: of the ranks of independent points, the one that the
            fewest inputs have, so that most of the inputs are shared by the columns).

    Raises:
        PlanError: no generational rank, more than one pass, or a rank that cannot lie where it is wanted.
    """
    rank = cascade.generational
    if rank is None:
        raise PlanError("no rank is generational", accepted="a cascade that one pass computes iteratively")
    family = cascade.family(rank)
    passes = count_passes(cascade, rank, family).passes
    if passes > 1:
        raise PlanError(f"makes {passes} passes over {rank}", accepted="a one-pass cascade")
    loop, before, after = _sections(cascade, rank)
    missing = {name for einsum in loop for name in einsum.ranks} - set(cascade.extents)
    if missing:
        raise PlanError(f"rank '{min(missing)}' has no extent", accepted="a line such as E=64, or --shape")
    kept = _kept(cascade, loop, {*family, *(name for einsum in loop for name in einsum.reduced)})
    chosen = _columns(cascade, kept, after) if columns is None else columns
    if columns is not None and columns not in kept:
        raise PlanError(f"points along '{columns}' are not independent", accepted=", ".join(kept) or "none")
    outer = tuple(each for each in kept if each != chosen)
    return Tile(
        cascade=cascade,
        generational=rank,
        rows=_rows(loop, family, {rank, chosen, *outer}) if rows is None else rows,
        columns=chosen,
        outer=outer,
        before=before,
        loop=loop,
        after=after,
    )


def _sections(
    cascade: Cascade, rank: str
) -> tuple[tuple[Einsum, ...], tuple[Einsum, ...], tuple[Einsum, ...]]:
    """The Einsums of the loop, those before it, and those after it."""
    loop = tuple(e for e in cascade.einsums if rank in e.ranks and not _loads(cascade, e))
    late = {einsum.output.tensor for einsum in loop}
    before: list[Einsum] = []
    after: list[Einsum] = []
    for einsum in cascade.einsums:
        if rank in einsum.ranks:
            continue
        if any(access.tensor in late for access in einsum.accesses):
            late.add(einsum.output.tensor)
            after.append(einsum)
        else:
            before.append(einsum)
    return loop, tuple(before), tuple(after)


def _loads(cascade: Cascade, einsum: Einsum) -> bool:
    """Whether an Einsum only names inputs anew."""
    inputs = set(cascade.inputs)
    reads_inputs = all(access.tensor in inputs for access in einsum.accesses)
    return einsum.map == "id" and einsum.reduce is None and reads_inputs


def _kept(cascade: Cascade, loop: tuple[Einsum, ...], apart: set[str]) -> tuple[str, ...]:
    """Ranks, in order, of every running value that nobody sums over: points along them are independent."""
    running = [set(einsum.output.ranks) for einsum in loop if einsum.output.tensor in cascade.carried]
    common = set.intersection(*running) - apart
    order = dict.fromkeys(rank for einsum in loop for rank in einsum.ranks)
    return tuple(rank for rank in order if rank in common)


def _columns(cascade: Cascade, kept: tuple[str, ...], after: tuple[Einsum, ...]) -> str | None:
    """The rank for the columns: not one that is summed over in the end, if there is another."""
    inputs = {a.tensor: set(a.ranks) for e in cascade.all for a in e.accesses if a.tensor in cascade.inputs}
    readers = {rank: sum(rank in ranks for ranks in inputs.values()) for rank in kept}
    summed = {rank for einsum in after for rank in einsum.reduced}
    return min(reversed(kept), key=lambda rank: (rank in summed, readers[rank]), default=None)


def _rows(loop: tuple[Einsum, ...], family: tuple[str, ...], taken: set[str | None]) -> str | None:
    if len(family) > 1:
        return family[1]
    counts: dict[str, int] = {}
    for einsum in loop:
        for rank in einsum.ranks:
            if rank not in taken:
                counts[rank] = counts.get(rank, 0) + 1
    return max(counts, key=lambda rank: counts[rank], default=None)
