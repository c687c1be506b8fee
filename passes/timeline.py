"""The memory timeline of a placed module: what is where at each step, before and after planning.

This is the content of a bundle's ``plan.json``. Layers are unrolled at their calls, so one entry reads as
one sequence of steps over one arena.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..ir.build import integer, string
from ..ir.mlir import func, ir
from ..ir.steps import (
    CALL,
    FRAME_BYTES,
    FRAME_OFFSET,
    callee,
    callees_first,
    functions,
    instance,
    is_entry,
    is_upstream,
    placement,
    steps,
)
from .lifetimes import Life, label, lifetimes
from .place import LOWER_BOUND, SOLVER


@dataclass
class _Unrolled:
    """One entry with its layers unrolled; buffers as JSON objects."""

    labels: list[str] = field(default_factory=list)
    buffers: list[dict[str, Any]] = field(default_factory=list)


def plan_json(module: ir.Module) -> dict[str, Any]:
    """The plan of a placed module.

    Returns:
        ``functions``: per function its frame, lower bound, solver and buffers (steps half-open, bytes,
        offset in the frame). ``entries``: per entry the unrolled ``steps`` (labels), its ``buffers``
        (offset in the arena), ``live_bytes`` and ``naive_bytes`` per step (what is live; what a program
        that never reuses a byte holds by then), and the totals ``arena_bytes``, ``naive_total_bytes``,
        ``lower_bound_bytes``.
    """
    table = functions(module)
    frames = {f.name.value: integer(f, FRAME_BYTES) for f in callees_first(module)}
    lives = {name: lifetimes(table[name], frames) for name in frames}
    return {
        "functions": {name: _function_json(table[name], lives[name]) for name in frames},
        "entries": {name: _entry_json(table, lives, name) for name in frames if is_entry(table[name])},
    }


def _offset(life: Life) -> int:
    if life.call is not None:
        return integer(life.call, FRAME_OFFSET)
    alloc = placement(life.value) if life.value is not None else None
    assert alloc is not None, "verified by ir/tier_check.py"
    return integer(alloc, "offset")


def _function_json(function: func.FuncOp, lives: list[Life]) -> dict[str, Any]:
    return {
        "frame_bytes": integer(function, FRAME_BYTES),
        "lower_bound_bytes": integer(function, LOWER_BOUND),
        "solver": string(function, SOLVER),
        "steps": [label(op) for op in steps(function)],
        "buffers": [
            {
                "name": life.name,
                "start": life.start,
                "end": life.end,
                "bytes": life.bytes,
                "offset": _offset(life),
            }
            for life in lives
        ],
    }


def _entry_json(table: dict[str, func.FuncOp], lives: dict[str, list[Life]], name: str) -> dict[str, Any]:
    unrolled = _Unrolled()
    _unroll(table, lives, name, 0, "", unrolled)
    count = len(unrolled.labels)
    live, naive = [0] * count, [0] * count
    for buffer in unrolled.buffers:
        for step in range(buffer["start"], count):
            naive[step] += buffer["bytes"]
            live[step] += buffer["bytes"] if step < buffer["end"] else 0
    return {
        "steps": unrolled.labels,
        "buffers": unrolled.buffers,
        "live_bytes": live,
        "naive_bytes": naive,
        "arena_bytes": integer(table[name], FRAME_BYTES),
        "naive_total_bytes": naive[-1] if naive else 0,
        "lower_bound_bytes": max(live, default=0),
    }


def _unroll(
    table: dict[str, func.FuncOp],
    lives: dict[str, list[Life]],
    name: str,
    base: int,
    path: str,
    into: _Unrolled,
) -> None:
    """Append a function's steps and buffers; a call of a layer takes as many steps as the layer has."""
    began = []
    for op in steps(table[name]):
        began.append(len(into.labels))
        if op.name == CALL and not is_upstream(table[callee(op)]):
            inner = _join(path, instance(op))
            _unroll(table, lives, callee(op), base + _frame_offset(op), inner, into)
        else:
            into.labels.append(_join(path, label(op)))
    began.append(len(into.labels))
    for life in _tensors(lives[name]):
        into.buffers.append(
            {
                "name": _join(path, life.name),
                "start": began[life.start],
                "end": began[life.end],
                "bytes": life.bytes,
                "offset": base + _offset(life),
            }
        )


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _frame_offset(op: ir.Operation) -> int:
    return integer(op, FRAME_OFFSET) if FRAME_OFFSET in op.attributes else 0


def _tensors(lives: list[Life]) -> Iterator[Life]:
    return (life for life in lives if life.value is not None)
