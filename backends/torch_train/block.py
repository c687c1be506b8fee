"""One block run by the plan: a custom autograd function around the calls that plain autograd would make.

The forward writes skeletal tensors to their places. The backward finds them there, recomputes the tokens that
were neither kept nor swapped, and makes the calls of plain autograd's backward (MEMO, SIGMOD 2025, arXiv
2407.12117, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...ir.swap_plan import ALWAYS
from .arena import Arena
from .capture import Trace, token_axis
from .memory import LayerMemory
from .program import Program
from .rows import RowProgram, row_program
from .schedule import Schedule
from .skeletal import INPUT, Saved

LEAST_ROWS = 64
"""Rows that are recomputed at least: fewer are multiplied by other kernels, with other bits."""


@dataclass(frozen=True)
class Form:
    """What blocks of one structure have in common.

    Attributes:
        trace: on whole sequences.
        saved: what lies between forward and backward.
        short: gives the trace on the last tokens, for as many as asked for.
        tokens: of one sequence.
    """

    trace: Trace
    saved: Saved
    short: Callable[[int], Trace]
    tokens: int


@dataclass(frozen=True)
class Placed:
    """A program with the places of what it makes."""

    program: Program
    homes: dict[int, Tensor]


def _placed(program: Program, trace: Trace, homes: dict[int, Tensor], arena: Arena) -> Placed:
    arena.add(program, trace, homes)
    return Placed(program, homes)


class Block:
    """One block's programs and memory.

    Args:
        form: of its structure.
        memory: its own share.
        output: where the next block has its input; None for the last.
        arena: for transient tensors.
        at: its place among the blocks.
        schedule: of the step.
        pool: what memory of results without a planned place is taken in.
    """

    def __init__(
        self,
        form: Form,
        memory: LayerMemory,
        output: Tensor | None,
        arena: Arena,
        at: int,
        schedule: Schedule,
        pool: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.pool = pool
        self.at, self.schedule, self.form, self.memory = at, schedule, form, memory
        trace, saved = form.trace, form.saved
        self.input = trace.value(trace.x).over(memory.places[INPUT])
        skeletal = {t.value: trace.value(t.value).over(memory.places[t.name]) for t in saved.tensors}
        self._views = {
            value: trace.value(value).over(memory.places[tensor.name])
            for tensor in saved.tensors
            for value in tensor.views
        }
        self._writes_output, written = _output(trace, saved, output)
        self._forward = _placed(saved.forward, trace, {**skeletal, **written}, arena)
        self._backward = _placed(saved.backward, trace, {}, arena)
        self._rows = [_Rows(each, form.tokens, memory, arena) for each in self._row_programs()]

    def _row_programs(self) -> list[RowProgram]:
        """Runs of tensors that are recomputed from one token on, in the order of the forward."""
        tensors, splits = self.form.saved.tensors, self.memory.splits
        there = [t.name for t in tensors if t.kind == ALWAYS or splits[t.name] == t.tokens]
        programs = []
        parted = [t for t in tensors if t.name not in there]
        for first, run in groupby(parted, key=lambda each: splits[each.name]):
            names = [each.name for each in run]
            start = min(first, max(0, self.form.tokens - LEAST_ROWS))
            short = self.form.short(self.form.tokens - start)
            programs.append(row_program(short, tensors, names, there, start))
            there += names
        return programs

    @property
    def writes_next_input(self) -> bool:
        """Whether the output lies where the next block has its input."""
        return self._writes_output is not None

    def forward(self, x: Tensor, extras: Sequence[Tensor], params: Sequence[Tensor]) -> tuple[Tensor, Any]:
        """The block's output, and what `backward` needs beside its arguments."""
        step = self.schedule.forward(self.at)
        trace = self.form.trace
        if x.data_ptr() != self.input.data_ptr():
            self.schedule.write_input(self.at)
            self.input.copy_(x)
        values = self._given(extras, params)
        values[trace.x] = self.input
        before = {}
        if self._writes_output is not None:
            before[self._writes_output] = lambda: self.schedule.write_input(self.at + 1)
        self._forward.program.run(values, self._forward.homes, before)
        self.schedule.forward_done(self.at)
        y = values[trace.y]
        held = {value: values[value] for value in self.form.saved.held}
        return y.view(y.shape) if self._writes_output is not None else y, (step, held)

    def backward(
        self, kept: Any, dy: Tensor, extras: Sequence[Tensor], params: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Gradients of the input and of the parameters, in the order of `Trace.dparams`."""
        step, held = kept
        trace = self.form.trace
        self.schedule.backward(self.at, step)
        for rows in self._rows:
            rows.run(extras, params)
        values = self._given(extras, params)
        values.update(self._views)
        values.update(held)
        values[trace.dy] = dy.contiguous()
        self._backward.program.run(values, self._backward.homes)
        self.schedule.backward_done(self.at)
        return values[trace.dx], [None if at is None else values[at] for at in trace.dparams.values()]

    def _given(self, extras: Sequence[Tensor], params: Sequence[Tensor]) -> dict[int, Any]:
        return _numbered(self.form.trace, extras, params)


def _numbered(trace: Trace, extras: Sequence[Tensor], params: Sequence[Tensor]) -> dict[int, Any]:
    return {
        **dict(zip(trace.extras, extras, strict=True)),
        **dict(zip(trace.params.values(), params, strict=True)),
    }


def _output(trace: Trace, saved: Saved, output: Tensor | None) -> tuple[int | None, dict[int, Tensor]]:
    """The step that writes the output where the next block has its input, and that place, where one can."""
    form, x = trace.value(trace.y), trace.value(trace.x)
    taken = {trace.value(tensor.value).storage for tensor in saved.tensors}
    if output is None or (form.stride, form.offset) != (x.stride, 0) or form.storage in taken:
        return None, {}
    for at, step in enumerate(saved.forward.steps):
        for value in step.results:
            made = None if value is None else trace.values[value]
            if made is not None and made.storage == form.storage:
                return at, {value: made.over(output)}  # pyright: ignore[reportReturnType]
    return None, {}


class _Rows:
    """A program that recomputes rows, bound to a block's memory."""

    def __init__(self, rows: RowProgram, tokens: int, memory: LayerMemory, arena: Arena) -> None:
        self._trace, self._first, self._tokens = rows.trace, rows.first, tokens
        places = {
            each.value: each.rows(memory.places[each.name], rows.first, tokens)
            for each in (*rows.leaves, *rows.targets)
        }
        self._leaves = {each.value: places[each.value] for each in rows.leaves}
        targets = {each.value: places[each.value] for each in rows.targets}
        straight = {
            value: self._trace.value(value).over(place.view(-1))
            for value, place in targets.items()
            if place.is_contiguous()
        }
        self._loose = {value: place for value, place in targets.items() if value not in straight}
        self._placed = _placed(rows.program, self._trace, straight, arena)

    def run(self, extras: Sequence[Tensor], params: Sequence[Tensor]) -> None:
        """Recompute the rows."""
        ends = [_end(each, self._tokens, self._first) for each in extras]
        values = _numbered(self._trace, ends, params)
        for value, rows in self._leaves.items():
            values[value] = self._trace.value(value).over(rows.reshape(-1))
        self._placed.program.run(values, self._placed.homes)
        for value, rows in self._loose.items():
            made = values[value]
            rows.copy_(made.as_strided((made.numel(),), (1,), made.storage_offset()).view(rows.shape))


def _end(extra: Tensor, tokens: int, first: int) -> Tensor:
    axis = token_axis(extra.shape, tokens)
    return extra if axis is None else extra.narrow(axis, first, tokens - first).contiguous()


class MemoFunction(torch.autograd.Function):
    """A block as one node of autograd's graph."""

    @staticmethod
    def forward(
        ctx: Any, block: Block, x: Tensor, extras: Sequence[Tensor], params: Sequence[Tensor], *wanted: Tensor
    ) -> Tensor:
        """The block's output; `wanted` are the parameters that want a gradient, once more."""
        ctx.block = block
        with block.pool():
            y, ctx.kept = block.forward(x, extras, params)
        ctx.extras = extras
        ctx.params = params
        ctx.save_for_backward(*wanted)  # a parameter changed in between is an error, as in plain autograd
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Gradients of the input and the parameters."""
        _ = ctx.saved_tensors
        with ctx.block.pool():
            dx, gradients = ctx.block.backward(ctx.kept, dy, ctx.extras, ctx.params)
        return None, dx, None, None, *gradients
