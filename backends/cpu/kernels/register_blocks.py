"""Register blocks: how many rows by how many vectors of a contraction's output are summed at once."""

from __future__ import annotations

from dataclasses import dataclass

_WIDEST = 8  # vectors of a block
_MANY = 16  # rows for which the width of a parameter's panels is chosen


@dataclass(frozen=True)
class Block:
    """The register block: rows by whole vectors."""

    rows: int
    vectors: int


def register_block(rows: int, vectors: int, registers: int, wanted: int = 0) -> Block:
    """The block that covers rows × vectors in the fewest cycles, two multiply-adds and two loads a cycle.

    `vectors` and `rows` are those of a tile. At least eight accumulators hide the latency of the
    multiply-add; accumulators, the vector side and one broadcast must fit the registers. `wanted` is how many
    vectors wide the block is to be, if the tile is as wide; 0 for the fewest cycles.
    """
    best, chosen = float("inf"), Block(1, 1)
    for wide in [min(wanted, vectors)] if wanted else range(1, min(_WIDEST, vectors) + 1):
        for high in range(1, min(rows, 14) + 1):
            if high * wide + wide + 1 > registers:
                break
            cost = 0.0
            for v in _parts(vectors, wide):
                for r in _parts(rows, high):
                    cost += max(r * v / 2, (r + v) / 2, 4.0) + 0.25
            if cost < best:
                best, chosen = cost, Block(high, wide)
    return chosen


def packed_block(rows: int, vectors: int, registers: int, wanted: int = 0) -> Block:
    """The block over panels of a parameter: as wide for one row as for many, and panels filled.

    So entries for one token and for many read the same layout, stored once.
    """
    wide = register_block(_MANY, vectors, registers, wanted).vectors
    if vectors % wide and not wanted:
        fits = [n for n in range(2, wide + 2) if vectors % n == 0]
        wide = max(fits, default=wide)
    high = max(n for n in range(1, min(rows, 14) + 1) if n == 1 or n * wide + wide + 1 <= registers)
    return Block(-(-rows // -(-rows // high)), wide)


def evenly(extent: int, most: int) -> list[tuple[int, int]]:
    """Sizes of the fewest parts of at most that size, and how many of each: they differ by one at most."""
    parts = -(-extent // most)
    size, longer = divmod(extent, parts)
    return [(n, count) for n, count in ((size + 1, longer), (size, parts - longer)) if count]


def _parts(total: int, size: int) -> list[int]:
    return [size] * (total // size) + ([total % size] if total % size else [])
