"""Products on Hopper: TMA, mbarriers and wgmma, where both operands are matrices of 16-byte rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ....ir.cascade import shape_of
from ....ir.mlir import ir
from ..blocks.wgmma import wgmma_text
from ..codegen.group import dtype_name
from ..codegen.points import signature
from ..codegen.text import ELEMENTS
from ..kernel import Buffer, Kernel, Launch, TensorMap
from .blocks import MULTIPROCESSORS
from .product import Product

SLICE = 64
"""Elements of the depth in shared memory at a time: 128 bytes, a row of the swizzle."""
_CONSUMERS = 2
MULTIPLYING = 128 * _CONSUMERS
THREADS = MULTIPLYING + 128
"""Of a block: those that multiply, and those that copy."""
_LEAST_BLOCKS = MULTIPROCESSORS // 3
"""Fewer leave most multiprocessors idle; then the smaller tiles of mma.sync are better."""


@dataclass(frozen=True)
class Tile:
    """Columns of a block's tile, and slices of the depth in shared memory."""

    columns: int
    stages: int

    @property
    def rows(self) -> int:
        """Rows of a block's tile."""
        return 64 * _CONSUMERS

    @property
    def shared_bytes(self) -> int:
        """For operands and barriers, and then for the result."""
        operands = self.stages * ((self.rows + self.columns) * 128 + 16)
        return max(operands, self.rows * (self.columns + 4) * 4)

    def blocks(self, rows: int, columns: int) -> int:
        """Blocks that cover a product."""
        return -(-rows // self.rows) * -(-columns // self.columns)


TILES = (Tile(256, 4), Tile(128, 5), Tile(64, 6))
"""From the one that reads least to the one that gives most blocks."""


def hopper_tile(product: Product) -> Tile | None:
    """The tile for a product, or None where it is too small or laid out otherwise."""
    batch, rows, columns, _ = product.sizes
    if batch != 1 or rows < 64 or columns < 64 or not _are_matrices(product):
        return None
    for tile in TILES:
        wanted = MULTIPROCESSORS if tile is not TILES[-1] else _LEAST_BLOCKS
        if tile.blocks(rows, columns) >= wanted:
            return tile
    return None


def _are_matrices(product: Product) -> bool:
    """Whether both operands are rows of the depth, as far apart as TMA takes, the right one from a row on."""
    if max(len(product.rows), len(product.columns), len(product.depth)) != 1 or product.batch:
        return False
    row, column, deep = product.rows[0], product.columns[0], product.depth[0]
    return (
        # A map's rows lie side by side (CUDA driver API): windows that overlap are no matrix to it.
        min(row.left, column.right) >= deep.extent
        and (deep.left, deep.right) == (1, 1)
        and row.left % 8 == 0
        and column.right % 8 == 0
        and product.starts[0] == 0
        and product.starts[1] % column.right == 0
    )


def hopper_kernel(product: Product, tile: Tile, name: str, follows: list[str]) -> Launch:
    """The kernel of a product.

    Args:
        product: that `hopper_tile` takes.
        tile: that it gives.
        name: of the kernel.
        follows: statements from the tile in shared memory to the results.
    """
    group = product.group
    _, rows, columns, depth = product.sizes
    element = product.dtypes[0]
    left, right = group.operands[product.left], group.operands[product.right]
    row, column = product.rows[0], product.columns[0]
    first_row = product.starts[1] // column.right
    maps = (
        TensorMap(f"{left}_map", _matrix(left, product.left, rows, depth, row.left), (tile.rows, SLICE), 128),
        TensorMap(
            f"{right}_map",
            _matrix(right, product.right, first_row + columns, depth, column.right),
            (tile.columns, SLICE),
            128,
        ),
    )
    others = tuple(buffer for buffer in group.buffers() if buffer.name not in (left, right))
    what = f"tiles of {tile.rows} x {tile.columns}, {_CONSUMERS} warpgroups of wgmma, one of TMA"
    parameters = tuple(f"const __grid_constant__ CUtensorMap {each.name}" for each in maps)
    sides = f"{ELEMENTS[element]}, {_CONSUMERS}, {tile.columns}, {tile.stages}"
    from_row = f" + {first_row}" if first_row else ""
    body = [
        "extern __shared__ __align__(1024) unsigned char shared[];",
        f"const int row_first = blockIdx.y * {tile.rows}, column_first = blockIdx.x * {tile.columns};",
        "Tile tile;",
        f"const int from_row = column_first{from_row};",
        f"if (!tile.multiply(shared, {maps[0].name}, {maps[1].name}, {depth}, row_first, from_row)) return;",
        *follows,
    ]
    source = "\n".join(
        [
            *group.head(f"{name}: {rows} x {columns} x {depth} in {what}"),
            '#include "matmul_hopper.cuh"',
            '#include "operators.cuh"',
            "",
            wgmma_text(tile.columns, element, "shared", transposed=False),
            f"using Tile = matmul::HopperTile<{sides}>;",
            "",
            signature(name, others, THREADS, parameters, alone=True),
            *(f"    {line}".rstrip() for line in body),
            "}",
            "",
        ]
    )
    kernel = Kernel(
        name,
        source,
        "sm_90a",
        (-(-columns // tile.columns), -(-rows // tile.rows), 1),
        (THREADS, 1, 1),
        tile.shared_bytes,
        (*others, *maps),
        group.notation,
        what,
    )
    return Launch(kernel, group.places())


def _matrix(name: str, value: ir.Value, rows: int, depth: int, stride: int) -> Buffer:
    """An operand as a matrix."""
    assert stride * (rows - 1) + depth <= prod(shape_of(value))
    return Buffer(name, dtype_name(value), (rows, depth), (stride, 1))
