"""The verifier of placements: no two live tensors share a byte, and all lie in their frame.

Written from the definition (liveness backwards from the return), sharing nothing with the planner. Frames
are relative: a callee's frame is bytes the caller keeps free for the time of the call. And what was updated
in place is not read as it was before.
"""

from __future__ import annotations

from dataclasses import dataclass

from .build import integer
from .errors import PlanError
from .mlir import func, ir
from .steps import (
    CALL,
    FRAME_BYTES,
    FRAME_OFFSET,
    callee,
    callees_first,
    functions,
    is_upstream,
    made,
    placement,
    root,
    size_bytes,
    steps,
    updated,
    viewed,
    written_results,
)
from .weights import ALIGN


@dataclass(frozen=True, order=True)
class Span:
    """Bytes ``[start, end)`` of a frame and what is in them."""

    start: int
    end: int
    what: str


def verify_placement(module: ir.Module) -> None:
    """Hold a placed module to the rules above.

    Raises:
        PlanError: naming the function and the tensors that break a rule.
    """
    table = functions(module)
    for function in callees_first(module):
        if FRAME_BYTES not in function.attributes:
            raise PlanError(
                "the function has no frame", where=function.name.value, accepted="a placed module"
            )
        _verify_function(function, table)
        _verify_updates(function)


def _verify_updates(function: func.FuncOp) -> None:
    """Nothing reads what was updated in place as it was before."""
    latest: dict[ir.Value, ir.Value] = {}
    for number, op in enumerate([*steps(function), function.entry_block.operations[-1].operation]):
        for value in op.operands:
            if latest.get(root(value), viewed(value)) != viewed(value):
                raise PlanError(
                    f"step {number} ({op.name}) reads {value.type} as it was before its update in place",
                    where=function.name.value,
                    accepted="reads of the updated value, or before the update",
                )
        latest |= {root(value): value for value in op.results if updated(value) is not None}


def _verify_function(function: func.FuncOp, table: dict[str, func.FuncOp]) -> None:
    frame = integer(function, FRAME_BYTES)
    outside = set(written_results(function))
    where = function.name.value
    names: dict[ir.Value, str] = {}
    sequence = steps(function)
    for number, op in enumerate(sequence):
        names.update({value: f"result {at} of step {number}" for at, value in enumerate(made(op))})
    live: dict[ir.Value, Span] = {}
    for number in range(len(sequence) - 1, -1, -1):
        op = sequence[number]
        touched = {root(value) for value in (*op.operands, *op.results)}
        for value in touched:
            if value in names and value not in outside and value not in live:
                live[value] = _span(value, names[value], where)
        spans = [*live.values()]
        if op.name == CALL:
            spans += _frame_of_call(op, table)
        _check_spans(spans, frame, f"{where}, step {number} ({op.name})")
        for value in op.results:
            live.pop(value, None)


def _span(value: ir.Value, name: str, where: str) -> Span:
    alloc = placement(value)
    if alloc is None:
        raise PlanError(f"{name} has no place", where=where, accepted="tier.alloc, or a function's result")
    start, size = integer(alloc, "offset"), integer(alloc, "bytes")
    if size < size_bytes(value):
        raise PlanError(f"{name} needs {size_bytes(value)} bytes, not {size}", where=where)
    return Span(start, start + size, name)


def _frame_of_call(op: ir.Operation, table: dict[str, func.FuncOp]) -> list[Span]:
    function = table[callee(op)]
    if is_upstream(function) or integer(function, FRAME_BYTES) == 0:
        return []
    start = integer(op, FRAME_OFFSET)
    return [Span(start, start + integer(function, FRAME_BYTES), f"the frame of {callee(op)}")]


def _check_spans(spans: list[Span], frame: int, where: str) -> None:
    before = Span(0, 0, "the start of the frame")
    for span in sorted(spans):
        if span.start == span.end:
            continue
        if span.start % ALIGN:
            raise PlanError(
                f"{span.what} starts at {span.start}", where=where, accepted=f"multiples of {ALIGN}"
            )
        if span.start < before.end:
            raise PlanError(
                f"{span.what} overlaps {before.what}: bytes [{span.start}, {span.end}) and "
                f"[{before.start}, {before.end})",
                where=where,
            )
        if span.end > frame:
            raise PlanError(f"{span.what} ends at byte {span.end}", where=where, accepted=f"{frame} or less")
        before = span
