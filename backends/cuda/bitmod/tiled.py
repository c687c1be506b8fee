"""Many tokens with a BitMoD weight: tiles on the tensor cores, each code decoded once for 64 or 128 of them.

Two launches: tokens become halves in rows of whole groups, then blocks multiply them by rows of the weight.
"""

from __future__ import annotations

from dataclasses import dataclass

from ....ir.bitmod_format import GROUP_SIZE
from ..blocks.wgmma import wgmma_text
from ..codegen.points import signature
from ..kernel import Arch, Argument, Buffer, Kernel, Launch, Place, TensorMap
from ..matmul.blocks import MULTIPROCESSORS
from ..matmul.emit import finish
from .layout import ROWS
from .packed import Packed
from .streaming import MOST_COLUMNS

_PASSES = 4
"""Passes of the streaming kernel that are still better than tiles: they give every processor work."""
_LEAST_BLOCKS = MULTIPROCESSORS // 3
_HALVING = 128
"""Threads of a block that makes halves."""


@dataclass(frozen=True)
class Cut:
    """A block's tile.

    Attributes:
        rows: of the weight.
        columns: of halves.
        stages: groups of tokens in shared memory at a time.
        warps: down the rows and across the columns, and blocks of 16 rows of each; none: Hopper's roles.
    """

    rows: int
    columns: int
    stages: int
    warps: tuple[int, int, int] | None

    @property
    def threads(self) -> int:
        """Of a block."""
        return 384 if self.warps is None else 32 * self.warps[0] * self.warps[1]

    @property
    def multiplying(self) -> int:
        """Threads that multiply, and write results."""
        return 256 if self.warps is None else self.threads

    def pitch(self, parts: int) -> int:
        """Floats from one token's sums to the next's in shared memory (``bitmod::pitch``)."""
        return self.rows + 4 * parts

    def shared_bytes(self, parts: int) -> int:
        """For tokens and barriers, and then for the sums."""
        tokens = self.stages * (self.columns * GROUP_SIZE * 2 + (16 if self.warps is None else 0))
        return max(tokens, self.columns // parts * self.pitch(parts) * 4)

    def grid(self, packed: Packed) -> tuple[int, int, int]:
        """Blocks along rows and along tokens."""
        return -(-packed.blocks * ROWS // self.rows), -(-packed.tokens // (self.columns // packed.parts)), 1

    def type(self, packed: Packed) -> str:
        """The header's type."""
        numbers = (packed.bits, packed.parts, self.columns, *(self.warps or ()), self.stages)
        name = "HopperTile" if self.warps is None else "Tile"
        return f"bitmod::{name}<{', '.join(map(str, numbers))}>"


HOPPER = (Cut(128, 128, 4, None), Cut(128, 64, 6, None))
SYNC = (Cut(128, 128, 3, (4, 2, 2)), Cut(128, 64, 3, (4, 1, 2)), Cut(64, 64, 3, (4, 1, 1)))
"""From the one that reads least to the one that gives most blocks."""


def cut_for(packed: Packed, arch: Arch) -> Cut | None:
    """The tile for a product, or None where streaming the weight for a few tokens at a time is better."""
    if packed.tokens * packed.parts <= _PASSES * MOST_COLUMNS:
        return None
    hopper = HOPPER if arch == "sm_90a" else ()
    for cut in (*hopper, *SYNC):
        wide, high, _ = cut.grid(packed)
        wanted = _LEAST_BLOCKS if cut in (HOPPER[-1], SYNC[-1]) else MULTIPROCESSORS
        if wide * high >= wanted:
            return cut
    return None


def tiled(packed: Packed, cut: Cut, name: str) -> tuple[Launch, Launch]:
    """The kernels of a product."""
    take = packed.product.group.names().take
    halves = Buffer(take("halves"), "f16", (packed.tokens * packed.parts, packed.groups * GROUP_SIZE))
    down = Buffer(take("down"), "f32", (packed.tokens,))
    return _halving(packed, halves, down, f"{name}_halves"), _multiplying(packed, cut, halves, down, name)


def _halving(packed: Packed, halves: Buffer, down: Buffer, name: str) -> Launch:
    given, places = packed.product.group.buffers(), packed.product.group.places()
    x = next(each for each in given if each.name == packed.product.group.operands[packed.product.left])
    buffers = (x, *(Buffer(each.name, each.dtype, each.shape, role="out") for each in (halves, down)))
    what = f"tokens as {'halves' if packed.parts == 1 else 'two halves each'}, a block a token"
    source = "\n".join(
        [
            f"// {name}: {what}",
            '#include "bitmod_halves.cuh"',
            "",
            signature(name, buffers, _HALVING),
            f"    __shared__ float partial[{_HALVING // 32}];",
            "    const int row = blockIdx.x;",
            f"    bitmod::write_halves<{packed.parts}, {_HALVING}>({halves.name}, {down.name}, "
            f"{packed.groups}, partial, [&](int k) -> float {{",
            f"        return k < {packed.depth} ? {packed.token()} : 0.0f;",
            "    });",
            "}",
            "",
        ]
    )
    grid, block = (packed.tokens, 1, 1), (_HALVING, 1, 1)
    kernel = Kernel(name, source, "sm_80", grid, block, 0, buffers, (), what)
    return Launch(kernel, {x.name: places[x.name], **_work(halves, down)})


def _work(halves: Buffer, down: Buffer) -> dict[str, Place]:
    return {halves.name: Place("work", 0), down.name: Place("work", 1)}


def _multiplying(packed: Packed, cut: Cut, halves: Buffer, down: Buffer, name: str) -> Launch:
    own, places = packed.buffers()
    write = _hopper if cut.warps is None else _sync
    arch, parameters, run, header, arguments = write(packed, cut, halves)
    buffers = (*own, *arguments[0], down)
    what = f"BitMoD FP{packed.bits}: tiles of {cut.rows} rows by {cut.columns // packed.parts} tokens"
    what += ", 2 warpgroups of wgmma, one of TMA" if cut.warps is None else ""
    source = "\n".join(
        [
            *packed.product.group.head(f"{name}: {what}"),
            *header,
            f"using Tile = {cut.type(packed)};",
            "",
            signature(name, buffers, cut.threads, parameters, alone=cut.warps is None),
            *(f"    {line}".rstrip() for line in _body(packed, cut, run, down)),
            "}",
            "",
        ]
    )
    kernel = Kernel(
        name,
        source,
        arch,
        cut.grid(packed),
        (cut.threads, 1, 1),
        cut.shared_bytes(packed.parts),
        (*buffers, *arguments[1]),
        packed.product.group.notation,
        what,
    )
    return Launch(kernel, {**places, **_work(halves, down)})


_Written = tuple[Arch, tuple[str, ...], str, list[str], tuple[tuple[Buffer, ...], tuple[Argument, ...]]]
"""Architecture, parameters behind the buffers, arguments of ``run``, what comes before, buffers and maps."""


def _sync(packed: Packed, cut: Cut, halves: Buffer) -> _Written:
    run = f"{halves.name}, column_first, {halves.shape[0]}"
    header = ['#include "bitmod_tiles.cuh"', '#include "operators.cuh"', ""]
    return "sm_80", (), run, header, ((halves,), ())


def _hopper(packed: Packed, cut: Cut, halves: Buffer) -> _Written:
    box = TensorMap(f"{halves.name}_map", halves, (cut.columns, 64), 128)
    header = [
        '#include "bitmod_hopper.cuh"',
        '#include "operators.cuh"',
        "",
        wgmma_text(cut.columns, "f16", "registers", transposed=False),
    ]
    parameters = (f"const __grid_constant__ CUtensorMap {box.name}",)
    return "sm_90a", parameters, f"{box.name}, column_first", header, ((), (box,))


def _body(packed: Packed, cut: Cut, run: str, down: Buffer) -> list[str]:
    first = f"{packed.first} + " if packed.first else ""
    tokens, rows, align = cut.columns // packed.parts, cut.rows, 1024 if cut.warps is None else 128
    total = packed.scaled(f"sums[i / {rows} * {cut.pitch(packed.parts)} + i % {rows}] * {down.name}[row]")
    return [
        f"extern __shared__ __align__({align}) unsigned char shared[];",
        f"const int row_block = blockIdx.x * {rows // ROWS}, column_first = blockIdx.y * {cut.columns};",
        f"const float* const sums = Tile::run(shared, {packed.codes()}, {packed.groups},",
        f"    {first}row_block, {packed.first + packed.blocks}, {run});",
        *(["if (sums == nullptr) return;"] if cut.warps is None else []),
        f"for (int i = threadIdx.x; i < {tokens * rows}; i += {cut.multiplying}) {{",
        f"    const int row = blockIdx.y * {tokens} + i / {rows}, column = row_block * {ROWS} + i % {rows};",
        f"    if (row >= {packed.tokens} || column >= {packed.rows}) continue;",
        *(f"    {line}" for line in finish(packed.product, total, "float")),
        "}",
    ]
