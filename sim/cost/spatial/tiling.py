"""How one attention head is cut into tiles of the emitted FuseMax array.

Columns of the array hold queries, rows hold keys (FuseMax, figure 5 and mapping 1): a tile is Rows keys by
Cols queries. P1 query tiles make a block, whose keys and values stream by M1 tiles; blocks follow each other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ....ir.errors import InputError
from .epochs import EpochShape

MOST_PER_HEAD = 128
"""E and F that the program's words can count."""
SHAPE_LIMIT = 1 << 16


@dataclass(frozen=True)
class Tiling:
    """One head on one array.

    Attributes:
        rows, cols: of the array, 2 to 16 each.
        e, f: embedding of queries and keys, of values.
        queries, keys: P and M, neither need divide into tiles.
        p1: query tiles of a block.
    """

    rows: int
    cols: int
    e: int
    f: int
    queries: int
    keys: int
    p1: int

    def __post_init__(self) -> None:
        if not (2 <= self.rows <= 16 and 2 <= self.cols <= 16):
            raise InputError(f"no array of {self.rows} × {self.cols}", accepted="2 to 16 rows and columns")
        if not (1 <= self.e <= MOST_PER_HEAD and 1 <= self.f <= MOST_PER_HEAD):
            raise InputError(f"heads of E = {self.e}, F = {self.f}", accepted=f"1 to {MOST_PER_HEAD}")
        if self.e + self.f < self.rows:
            raise InputError(
                f"E + F = {self.e + self.f} on {self.rows} rows", accepted=f"at least {self.rows}, fewer rows"
            )
        if min(self.queries, self.keys, self.p1) < 1:
            raise InputError(f"{self.queries} queries, {self.keys} keys in blocks of {self.p1} query tiles")
        if max(self.p1, self.m1, self.blocks, self.tiles) >= SHAPE_LIMIT:
            raise InputError(
                f"{self.queries} queries, {self.keys} keys", accepted=f"under {SHAPE_LIMIT} tiles"
            )

    @classmethod
    def of(cls, rows: int, cols: int, e: int, f: int, *, queries: int, keys: int, most_p1: int) -> Tiling:
        """Blocks of equally many query tiles, at most `most_p1`."""
        query_tiles = -(-queries // cols)
        blocks = -(-query_tiles // max(most_p1, 1))
        return cls(rows, cols, e, f, queries, keys, -(-query_tiles // max(blocks, 1)))

    @property
    def m1(self) -> int:
        """Key tiles."""
        return -(-self.keys // self.rows)

    @property
    def last_rows(self) -> int:
        """Keys in the last of them."""
        return self.keys - (self.m1 - 1) * self.rows

    @property
    def blocks(self) -> int:
        """Blocks of queries, P2."""
        return -(-self.queries // (self.p1 * self.cols))

    @property
    def tiles(self) -> int:
        """Tiles of a block."""
        return self.m1 * self.p1

    @property
    def epoch_shape(self) -> EpochShape:
        """What `epoch_cycles` counts over."""
        return EpochShape.rtl(
            self.rows, self.cols, self.e, self.f, m1=self.m1, p1=self.p1, blocks=self.blocks
        )

    def to_json(self) -> dict[str, Any]:
        """The sizes by name."""
        return asdict(self)
