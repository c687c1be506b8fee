"""Few tokens with a BitMoD weight: a kernel that streams the weight once for all tokens it has room for."""

from __future__ import annotations

from dataclasses import dataclass

from ....ir.bitmod_format import GROUP_SIZE
from ..codegen.points import signature
from ..kernel import Kernel, Launch
from ..matmul.blocks import MULTIPROCESSORS
from ..matmul.emit import finish
from .layout import ROWS
from .packed import Packed

MOST_COLUMNS = 32
"""Columns of halves a block multiplies by: four fragments, whose sums and totals fit a thread's registers."""
_MOST_SHARED = 200 * 1024
_MOST_WARPS = 8


@dataclass(frozen=True)
class _Cut:
    """Tokens of a pass, blocks of 16 rows of a block, and its warps, which take turns along the depth."""

    tokens: int
    row_blocks: int
    warps: int

    @staticmethod
    def of(packed: Packed) -> _Cut:
        """As many tokens as fragments and shared memory hold; rows so that all processors have work."""
        most = MOST_COLUMNS // packed.parts
        while most > 1 and _Cut(most, 2, _MOST_WARPS).shared_bytes(packed) > _MOST_SHARED:
            most -= 1
        passes = -(-packed.tokens // most)
        row_blocks = 2 if packed.blocks >= 2 * MULTIPROCESSORS * 3 // 4 else 1
        return _Cut(-(-packed.tokens // passes), row_blocks, max(1, min(_MOST_WARPS, packed.groups)))

    def shared_bytes(self, packed: Packed) -> int:
        """For tokens as halves, and results and scales of every warp."""
        halves = packed.groups * self.tokens * packed.parts * GROUP_SIZE * 2
        return halves + self.warps * (self.row_blocks * ROWS + 1) * self.tokens * 4


def streaming(packed: Packed, name: str) -> Launch:
    """The kernel of a product."""
    cut = _Cut.of(packed)
    buffers, places = packed.buffers()
    rows, threads = ROWS * cut.row_blocks, 32 * cut.warps
    what = f"BitMoD FP{packed.bits}: {cut.tokens} tokens by {rows} rows, {cut.warps} warps along the depth"
    stream = f"bitmod::Stream<{packed.bits}, {packed.parts}, {cut.tokens}, {cut.warps}, {cut.row_blocks}>"
    source = "\n".join(
        [
            *packed.product.group.head(f"{name}: {what}"),
            '#include "bitmod.cuh"',
            '#include "operators.cuh"',
            "",
            f"using Stream = {stream};",
            "",
            signature(name, buffers, threads),
            *(f"    {line}".rstrip() for line in _body(packed, cut, rows, threads)),
            "}",
            "",
        ]
    )
    grid = (-(-packed.blocks // cut.row_blocks), -(-packed.tokens // cut.tokens), 1)
    shared = cut.shared_bytes(packed)
    notation = packed.product.group.notation
    return Launch(
        Kernel(name, source, "sm_80", grid, (threads, 1, 1), shared, buffers, notation, what), places
    )


def _body(packed: Packed, cut: _Cut, rows: int, threads: int) -> list[str]:
    first = f"{packed.first} + " if packed.first else ""
    total = packed.scaled(f"Stream::sum(sums, i % {rows}, i / {rows})")
    return [
        "extern __shared__ __align__(16) unsigned char shared[];",
        f"const int token_first = blockIdx.y * {cut.tokens}, row_block = blockIdx.x * {cut.row_blocks};",
        "const float* const sums = Stream::run(",
        f"    shared, {packed.codes()}, {packed.groups},",
        f"    {first}row_block, {packed.first + packed.blocks}, [&](int token, int k) -> float {{",
        "        const int row = token_first + token;",
        f"        return row < {packed.tokens} && k < {packed.depth} ? {packed.token()} : 0.0f;",
        "    });",
        f"for (int i = threadIdx.x; i < {cut.tokens * rows}; i += {threads}) {{",
        f"    const int row = token_first + i / {rows}, column = row_block * {ROWS} + i % {rows};",
        f"    if (row >= {packed.tokens} || column >= {packed.rows}) continue;",
        *(f"    {line}" for line in finish(packed.product, total, "float")),
        "}",
    ]
