"""How a product is cut into blocks, and the header's type that computes one."""

from __future__ import annotations

from dataclasses import dataclass

MULTIPROCESSORS = 132
"""Of the GPU that tiles are chosen for; a grid of fewer blocks leaves some idle."""


@dataclass(frozen=True)
class Block:
    """What a thread block computes.

    Attributes:
        kind: the C++ type in the header, with its tile.
        header: to include.
        rows, columns: of the tile.
        threads: of the block.
        shared_bytes: for operands, and then for the result.
    """

    kind: str
    header: str
    rows: int
    columns: int
    threads: int
    shared_bytes: int

    def across(self, rows: int, columns: int) -> tuple[int, int]:
        """Blocks that cover a matrix: along columns, and along rows."""
        return -(-columns // self.columns), -(-rows // self.rows)


@dataclass(frozen=True)
class _Cut:
    """A tile and its parts for warps."""

    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    stages: int


_CUTS = (
    _Cut(128, 128, 64, 32, 3),
    _Cut(64, 128, 32, 32, 4),
    _Cut(64, 64, 32, 32, 4),
    _Cut(32, 64, 16, 32, 4),
    _Cut(16, 64, 16, 16, 4),
)
"""From the one that reads least to the one that gives most blocks."""


def tensor_core_block(element: str, batch: int, rows: int, columns: int) -> Block:
    """The largest tile that still gives every multiprocessor a block, and is not mostly empty."""
    for cut in _CUTS:
        blocks = batch * -(-rows // cut.rows) * -(-columns // cut.columns)
        if blocks >= MULTIPROCESSORS and (rows > cut.rows // 2 or cut is _CUTS[-1]):
            return _block(element, cut)
    fitting = [cut for cut in _CUTS if cut.rows < 2 * rows]
    return _block(element, fitting[-1] if fitting else _CUTS[-1])


def _block(element: str, cut: _Cut) -> Block:
    sides = f"{cut.rows}, {cut.columns}, {cut.warp_rows}, {cut.warp_columns}, {cut.stages}"
    threads = 32 * (cut.rows // cut.warp_rows) * (cut.columns // cut.warp_columns)
    operands = cut.stages * (cut.rows + cut.columns) * 128
    result = cut.rows * (cut.columns + 4) * 4
    return Block(
        f"matmul::Tile<{element}, {sides}>",
        "matmul.cuh",
        cut.rows,
        cut.columns,
        threads,
        max(operands, result),
    )


def float_block(left: str, right: str, total: str) -> Block:
    """The block of a product on the CUDA cores, by types in C++."""
    size = 8 if total == "double" else 4
    shared = max(2 * 16 * 68, 64 * 68) * size
    return Block(f"matmul::FloatTile<{left}, {right}, {total}>", "matmul_float.cuh", 64, 64, 256, shared)
