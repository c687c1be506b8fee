"""Slices put into a state where it is: the one kernel that writes to what it is given."""

from __future__ import annotations

from math import prod

from ....ir.build import integer
from ....ir.cascade import shape_of
from ....ir.mlir import func
from ....ir.steps import PUT
from ..kernel import Buffer, Kernel, Launch, Place
from .group import dtype_name
from .points import THREADS, signature


def is_put(function: func.FuncOp) -> bool:
    """Whether an upstream function puts slices into its first argument."""
    return PUT in function.attributes


def put_kernel(function: func.FuncOp, name: str) -> Launch:
    """The kernel of a function that puts slices into a state, in place; none where one is out of range.

    Args:
        function: of the state, the coordinates and the slices, marked with the dimension.
        name: of the kernel.
    """
    state, index, slices = function.arguments
    dim, shape, count = integer(function, PUT), shape_of(state), shape_of(index)[0]
    inner, total = prod(shape[dim + 1 :]), prod(shape_of(slices))
    buffers = (
        Buffer("state", dtype_name(state), shape, role="update"),
        Buffer("index", dtype_name(index), shape_of(index)),
        Buffer("slices", dtype_name(slices), shape_of(slices)),
    )
    what = f"{count} slices at coordinates of dimension {dim} of {list(shape)}, a thread an element"
    source = f"""\
// {name}: {what}
#include "element.cuh"

{signature(name, buffers, THREADS)}
    const int point = static_cast<int>(blockIdx.x) * {THREADS} + threadIdx.x;
    if (point >= {total}) return;
    const int element = point % {inner};
    const int slice = point / {inner} % {count};
    const int row = point / {inner * count};
    const long long place = index[slice];
    if (place < 0 || place >= {shape[dim]}) return;
    state[(row * {shape[dim]}LL + place) * {inner} + element] = slices[point];
}}
"""
    blocks = max(1, -(-total // THREADS))
    kernel = Kernel(
        name, source, "sm_80", (blocks, 1, 1), (THREADS, 1, 1), 0, buffers, (f"{name}: upstream",), what
    )
    places = {buffer.name: Place("operand", number) for number, buffer in enumerate(buffers)}
    return Launch(kernel, places)
