"""A PyTorch model trained by a swap plan: its blocks swap and recompute, everything else stays as it is.

After MEMO (SIGMOD 2025, arXiv 2407.12117): skeletal tensors in two rounding buffers, a prefix of their tokens
swapped to a slab of host memory on streams of their own, the other tokens recomputed, transient tensors at
planned places. Gradients are those of plain autograd.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...ir.errors import InputError
from ...ir.swap_plan import Skeletal, SwapPlan
from .arena import Arena, Planner, first_fit
from .block import Block, Form, MemoFunction
from .capture import Arguments, Trace, trace
from .cuda_lanes import CudaLanes
from .lanes import Lanes
from .memory import check_plan, check_tensors, lay_out
from .rows import check_rows
from .schedule import Schedule
from .skeletal import saved
from .stack import find_stack, structure
from .thread_lanes import ThreadLanes


@dataclass(frozen=True)
class Sizes:
    """Bytes a wrapped model takes for activations.

    Attributes:
        buffers: both rounding buffers.
        kept: skeletal tensors in memory of their own.
        arena: transient tensors at planned places.
        host: the slab.
    """

    buffers: int
    kept: int
    arena: int
    host: int


class Memo(nn.Module):
    """A model whose blocks follow a plan while it trains; without gradients it runs as it always did.

    Memory is taken at the first forward with gradients, whose input's form is the only one from then on. One
    backward belongs to each forward, before the next.

    Args:
        model: with a stack of blocks; its parameters stay its own, its blocks' `forward` is replaced.
        plan: for as many layers and tokens.
        slab_folder: where the slab's file is mapped; None for memory of the process, pinned on a GPU.
        planner: of transient tensors' places.
        lanes: of copies; None for the device's own.

    Raises:
        PenstockError: a model that cannot be wrapped; when it is called, shapes that are not the plan's.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: SwapPlan,
        *,
        slab_folder: Path | None = None,
        planner: Planner = first_fit,
        lanes: Lanes | None = None,
    ) -> None:
        super().__init__()
        name, blocks = find_stack(model)
        check_plan(plan, len(blocks), plan.tokens, 1, name)
        self.model = model
        self.plan = plan
        self._name, self._stack = name, tuple(blocks)
        self._slab_folder, self._planner, self._lanes = slab_folder, planner, lanes
        self._run: _Run | None = None
        twice = [f"{name}.{at}" for at, block in enumerate(blocks) if "forward" in vars(block)]
        if twice:
            raise InputError("its forward is replaced already", where=twice[0], accepted="a model once")
        for at, block in enumerate(blocks):
            block.forward = partial(self._block, at)  # pyright: ignore[reportAttributeAccessIssue]

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """As the model's."""
        return self.model(*arguments, **keywords)

    def sizes(self) -> Sizes:
        """Bytes taken; none before the first forward with gradients."""
        return Sizes(0, 0, 0, 0) if self._run is None else self._run.sizes

    def skeletal(self) -> tuple[Skeletal, ...]:
        """Skeletal tensors of the first block, as plans name them; none before the first forward."""
        return () if self._run is None else self._run.skeletal

    def close(self) -> None:
        """Give the memory back, end the copying lanes and leave the model as it was."""
        for block in self._stack:
            vars(block).pop("forward", None)
        if self._run is not None:
            self._run.end()
            self._run = None

    def _block(self, at: int, x: Tensor, *extras: Any, **keywords: Any) -> Tensor:
        block = self._stack[at]
        if not torch.is_grad_enabled() or not (
            x.requires_grad or any(p.requires_grad for p in block.parameters())
        ):
            return type(block).forward(block, x, *extras, **keywords)
        arguments = Arguments.of(extras, keywords)
        self._check_call(at, x, arguments)
        if self._run is None:
            self._run = self._prepare(x, arguments)
        return self._run.call(at, x, arguments)

    def _check_call(self, at: int, x: Tensor, arguments: Arguments) -> None:
        where = f"{self._name}.{at}"
        if x.dim() != 3:
            raise InputError(f"input {list(x.shape)}", where=where, accepted="[batch, tokens, width]")
        if torch.is_autocast_enabled(x.device.type):
            raise InputError("runs under autocast", where=where, accepted="a model in its own precision")
        if any(tensor.requires_grad for tensor in arguments.tensors):
            raise InputError(
                "an argument besides the input wants a gradient",
                where=where,
                accepted="blocks that are given tensors without one: angles, positions",
            )

    def _prepare(self, x: Tensor, arguments: Arguments) -> _Run:
        """Trace the blocks, take all memory, and bind one to the other."""
        batch, tokens = x.shape[:2]
        check_plan(self.plan, len(self._stack), batch, tokens, self._name)
        forms = self._forms(x, arguments)
        memory = lay_out(self.plan, [form.saved for form in forms], batch, x.device, self._slab_folder)
        lanes = self._lanes or (CudaLanes(x.device) if x.device.type == "cuda" else ThreadLanes())
        schedule = Schedule(lanes, memory.layers)
        arena = Arena(self._planner)
        inputs = [layer.places["input"] for layer in memory.layers]
        pool, nexts = _pool(x.device), [*inputs[1:], None]
        blocks = [
            Block(form, memory.layers[at], nexts[at], arena, at, schedule, pool)
            for at, form in enumerate(forms)
        ]
        arena.take(x.device)
        sizes = Sizes(memory.buffer_bytes, memory.kept_bytes, arena.bytes, memory.host_bytes)
        found = tuple(
            Skeletal(each.name, each.token_bytes * each.outer // batch, each.kind)
            for each in forms[0].saved.tensors
        )
        return _Run(self._name, self._stack, blocks, schedule, sizes, found, _form(x, arguments))

    def _forms(self, x: Tensor, arguments: Arguments) -> list[Form]:
        """Every block's trace; blocks of one structure share one."""
        tokens = x.shape[1]
        known: dict[Hashable, Form] = {}
        forms = []
        for at, block in enumerate(self._stack):
            key = structure(block)
            if key not in known:
                known[key] = self._formed(block, x, arguments, tokens, f"{self._name}.{at}")
                check_tensors(self.plan, known[key].saved, x.shape[0], f"{self._name}.{at}")
            forms.append(known[key])
        return forms

    def _formed(self, block: nn.Module, x: Tensor, arguments: Arguments, tokens: int, where: str) -> Form:
        @cache
        def traced(count: int) -> Trace:
            replaced = vars(block).pop("forward")
            try:
                return trace(block, x, arguments, count, where)
            finally:
                vars(block)["forward"] = replaced

        whole, short = traced(tokens), traced(max(1, tokens // 2))
        kept = saved(whole, short, tokens, where)
        check_rows(whole, short, kept.tensors, where)
        return Form(whole, kept, traced, tokens)


class _Run:
    """A model bound to memory: what is there after the first forward."""

    def __init__(
        self,
        name: str,
        stack: Sequence[nn.Module],
        blocks: Sequence[Block],
        schedule: Schedule,
        sizes: Sizes,
        skeletal: tuple[Skeletal, ...],
        form: Hashable,
    ) -> None:
        self.schedule, self.sizes, self.skeletal = schedule, sizes, skeletal
        self._name, self._blocks, self._form = name, blocks, form
        self._params = [
            [*(each for _, each in block.named_parameters()), *(each for _, each in block.named_buffers())]
            for block in stack
        ]
        self.end = weakref.finalize(
            self, schedule.lanes.close
        )  # no copy outlives the memory it is from or to

    def call(self, at: int, x: Tensor, arguments: Arguments) -> Tensor:
        """One block's forward."""
        if _form(x, arguments) != self._form:
            raise InputError(
                f"input {list(x.shape)}, {x.dtype}, or other arguments than the first time",
                where=f"{self._name}.{at}",
                accepted="the form the first forward had; another shape takes another plan",
            )
        params = self._params[at]
        wanted = [each for each in params if each.requires_grad]
        y = MemoFunction.apply(self._blocks[at], x, arguments.tensors, params, *wanted)
        if self._blocks[at].writes_next_input:
            self.schedule.give(at + 1, y)  # pyright: ignore[reportArgumentType]
        return y  # pyright: ignore[reportReturnType]


def _pool(device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Where memory of results without a planned place comes from: on a GPU a pool of its own."""
    return (
        partial(torch.cuda.use_mem_pool, torch.cuda.MemPool(), device)
        if device.type == "cuda"
        else nullcontext
    )


def _form(x: Tensor, arguments: Arguments) -> Hashable:
    tensors = tuple((tuple(e.shape), e.dtype, e.device) for e in (x, *arguments.tensors))
    return tensors, tuple(map(repr, arguments.leaves)), arguments.form
