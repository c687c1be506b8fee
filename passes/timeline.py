"""The memory timeline of a placed module: what is where at each step, before and after planning.

This is the content of a bundle's ``plan.json``. Layers are unrolled at their calls, so one entry reads as
one sequence of steps over one arena.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
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
from ..sim.cost.memory_timeline import Placement, memory_timeline
from .lifetimes import Life, label, lifetimes
from .place import LOWER_BOUND, SOLVER


@dataclass
class Unrolled:
    """One entry with its layers unrolled: labels of its steps, and its buffers in the arena."""

    steps: list[str] = field(default_factory=list)
    buffers: list[Placement] = field(default_factory=list)


def unroll(module: ir.Module) -> dict[str, Unrolled]:
    """Every entry of a placed module as one sequence of steps, by name."""
    table = functions(module)
    lives = _lives(module)
    entries = {name: Unrolled() for name in lives if is_entry(table[name])}
    for name, entry in entries.items():
        _unroll(table, lives, name, 0, "", entry)
    return entries


def plan_json(module: ir.Module) -> dict[str, Any]:
    """The plan of a placed module.

    Returns:
        ``functions``: per function its frame, lower bound, solver, and buffers (half-open span of its own
        steps, bytes, offset in the frame). ``entries``: per entry the labels of its unrolled ``steps``, its
        ``buffers`` in the arena, ``live_bytes`` and ``naive_bytes`` per step (what is live; what a program
        that never reuses a byte holds by then), and ``arena_bytes``, ``naive_total_bytes``,
        ``lower_bound_bytes``.
    """
    table = functions(module)
    return {
        "functions": {name: _function_json(table[name], lives) for name, lives in _lives(module).items()},
        "entries": {name: _entry_json(table[name], entry) for name, entry in unroll(module).items()},
    }


def _entry_json(function: func.FuncOp, entry: Unrolled) -> dict[str, Any]:
    series = memory_timeline(entry.buffers, len(entry.steps))
    return {
        "steps": entry.steps,
        "buffers": [asdict(buffer) for buffer in entry.buffers],
        "live_bytes": list(series.live),
        "naive_bytes": list(series.before),
        "arena_bytes": integer(function, FRAME_BYTES),
        "naive_total_bytes": series.peak_before_bytes,
        "lower_bound_bytes": max(series.live, default=0),
    }


def _lives(module: ir.Module) -> dict[str, list[Life]]:
    placed = callees_first(module)
    frames = {function.name.value: integer(function, FRAME_BYTES) for function in placed}
    return {function.name.value: lifetimes(function, frames) for function in placed}


def _offset(life: Life) -> int:
    if life.call is not None:
        return integer(life.call, FRAME_OFFSET)
    alloc = placement(life.value) if life.value is not None else None
    assert alloc is not None, "verified by ir/tier_check.py"
    return integer(alloc, "offset")


def _function_json(function: func.FuncOp, lives: list[Life]) -> dict[str, Any]:
    buffers = [Placement(life.name, life.start, life.end, _offset(life), life.bytes) for life in lives]
    return {
        "frame_bytes": integer(function, FRAME_BYTES),
        "lower_bound_bytes": integer(function, LOWER_BOUND),
        "solver": string(function, SOLVER),
        "steps": [label(op) for op in steps(function)],
        "buffers": [asdict(buffer) for buffer in buffers],
    }


def _unroll(
    table: dict[str, func.FuncOp],
    lives: dict[str, list[Life]],
    name: str,
    base: int,
    path: str,
    into: Unrolled,
) -> None:
    """Append a function's steps and buffers; a call of a layer takes as many steps as the layer has."""
    began = []
    for op in steps(table[name]):
        began.append(len(into.steps))
        if op.name == CALL and not is_upstream(table[callee(op)]):
            frame = integer(op, FRAME_OFFSET) if FRAME_OFFSET in op.attributes else 0
            _unroll(table, lives, callee(op), base + frame, _join(path, instance(op)), into)
        else:
            into.steps.append(_join(path, label(op)))
    began.append(len(into.steps))
    for life in lives[name]:
        start, end = began[life.start], began[life.end]
        if life.value is not None and start < end:
            into.buffers.append(
                Placement(_join(path, life.name), start, end, base + _offset(life), life.bytes)
            )


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
