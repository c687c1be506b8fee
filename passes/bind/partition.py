"""How far the queries are taken apart: P = P2·P1·P0, from the buffer that must hold what stays (FuseMax §V).

Keys and values of one generation stay while P1 tiles of columns pass over them, so the buffer holds one
generation's share of the inputs, and for every column of the P1 tiles its own inputs and running values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...ir.einsum import Access
from ...ir.errors import PlanError
from ...ir.targets import DTYPES, Target
from .assign import DTYPE, Array
from .tile import Tile


@dataclass(frozen=True)
class Partition:
    """The column rank in parts.

    Attributes:
        p2: blocks of columns, each with a traversal of the generations of its own.
        p1: tiles of a block, which share every generation's inputs.
        p0: columns of a tile, as many as the array has or fewer.
        stationary_bytes: one generation's inputs.
        column_bytes: inputs and running values of one column.
        bound: tiles that the buffer could hold.
        buffer: the tier that holds them.
    """

    p2: int
    p1: int
    p0: int
    stationary_bytes: int
    column_bytes: int
    bound: int
    buffer: str

    def to_json(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


def partition(tile: Tile, target: Target, arrays: Iterable[Array]) -> Partition:
    """P1: the largest divisor of the tiles of columns that the buffer holds.

    Raises:
        PlanError: the buffer does not hold a single tile, or no unit keeps running values in a memory.
    """
    listed = tuple(arrays)
    columns = min(array.columns for array in listed)
    name = next((array.memory[0] for array in listed if array.memory), None)
    if name is None:
        raise PlanError("no unit both reads and writes a memory", where=target.name)
    capacity = target.find_tier(name).capacity_bytes
    width = DTYPES[target.nearest_dtype("mac", DTYPE)].bits // 8
    total = tile.extents[tile.columns] if tile.columns is not None else 1
    p0 = min(columns, total)
    tiles = -(-total // p0)
    stationary, column = _stationary(tile, p0) * width, _per_column(tile) * width
    bound = tiles if capacity is None else (capacity - stationary) // max(1, p0 * column)
    if bound < 1:
        raise PlanError(
            f"one tile takes {stationary + p0 * column} bytes, {name} has {capacity}",
            where=target.name,
            accepted="smaller extents, or a larger buffer",
        )
    p1 = next(each for each in range(min(bound, tiles), 0, -1) if tiles % each == 0)
    return Partition(tiles // p1, p1, p0, stationary, column, bound, name)


def _inputs(tile: Tile) -> dict[str, Access]:
    """Inputs that the loop reads, through Einsums that only name them anew too."""
    loads = {e.output.tensor: e for e in tile.cascade.all if e.map == "id" and e.accesses and not e.reduce}
    found: dict[str, Access] = {}
    for einsum in tile.loop:
        for access in einsum.accesses:
            read = loads[access.tensor].accesses[0] if access.tensor in loads else access
            if read.tensor in tile.cascade.inputs:
                found.setdefault(read.tensor, read)
    return found


def _stationary(tile: Tile, p0: int) -> int:
    """Words of one generation's inputs; what depends on the columns too passes by, a tile at a time."""
    words = 0
    for access in _inputs(tile).values():
        if tile.generational in access.ranks:
            ranks = set(access.ranks) - {tile.generational, tile.columns, *tile.outer}
            words += math.prod(tile.extents[r] for r in ranks) * (p0 if tile.columns in access.ranks else 1)
    return words


def _per_column(tile: Tile) -> int:
    """Words that every column keeps: its inputs, and its running values."""
    kept = [a.ranks for a in _inputs(tile).values() if tile.columns in a.ranks]
    kept = [ranks for ranks in kept if tile.generational not in ranks]
    kept += [e.output.ranks for e in tile.loop if e.output.tensor in tile.cascade.carried]
    apart = {tile.generational, tile.columns, *tile.outer}
    return sum(math.prod(tile.extents[rank] for rank in set(ranks) - apart) for ranks in kept)
