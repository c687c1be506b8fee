"""Passes over ranks within a nest: which pass an Einsum belongs to, and which fibers a later pass reads.

FuseMax §III: an Einsum that iterates a rank and reads what was reduced over it, directly or not, belongs to
a later pass than the reduction; what both passes read has to be held, whole, in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ....ir.einsum import Einsum


def ranks_of(einsums: tuple[Einsum, ...]) -> tuple[str, ...]:
    """Ranks of all Einsums in order of appearance."""
    return tuple(dict.fromkeys(rank for einsum in einsums for rank in einsum.ranks))


@lru_cache(maxsize=512)
def levels(einsums: tuple[Einsum, ...]) -> tuple[tuple[int, ...], ...]:
    """For every rank of `ranks_of`, the pass over it each Einsum belongs to; 0 comes before the first."""
    return tuple(_levels(einsums, rank) for rank in ranks_of(einsums))


@lru_cache(maxsize=512)
def held(einsums: tuple[Einsum, ...]) -> Mapping[str, frozenset[str]]:
    """Tensor written here → its ranks whose fiber an Einsum of a later pass reads."""
    found = {}
    every = dict(zip(ranks_of(einsums), levels(einsums), strict=True))
    for source, einsum in enumerate(einsums):
        output = einsum.output
        readers = [(at, a) for at, e in enumerate(einsums) for a in e.accesses if a.tensor == output.tensor]
        found[output.tensor] = frozenset(
            rank
            for rank in output.ranks
            if any(every[rank][at] > every[rank][source] and rank in access.ranks for at, access in readers)
        )
    return found


def _levels(einsums: tuple[Einsum, ...], rank: str) -> tuple[int, ...]:
    streams: dict[str, int] = {}
    closed: dict[str, int] = {}
    found = []
    for einsum in einsums:
        iterates = rank in einsum.ranks
        level = int(iterates)
        for access in einsum.accesses:
            if access.tensor in streams:
                fixed = rank not in access.ranks
                level = max(level, streams[access.tensor] + int(iterates and fixed))
            elif access.tensor in closed:
                level = max(level, closed[access.tensor] + int(iterates))
        (streams if rank in einsum.output.ranks else closed)[einsum.output.tensor] = level
        found.append(level)
    return tuple(found)
