"""Slices put into a state where it is, as C: the one kernel that writes to what it is given."""

from __future__ import annotations

import math

from ...ir.build import integer
from ...ir.cascade import shape_of
from ...ir.mlir import func
from ...ir.steps import PUT, dtype_of
from .kernels import Kernel


def is_put(function: func.FuncOp) -> bool:
    """Whether an upstream function puts slices into its first argument."""
    return PUT in function.attributes


def put_kernel(function: func.FuncOp, symbol: str) -> Kernel:
    """The kernel of a function that puts slices into a state, in place: every thread some rows of each slice.

    Args:
        function: of the state, the coordinates and the slices, marked with the dimension.
        symbol: C symbol of the kernel.
    """
    state, index, _ = function.arguments
    dim, shape = integer(function, PUT), shape_of(state)
    outer, inner, count = math.prod(shape[:dim]), math.prod(shape[dim + 1 :]), shape_of(index)[0]
    element, whole = dtype_of(state).c, dtype_of(index).c
    text = f"""\
/* {count} slices at coordinates of dimension {dim} of {list(shape)}; none where one is out of range. */
static void {symbol}(
        {element} *state, const {whole} *index, const {element} *slices, const pst_thread *thread) {{
    int64_t first = {outer} * thread->id / thread->count, end = {outer} * (thread->id + 1) / thread->count;
    for (int64_t row = first; row < end; row++)
        for (int64_t slice = 0; slice < {count}; slice++)
            if ((uint64_t)index[slice] < {shape[dim]})
                memcpy(state + (row * {shape[dim]} + index[slice]) * {inner},
                       slices + (row * {count} + slice) * {inner}, {inner} * sizeof *state);
}}"""
    return Kernel(symbol, "", (element, whole, element), 3, 0, 0, {}, text)
