"""Where every layer's skeletal tensors lie: two rounding buffers, memory of their own, and the host's slab.

Layer i is made in the buffer its plan names, i % 2 by the paper (MEMO, SIGMOD 2025, arXiv 2407.12117, section
4.1). What is kept of a layer whose buffer another layer takes over lies in memory of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...ir.errors import PlanError
from ...ir.swap_plan import ALWAYS, BUFFERS, KEEP, RECOMPUTE, SWAP, LayerPlan, SwapPlan, TensorAction, place
from .lanes import Copy
from .skeletal import Saved, Skeletal
from .slab import slab


@dataclass(frozen=True)
class LayerMemory:
    """One layer's share.

    Attributes:
        places: flat memory of every skeletal tensor, by name.
        within: the part of `places` that lies in a rounding buffer.
        offload, fetch: copies to the host and back.
        splits: tokens of each sequence that are there when the layer's backward begins, by name; all of them
            where a tensor is kept, or the layer is the last in its buffer.
        before: the layer whose buffer this one takes over.
        resident: nothing of it is copied or recomputed.
    """

    places: Mapping[str, Tensor]
    within: tuple[Tensor, ...]
    offload: tuple[Copy, ...]
    fetch: tuple[Copy, ...]
    splits: Mapping[str, int]
    before: int | None
    resident: bool


@dataclass(frozen=True)
class Memory:
    """All layers' shares.

    Attributes:
        layers: in order.
        buffer_bytes: of both rounding buffers.
        kept_bytes: of tensors in memory of their own.
        host_bytes: of the slab.
    """

    layers: tuple[LayerMemory, ...]
    buffer_bytes: int
    kept_bytes: int
    host_bytes: int


def lay_out(
    plan: SwapPlan, saved: Sequence[Saved], batch: int, device: torch.device, folder: Path | None
) -> Memory:
    """Take the memory a plan asks for.

    Args:
        plan: with as many layers as there are of `saved`.
        saved: what each layer saves.
        batch: sequences in a batch.
        device: where the layers run.
        folder: where the slab's file goes; None for memory of the process.

    Raises:
        PlanError: the plan is for other tensors, or memory cannot be had.
    """
    before = [_before(plan.layers, at) for at in range(len(saved))]
    resident = [at not in before for at in range(len(saved))]
    actions = [
        {t.name: _action(plan, layer, which, t, resident[at]) for which, t in enumerate(saved[at].tensors)}
        for at, layer in enumerate(plan.layers)
    ]
    splits = [
        {t.name: _there(plan, actions[at][t.name], t, batch) for t in each.tensors}
        for at, each in enumerate(saved)
    ]
    sizes = [0] * BUFFERS
    for layer, each in zip(plan.layers, saved, strict=True):
        if layer.buffer is not None:
            sizes[layer.buffer] = max(sizes[layer.buffer], each.bytes)
    buffers = [torch.empty(size, dtype=torch.uint8, device=device) for size in sizes]
    host_bytes = sum(
        place(t.token_bytes * t.outer * splits[at][t.name])
        for at, each in enumerate(saved)
        for t in each.tensors
        if actions[at][t.name].action == SWAP
    )
    host = slab(host_bytes, device, folder)
    layers, taken, kept = [], 0, 0
    for at, each in enumerate(saved):
        made, taken, own = _layer(
            each, plan.layers[at].buffer, buffers, actions[at], splits[at], host, taken, resident[at]
        )
        kept += own
        layers.append(LayerMemory(*made, splits[at], before[at], resident[at]))
    return Memory(tuple(layers), sum(sizes), kept, host_bytes)


def _before(layers: Sequence[LayerPlan], at: int) -> int | None:
    """The last layer before this one in the same buffer."""
    buffer = layers[at].buffer
    earlier = (each for each in range(at - 1, -1, -1) if layers[each].buffer == buffer)
    return None if buffer is None else next(earlier, None)


def _action(plan: SwapPlan, layer: LayerPlan, at: int, tensor: Skeletal, resident: bool) -> TensorAction:
    if resident:
        return TensorAction(tensor.name, KEEP)
    if layer.actions:
        return layer.actions[at]
    count = plan.tokens if tensor.kind == ALWAYS else layer.tokens
    return TensorAction(tensor.name, SWAP, count) if count else TensorAction(tensor.name, RECOMPUTE)


def _there(plan: SwapPlan, action: TensorAction, tensor: Skeletal, batch: int) -> int:
    """Tokens of each sequence that do not have to be recomputed."""
    if action.action == KEEP or action.tokens == plan.tokens:
        return tensor.tokens
    return action.tokens // batch // plan.align * plan.align


def _layer(
    saved: Saved,
    buffer: int | None,
    buffers: Sequence[Tensor],
    actions: Mapping[str, TensorAction],
    splits: Mapping[str, int],
    host: Tensor,
    taken: int,
    resident: bool,
) -> tuple[tuple[dict[str, Tensor], tuple[Tensor, ...], tuple[Copy, ...], tuple[Copy, ...]], int, int]:
    """Places and copies of one layer; bytes of the slab taken so far; bytes in memory of its own."""
    places: dict[str, Tensor] = {}
    within: list[Tensor] = []
    copies: list[Copy] = []
    at = own = 0
    for tensor in saved.tensors:
        action = actions[tensor.name].action
        if buffer is not None and (resident or action != KEEP):
            memory = buffers[buffer][at : at + tensor.bytes]
            within.append(memory)
        else:
            memory = torch.empty(tensor.bytes, dtype=torch.uint8, device=buffers[0].device)
            own += tensor.bytes
        at += place(tensor.bytes)
        places[tensor.name] = flat = memory.view(tensor.dtype)
        if action == SWAP:
            pieces, taken = _pieces(tensor, flat, splits[tensor.name], host, taken)
            copies += pieces
    back = tuple((device, there) for there, device in copies)
    return (places, tuple(within), tuple(copies), back), taken, own


def _pieces(tensor: Skeletal, flat: Tensor, count: int, host: Tensor, taken: int) -> tuple[list[Copy], int]:
    """Copies of a prefix of tokens to the slab, a piece for each stretch of contiguous memory."""
    if count == tensor.tokens:
        there = host[taken : taken + tensor.bytes].view(tensor.dtype)
        return [(there, flat)], taken + place(tensor.bytes)
    size = count * tensor.token_bytes
    pieces = []
    for number, rows in enumerate(tensor.rows(flat, 0, count)):
        start = taken + number * size
        pieces.append((host[start : start + size].view(tensor.dtype), rows.reshape(-1)))
    return (pieces if count else []), taken + place(size * tensor.outer)


def check_plan(plan: SwapPlan, layers: int, batch: int, tokens: int, where: str) -> None:
    """Refuse a plan that is for another model or another shape.

    Raises:
        PlanError: it has another number of layers or tokens.
    """
    if len(plan.layers) != layers:
        raise PlanError(f"a plan of {len(plan.layers)} layers", where=where, accepted=f"one of {layers}")
    if plan.tokens != batch * tokens:
        raise PlanError(
            f"a batch of {batch} × {tokens} tokens",
            where=where,
            accepted=f"{plan.tokens} tokens, those of the plan; another shape takes another plan",
        )


def check_tensors(plan: SwapPlan, saved: Saved, batch: int, where: str) -> None:
    """Refuse a plan that is for other tensors, or leaves one neither there nor recomputable.

    Tensors of a plan are those of a block in the order in which the forward makes them, whatever their names.

    Raises:
        PlanError: they are of other sizes; or of a layer's input or what attention gives tokens are to be
            recomputed, whatever class the plan says it has.
    """
    if not plan.tensors:
        return
    found = [each.token_bytes * each.outer // batch for each in saved.tensors]
    planned = [each.token_bytes for each in plan.tensors]
    if found != planned:
        raise PlanError(
            f"a plan for tensors of {', '.join(map(str, planned))} bytes a token",
            where=where,
            accepted=f"one for {', '.join(map(str, found))}, made from a profile of this model and precision",
        )
    for layer in plan.layers:
        for tensor, each in zip(saved.tensors, layer.actions, strict=False):
            whole = each.action == KEEP or each.tokens == plan.tokens
            if tensor.kind == ALWAYS and not whole:
                raise PlanError(
                    "is never recomputed by the executor, nor in part",
                    where=f"layer {layer.index}, {each.name}",
                    accepted="keep, or swap of all tokens, of a layer's input and of what attention gives",
                )
