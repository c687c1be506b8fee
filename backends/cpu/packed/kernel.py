"""A linear layer of a model as a kernel on packed weights: a few lines of C that hand its places on."""

from __future__ import annotations

from collections.abc import Sequence

from ....ir.linear import MOST_AXES, Axis, LinearGroup
from ....ir.quantized import FLOAT
from ....ir.weights import aligned
from ..kernels import Image, Kernel
from .layout import GROUP_SIZE
from .linear import DIGITS

ROUNDINGS = {FLOAT: "int22", "int15": "int15", "int8": "int8"}
"""What each of a mark's roundings of activations is to the kernels."""


def packed_kernel(group: LinearGroup, operands: int, symbol: str) -> Kernel:
    """The kernel of a linear layer.

    Args:
        group: the layer.
        operands: how many operands its group has.
        symbol: of the kernel.
    """
    tokens, inputs, channels = group.linear.sizes
    rounding = ROUNDINGS[group.mark.activations]
    names = {group.x: "x", group.weight: "image", group.bias: "bias"}
    given = [f"const void *{names[number]}" for number in range(operands)]
    fields = {
        "image": "image",
        "x": f"(const float *)x + {group.linear.x_start}",
        "y": "y",
        "shared": "thread->shared",
        "tokens": str(tokens),
        "digits": str(DIGITS[rounding]),
        "bias": "NULL" if group.bias is None else "bias",
        "places": "&places",
    }
    call = ", ".join(f".{name} = {value}" for name, value in fields.items())
    places = ", ".join(map(_axes, (group.linear.tokens, group.linear.inputs, group.linear.channels)))
    source = [
        f"/* {tokens} × {inputs} → {channels}, weights {group.mark.format}, activations {rounding} */",
        f"static void {symbol}({', '.join(given)}, void *y, const pst_thread *thread) {{",
        f"    static const pst_places places = {{{places}}};",
        f"    pst_bitmod_call call = {{{call}}};",
        "    pst_bitmod_linear(thread, &call);",
        "}",
    ]
    last = group.linear.inputs[-1:]
    in_order = not last or (last[0].extent, last[0].x) == (inputs, 1)
    return Kernel(
        symbol=symbol,
        mlir="",
        arguments=("float",) * (operands + 1),
        inputs=operands,
        scratch_bytes=64 if in_order else aligned(inputs * 4),
        shared_bytes=shared_bytes(inputs, tokens * DIGITS[rounding]),
        packs={group.weight: Image(group.mark, group.linear.first, channels)},
        source="\n".join(source),
    )


def shared_bytes(inputs: int, rows: int) -> int:
    """Workspace of a call, as ``pst_bitmod_shared_bytes`` has it, for so many rows of digits."""
    groups = -(-inputs // GROUP_SIZE)
    return 64 + rows * groups * GROUP_SIZE + 2 * aligned(rows * groups * 4) + aligned(rows * 4)


def _axes(axes: Sequence[Axis]) -> str:
    """Axes as an initializer, the outer ones that are not in use first."""
    rows = [(1, 0, 0)] * (MOST_AXES - len(axes)) + [(axis.extent, axis.x, axis.y) for axis in axes]
    return "{" + ", ".join("{" + ", ".join(map(str, row)) + "}" for row in rows) + "}"
