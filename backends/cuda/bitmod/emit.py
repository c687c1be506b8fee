"""A product with a BitMoD weight as a kernel that streams the weight, with what follows it on the way out."""

from __future__ import annotations

from ....ir.bitmod_format import FORMATS, GROUP_SIZE
from ....ir.cascade import shape_of
from ....ir.linear import packable
from ....ir.mlir import func, ir
from ....ir.quantized import Quantization, mark_of
from ..codegen.group import Group, dtype_name
from ..codegen.points import signature
from ..kernel import Buffer, Kernel, Launch, Place
from ..matmul.emit import finish
from ..matmul.product import Product, offset_text, read_product
from .layout import CHANNELS, CODES, MARKS, ROWS, shapes

MULTIPROCESSORS = 132
_PARTS = {"f32": 2, "bf16": 1}
"""Halves that stand for a number."""
_MOST_COLUMNS = 32
"""Columns of halves a block multiplies by: four fragments, whose sums and totals fit a thread's registers."""
_MOST_SHARED = 200 * 1024


def bitmod_kernel(group: Group, name: str) -> Launch | None:
    """The kernel of a group that is a product with a packed weight, or None where it is none.

    Args:
        group: the group.
        name: of the kernel.
    """
    product = read_product(group)
    if product is None:
        return None
    mark = _mark(group, product.right)
    if mark is None or not packable(mark) or not _fits(product, mark):
        return None
    return _Streaming(product, mark, name).launch()


def _mark(group: Group, value: ir.Value) -> Quantization | None:
    """How a group's operand is quantized, where it is a parameter as the function has it."""
    operand = group.op.operands[list(group.operands).index(value)]
    if not isinstance(operand.owner, ir.Block):
        return None
    function = operand.owner.owner
    if not isinstance(function, func.FuncOp):
        return None
    return mark_of(function, ir.BlockArgument(operand).arg_number)


def _fits(product: Product, mark: Quantization) -> bool:
    """Whether the weight is rows of inputs, as it is packed, and the other operand of a type we halve."""
    shape = shape_of(product.right)
    _, _, columns, depth = product.sizes
    inputs = shape[-1] if len(shape) == 2 else 0
    row, column = product.starts[1], product.columns
    return (
        mark.channels == (0,)
        and dtype_name(product.left) in _PARTS
        and dtype_name(product.view.result) == "f32"
        and not product.batch
        and len(column) <= 1
        and all(axis.right == inputs for axis in column)
        and [(axis.extent, axis.right) for axis in product.depth] == [(inputs, 1)]
        and depth == inputs
        and row % (inputs * ROWS) == 0
        and columns + row // inputs <= shape[0]
    )


class _Streaming:
    """Writes one kernel."""

    def __init__(self, product: Product, mark: Quantization, name: str) -> None:
        self.product, self.name = product, name
        self.group = product.group
        self.bits = FORMATS[mark.format].bits
        self.parts = _PARTS[dtype_name(product.left)]
        _, self.tokens, self.columns, self.depth = product.sizes
        self.groups = -(-self.depth // GROUP_SIZE)
        self.first = product.starts[1] // self.depth // ROWS
        self.blocks = -(-self.columns // ROWS)
        self._cut()

    def _cut(self) -> None:
        """As many tokens as fragments and shared memory hold; rows so that all processors have work."""
        most = _MOST_COLUMNS // self.parts
        while most > 1 and self._shared(most, 2) > _MOST_SHARED:
            most -= 1
        passes = -(-self.tokens // most)
        self.tile = -(-self.tokens // passes)
        self.row_blocks = 2 if self.blocks >= 2 * MULTIPROCESSORS * 3 // 4 else 1
        self.warps = max(1, min(8, self.groups))

    def _shared(self, tokens: int, row_blocks: int, warps: int = 8) -> int:
        halves = self.groups * tokens * self.parts * GROUP_SIZE * 2
        return halves + warps * (row_blocks * ROWS + 1) * tokens * 4

    def launch(self) -> Launch:
        weight = self.group.operands[self.product.right]
        buffers, places = self._buffers(weight)
        rows, threads = ROWS * self.row_blocks, 32 * self.warps
        what = f"BitMoD FP{self.bits}: {self.tile} tokens by {rows} rows, {self.warps} warps along the depth"
        stream = f"bitmod::Stream<{self.bits}, {self.parts}, {self.tile}, {self.warps}, {self.row_blocks}>"
        source = "\n".join(
            [
                *self.group.head(f"{self.name}: {what}"),
                '#include "bitmod.cuh"',
                '#include "operators.cuh"',
                "",
                f"using Stream = {stream};",
                "",
                signature(self.name, buffers, threads),
                *(f"    {line}".rstrip() for line in self._body(weight, rows, threads)),
                "}",
                "",
            ]
        )
        kernel = Kernel(
            self.name,
            source,
            "sm_80",
            (-(-self.blocks // self.row_blocks), -(-self.tokens // self.tile), 1),
            (threads, 1, 1),
            self._shared(self.tile, self.row_blocks, self.warps),
            buffers,
            self.group.notation,
            what,
        )
        return Launch(kernel, places)

    def _buffers(self, weight: str) -> tuple[tuple[Buffer, ...], dict[str, Place]]:
        """Parameters: the group's, the weight's parts in place of the weight."""
        found: list[Buffer] = []
        places = self.group.places()
        number = places.pop(weight).number
        whole = shape_of(self.product.right)
        for buffer in self.group.buffers():
            if buffer.name != weight:
                found.append(buffer)
                continue
            for part, shape in shapes(self.bits, *whole).items():
                name = f"{weight}_{part.removeprefix('bitmod ')}"
                found.append(Buffer(name, "f32" if part == CHANNELS else "i32", shape))
                places[name] = Place("operand", number, part)
        return tuple(found), places

    def _body(self, weight: str, rows: int, threads: int) -> list[str]:
        product = self.product
        names = {part: f"{weight}_{part.removeprefix('bitmod ')}" for part in (CODES, MARKS, CHANNELS)}
        token, k = (
            offset_text(product.rows, "row", "left"),
            offset_text(product.depth, "k", "left"),
        )
        x = self.group.operands[product.left]
        at = f"{product.starts[0]} + {token} + {k}"
        first = f"{self.first} + " if self.first else ""
        total = f"Stream::sum(sums, i % {rows}, i / {rows}) * {names[CHANNELS]}[{self.first * ROWS} + column]"
        return [
            "extern __shared__ __align__(16) unsigned char shared[];",
            f"const int token_first = blockIdx.y * {self.tile}, row_block = blockIdx.x * {self.row_blocks};",
            "const float* const sums = Stream::run(",
            f"    shared, reinterpret_cast<const u32*>({names[CODES]}), "
            f"reinterpret_cast<const u32*>({names[MARKS]}), {self.groups},",
            f"    {first}row_block, {self.first + self.blocks}, [&](int token, int k) -> float {{",
            "        const int row = token_first + token;",
            f"        return row < {self.tokens} && k < {self.depth} ? widen({x}[{at}]) : 0.0f;",
            "    });",
            f"for (int i = threadIdx.x; i < {self.tile * rows}; i += {threads}) {{",
            f"    const int row = token_first + i / {rows}, column = row_block * {ROWS} + i % {rows};",
            f"    if (row >= {self.tokens} || column >= {self.columns}) continue;",
            *(f"    {line}" for line in finish(product, total, "float")),
            "}",
        ]
