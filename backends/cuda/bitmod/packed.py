"""A group that is a product with a BitMoD weight in three or four bits, as its kernels see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....ir.bitmod_format import FORMATS, GROUP_SIZE
from ....ir.cascade import shape_of
from ....ir.linear import packable
from ....ir.mlir import func, ir
from ....ir.quantized import Quantization, mark_of
from ..codegen.group import Group, dtype_name
from ..kernel import Buffer, Place
from ..matmul.product import Axis, Product, offset_text, read_product
from .layout import CHANNELS, CODES, MARKS, ROWS, shapes

_PARTS = {"f32": 2, "bf16": 1}
"""Halves that stand for a number."""


@dataclass(frozen=True)
class Packed:
    """A product of tokens with rows of a packed weight.

    Attributes:
        product: tokens are its rows, rows of the weight its columns.
        bits: of a code.
        parts: halves that stand for a token's number: 2 for float32, 22 bits and more; 1 for bf16.
    """

    product: Product
    bits: int
    parts: int

    @property
    def tokens(self) -> int:
        """Tokens."""
        return self.product.sizes[1]

    @property
    def rows(self) -> int:
        """Rows of the weight that are read."""
        return self.product.sizes[2]

    @property
    def depth(self) -> int:
        """Inputs."""
        return self.product.sizes[3]

    @property
    def groups(self) -> int:
        """Groups of inputs with a scale each."""
        return -(-self.depth // GROUP_SIZE)

    @property
    def first(self) -> int:
        """The first block of 16 rows that is read."""
        return self.product.starts[1] // self.depth // ROWS

    @property
    def blocks(self) -> int:
        """Blocks of 16 rows."""
        return -(-self.rows // ROWS)

    @property
    def weight(self) -> str:
        """The weight's name in the group."""
        return self.product.group.operands[self.product.right]

    def part(self, part: str) -> str:
        """The name of the parameter that is a part of the weight."""
        return f"{self.weight}_{part.removeprefix('bitmod ')}"

    def buffers(self) -> tuple[tuple[Buffer, ...], dict[str, Place]]:
        """Parameters: the group's, the weight's parts in place of the weight."""
        group = self.product.group
        found: list[Buffer] = []
        places = group.places()
        number = places.pop(self.weight).number
        for buffer in group.buffers():
            if buffer.name != self.weight:
                found.append(buffer)
                continue
            for part, shape in shapes(self.bits, *shape_of(self.product.right)).items():
                found.append(Buffer(self.part(part), "f32" if part == CHANNELS else "i32", shape))
                places[self.part(part)] = Place("operand", number, part)
        return tuple(found), places

    def codes(self) -> str:
        """Pointers to codes and marks, as arguments in C."""
        return ", ".join(f"reinterpret_cast<const u32*>({self.part(part)})" for part in (CODES, MARKS))

    def scaled(self, text: str) -> str:
        """A sum at ``column``, times its row's scale, in C."""
        return f"{text} * {self.part(CHANNELS)}[{self.first * ROWS} + column]"

    def token(self) -> str:
        """The number at ``row`` and ``k`` of the tokens, as a float in C."""
        product = self.product
        token, k = offset_text(product.rows, "row", "left"), offset_text(product.depth, "k", "left")
        return f"widen({product.group.operands[product.left]}[{product.starts[0]} + {token} + {k}])"


def read_packed(group: Group) -> Packed | None:
    """The product with a packed weight that a group is, or None."""
    product = read_product(group)
    if product is None:
        return None
    mark = _mark(group, product.right)
    if mark is None or not packable(mark) or not _fits(product, mark):
        return None
    return Packed(product, FORMATS[mark.format].bits, _PARTS[dtype_name(product.left)])


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
        and _in_a_row(product.depth)
        and depth == inputs
        and row % (inputs * ROWS) == 0
        and columns + row // inputs <= shape[0]
    )


def _in_a_row(depth: Sequence[Axis]) -> bool:
    """Whether a weight's inputs lie side by side; a token's may be in several axes, as heads of attention."""
    step = 1
    for axis in reversed(depth):
        if axis.right != step:
            return False
        step *= axis.extent
    return True
