"""Lifetimes: from which step to which step each tensor's bytes are needed.

Within one function, in program order. Arguments and results live with the caller; a call of a layer needs
the layer's frame for the time of the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ir.mlir import func, ir
from ..ir.steps import CALL, NODES, callee, instance, made, root, size_bytes, steps, written_results


@dataclass(frozen=True)
class Life:
    """One tensor or callee's frame in a function's frame, needed in the half-open span of steps.

    Attributes:
        name: unique in its function, e.g. ``"3:bert.layer.0.attention"``.
        start, end: first step that needs it, and the step after the last.
        bytes: size, a multiple of 64.
        value: the tensor, or None for a frame.
        call: the call whose frame it is, or None.
    """

    name: str
    start: int
    end: int
    bytes: int
    value: ir.Value | None = None
    call: ir.Operation | None = None


def label(op: ir.Operation) -> str:
    """A step's readable name: its kernel, or what it calls."""
    if op.name == CALL:
        return instance(op)
    return ir.StringAttr(op.attributes["kernel"]).value


def _name(op: ir.Operation, number: int, result: int) -> str:
    nodes = [ir.StringAttr(node).value for node in op.attributes[NODES]] if NODES in op.attributes else []
    name = (nodes[result] if result < len(nodes) else "") or label(op)
    return f"{number}:{name}" if len(op.results) == 1 else f"{number}.{result}:{name}"


def lifetimes(function: func.FuncOp, frames: Mapping[str, int]) -> list[Life]:
    """What the function's frame must hold, and when.

    Args:
        function: one whose steps are kernels and calls.
        frames: bytes of the frames of the functions it calls; upstream functions have none.

    Raises:
        PassError: the function is not fused.
    """
    sequence = steps(function)
    outside = set(written_results(function))
    last: dict[ir.Value, int] = {}
    for number, op in enumerate(sequence):
        last.update({root(value): number for value in op.operands})
    lives = []
    for number, op in enumerate(sequence):
        own = made(op)
        for at, value in enumerate(op.results):
            if value in own and value not in outside:
                end = last.get(value, number) + 1
                lives.append(Life(_name(op, number, at), number, end, size_bytes(value), value=value))
        frame = frames.get(callee(op), 0) if op.name == CALL else 0
        if frame:
            lives.append(Life(f"{number}:frame of {label(op)}", number, number + 1, frame, call=op))
    return lives
