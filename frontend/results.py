"""What a node of the graph gives, as far as it is known before it is raised, and what stands in for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import fx

from . import fallback
from .tensor import Tensor, element, literal
from .upstream import tensor_text

Value = Tensor | Sequence[object] | None


def results_of(node: fx.Node) -> list[Tensor]:
    """Tensors without values for a node's results."""
    value = node.meta["val"]
    values = value if isinstance(value, tuple | list) else (value,)
    return [Tensor(tuple(each.shape), each.dtype) for each in values if each is not None]


def type_of(node: fx.Node) -> str:
    """The MLIR type of a node's one result."""
    like = node.meta["val"]
    return tensor_text(like.shape, element(like.dtype))


def why_unknown(node: fx.Node, target: torch._ops.OpOverload) -> str:
    """Why a result is no tensor of known shape."""
    if not isinstance(node.meta.get("val"), torch.Tensor | tuple | list):
        return "its result is a Python number that depends on data"
    return fallback.reason_against(target) or "the shape of its result depends on data"


def stand_in(node: fx.Node) -> Value:
    """Something of the right type in place of a value that cannot be computed: the rest is looked at too."""
    results = [literal(0, each.dtype, each.shape) for each in results_of(node)]
    return results if isinstance(node.meta["val"], tuple | list) else results[0]


def has_none(value: object) -> bool:
    """Whether a value has no elements, as far as its shape is known."""
    return any(isinstance(extent, int) and extent == 0 for extent in getattr(value, "shape", ()))


def has_empty(argument: object) -> bool:
    """Whether an argument, or a list in it, is a tensor without elements."""
    if isinstance(argument, Tensor):
        return 0 in argument.shape
    return isinstance(argument, list) and any(has_empty(each) for each in argument)


def within(node: fx.Node) -> bool:
    """Whether strides stay in the operand's elements, laid out row by row from the start of its memory."""
    assert isinstance(node.args[0], fx.Node)
    like, size, stride = node.args[0].meta["val"], node.args[1], node.args[2]
    start = node.args[3] if len(node.args) > 3 else None
    extents, steps = cast(Sequence[int], size), cast(Sequence[int], stride)
    reach = [(extent - 1) * step for extent, step in zip(extents, steps, strict=True)]
    last = (start if isinstance(start, int) else 0) + sum(reach)
    if not like.dim():  # torch-mlir ends the process over it
        return False
    return like.is_contiguous() and like.storage_offset() == 0 and last < like.numel()
