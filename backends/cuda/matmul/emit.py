"""Products as kernels: a block's tile, then whatever follows it, element by element, on the way out."""

from __future__ import annotations

from collections.abc import Sequence

from ....ir.cascade import shape_of
from ....ir.einsum import Index
from ..codegen.expressions import Held, Scope, store_text
from ..codegen.group import Group, dtype_name
from ..codegen.points import signature
from ..codegen.text import ELEMENTS, VALUES
from ..kernel import Arch, Kernel, Launch
from .blocks import Block, float_block, tensor_core_block
from .hopper import MULTIPLYING, hopper_kernel, hopper_tile
from .product import Product, coordinates, offset_text, read_product

HALVES = ("bf16", "f16")
"""What tensor cores multiply here; the sums are float32."""
_RUN = 8
"""Elements of a piece of 16 bytes."""


def matmul_kernel(group: Group, name: str, arch: Arch) -> Launch | None:
    """The kernel of a group that is a product, or None where it is none, or one of other types.

    Operands of two types, as of rounded tokens with a weight that no packed kernel reads, are widened.

    Args:
        group: the group.
        name: of the kernel.
        arch: of the device; on others than ``sm_90a`` the kernel is written for ``sm_80`` and later.
    """
    product = read_product(group)
    if product is None:
        return None
    one, other = product.dtypes
    total = dtype_name(product.view.result)
    taken = (*HALVES, "f32", "f64")
    if one not in taken or other not in taken or total not in taken:
        return None
    tile = hopper_tile(product) if arch == "sm_90a" and one == other and one in HALVES else None
    if tile is not None:
        follows = epilogue(product, tile.columns, tile.rows, MULTIPLYING)
        return hopper_kernel(product, tile, name, follows)
    block = _block(product)
    return _write(product, block, name)


def _block(product: Product) -> Block:
    batch, rows, columns, _ = product.sizes
    one, other = product.dtypes
    if one == other and one in HALVES and product.vectors(_RUN):
        return tensor_core_block(ELEMENTS[one], batch, rows, columns)
    return float_block(ELEMENTS[one], ELEMENTS[other], _total(product))


def _total(product: Product) -> str:
    """The type of the sums, in C++: the wider operand's."""
    return VALUES["f64" if "f64" in product.dtypes else "f32"]


def _write(product: Product, block: Block, name: str) -> Launch:
    group = product.group
    batch, rows, columns, depth = product.sizes
    wide, high = block.across(rows, columns)
    what = f"tiles of {block.rows} x {block.columns}"
    left, right = group.operands[product.left], group.operands[product.right]
    row_start, column_start = (
        f"{offset_text(product.batch, 'batch', side)} + {start}"
        for side, start in zip(("left", "right"), product.starts, strict=True)
    )
    body = [
        "extern __shared__ __align__(128) unsigned char shared[];",
        f"const int column_first = static_cast<int>(blockIdx.x) % {wide} * {block.columns};",
        f"const int row_first = static_cast<int>(blockIdx.x) / {wide} % {high} * {block.rows};",
        f"const int batch = static_cast<int>(blockIdx.x) / {wide * high};" if product.batch else "",
        "Tile tile;",
        "tile.multiply(",
        f"    shared, {left}, {right}, {depth},",
        f"    [&](int i) -> long long {{ const int row = row_first + i; "
        f"return row < {rows} ? {_sum(row_start, offset_text(product.rows, 'row', 'left'))} : -1; }},",
        f"    [&](int i) -> long long {{ const int column = column_first + i; "
        f"return column < {columns} ? {_sum(column_start, offset_text(product.columns, 'column', 'right'))}"
        " : -1; },",
        f"    [](int k) -> long long {{ return {offset_text(product.depth, 'k', 'left')}; }},",
        f"    [](int k) -> long long {{ return {offset_text(product.depth, 'k', 'right')}; }});",
        *epilogue(product, block.columns, block.rows, block.threads),
    ]
    source = "\n".join(
        [
            *group.head(f"{name}: {rows} x {columns} x {depth} in {what}"),
            f'#include "{block.header}"',
            '#include "operators.cuh"',
            "",
            f"using Tile = {block.kind};",
            "",
            signature(name, group.buffers(), block.threads),
            *(f"    {line}".rstrip() for line in body if line),
            "}",
            "",
        ]
    )
    kernel = Kernel(
        name,
        source,
        "sm_80",
        (wide * high * batch, 1, 1),  # along x alone there may be more than 65535
        (block.threads, 1, 1),
        block.shared_bytes,
        group.buffers(),
        group.notation,
        what,
    )
    return Launch(kernel, group.places())


def _sum(*texts: str) -> str:
    return " + ".join(text for text in texts if text != "0").removesuffix(" + 0").removeprefix("0 + ") or "0"


def epilogue(product: Product, columns: int, rows: int, threads: int) -> list[str]:
    """What follows a product, from the tile laid out in shared memory to the results.

    Args:
        product: and its group.
        columns, rows: of the tile.
        threads: of the block.
    """
    total = _total(product)
    _, all_rows, all_columns, _ = product.sizes
    laid = f"result[i / {columns} * Tile::kWidth + i % {columns}]"
    return [
        f"{total}* const result = reinterpret_cast<{total}*>(shared);",
        "tile.lay(result);",
        "#pragma unroll 2",
        f"for (int i = threadIdx.x; i < {rows * columns}; i += {threads}) {{",
        f"    const int row = row_first + i / {columns}, column = column_first + i % {columns};",
        f"    if (row >= {all_rows} || column >= {all_columns}) continue;",
        *(f"    {line}" for line in finish(product, laid, total)),
        "}",
    ]


def finish(product: Product, sum_text: str, total: str) -> list[str]:
    """Statements from a sum of a type, at ``row`` and ``column``, to the results."""
    group, view = product.group, product.view
    ranks = [
        rank for axes in (product.batch, product.rows, product.columns) for a in axes for rank, _ in a.ranks
    ]
    scope = Scope(group, group.names(), {})
    scope.add(
        *coordinates(product.batch, "batch"),
        *coordinates(product.rows, "row"),
        *coordinates(product.columns, "column"),
    )
    name = scope.names.take(view.einsum.output.tensor)
    kind = VALUES[dtype_name(view.result)]
    text = sum_text if kind == total else f"static_cast<{kind}>({sum_text})"
    scope.add(f"const {kind} {name} = {scope.rounded(view, text)};")
    scope.held[view.result] = Held(name, (), (), ())
    for number, value in enumerate(group.yielded):
        index = _index(group.made[value].einsum.output.ranks, ranks)
        text, _ = scope.value(value, index)
        scope.add(store_text(group.results[number], dtype_name(value), shape_of(value), index, text))
    return scope.lines


def _index(wanted: Sequence[str], ranks: Sequence[str]) -> list[Index]:
    """The point's index; ranks of one coordinate stay at 0."""
    return [Index.of(rank) if rank in ranks else Index() for rank in wanted]
