"""Groups without iterations as kernels with a thread a point of the output; a reduction is its thread's loop.

This is what elementwise chains are, and what anything falls back to that no better kernel takes.
"""

from __future__ import annotations

from math import prod

from ....ir.cascade import shape_of
from ....ir.einsum import Index
from ..kernel import Buffer, Kernel, Launch
from .expressions import Scope, store_text
from .group import Group, dtype_name
from .text import ELEMENTS

THREADS = 256


def points_kernel(group: Group, name: str) -> Launch:
    """The kernel of a group without iterations.

    Args:
        group: the group.
        name: of the kernel.
    """
    buffers = group.buffers()
    spaces = [tuple(group.made[value].einsum.output.ranks) for value in group.yielded]
    most = max(prod(shape_of(value)) for value in group.yielded)
    lines: list[str] = []
    for number, space in enumerate(spaces):
        if space in spaces[:number]:
            continue
        values = [at for at, other in enumerate(spaces) if other == space]
        lines += _section(group, values, space)
    reductions = any(view.einsum.reduce for view in group.views)
    what = f"{name}: a thread a point of the result" + (", which sums by itself" if reductions else "")
    source = "\n".join(
        [
            *group.head(what),
            '#include "operators.cuh"',
            "",
            signature(name, buffers, THREADS),
            *(f"    {line}".rstrip() for line in lines),
            "}",
            "",
        ]
    )
    blocks = max(1, -(-most // THREADS))
    kernel = Kernel(
        name,
        source,
        "sm_80",
        (blocks, 1, 1),
        (THREADS, 1, 1),
        0,
        buffers,
        group.notation,
        what.partition(": ")[2],
    )
    return Launch(kernel, group.places())


def _section(group: Group, values: list[int], space: tuple[str, ...]) -> list[str]:
    """Statements that compute the results of one iteration space."""
    total = prod(group.extents[rank] for rank in space)
    body = Scope(group, group.names(), {})
    body.add(*decode("point", space, group))
    index = [Index.of(rank) for rank in space]
    for number in values:
        value = group.yielded[number]
        text, _ = body.value(value, index)
        body.add(store_text(group.results[number], dtype_name(value), shape_of(value), index, text))
    wide = "long long" if total >= 1 << 31 else "int"
    start = f"static_cast<{wide}>(blockIdx.x) * {THREADS} + threadIdx.x"
    return [
        f"if (const {wide} point = {start}; point < {total}{'LL' if wide != 'int' else ''}) {{",
        *(f"    {line}" for line in body.lines),
        "}",
    ]


def decode(variable: str, space: tuple[str, ...], group: Group) -> list[str]:
    """Declarations of ranks from a flat number of points, the last rank innermost."""
    lines, step = [], 1
    for number, rank in reversed(list(enumerate(space))):
        extent = group.extents[rank]
        text = variable if step == 1 else f"{variable} / {step}"
        text = "0" if extent == 1 else text if number == 0 else f"{text} % {extent}"
        lines.append(f"const int {rank} = {text};")
        step *= extent
    return lines


def signature(
    name: str, buffers: tuple[Buffer, ...], threads: int, more: tuple[str, ...] = (), alone: bool = False
) -> str:
    """The head of a kernel's definition.

    Args:
        name: of the kernel.
        buffers: its parameters.
        threads: of a block.
        more: parameters behind them.
        alone: a multiprocessor has one block at a time; what changes its registers at run time must say so.
    """
    parameters = [
        f"{'const ' if buffer.role == 'in' else ''}{ELEMENTS[buffer.dtype]}* __restrict__ {buffer.name}"
        for buffer in buffers
    ]
    bounds = f"{threads}, 1" if alone else str(threads)
    listed = ",\n        ".join((*parameters, *more))
    return f'extern "C" __global__ void __launch_bounds__({bounds})\n    {name}(\n        {listed}) {{'


def is_pointwise(group: Group) -> bool:
    """Whether a group has neither reductions nor iterations."""
    return not group.tiles and all(view.einsum.reduce is None for view in group.views)
