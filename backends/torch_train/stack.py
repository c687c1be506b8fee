"""The repeated blocks of a model, found by structure: a list of modules of one class and form."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import nn

from ...ir.errors import InputError

FEWEST = 2
"""Blocks that make a stack."""

_PLAIN = (bool, int, float, str, type(None), torch.dtype, torch.device)


def find_stack(model: nn.Module) -> tuple[str, list[nn.Module]]:
    """The name and the blocks of the model's only stack.

    Raises:
        InputError: it has none, or two of one size; a block that is hooked, or shares parameters.
    """
    stacks = {
        name: list(module.children())
        for name, module in model.named_modules()
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and _alike(list(module.children()))
    }
    if not stacks:
        raise InputError(
            "has no repeated layers",
            where=type(model).__name__,
            accepted=f"a model with a ModuleList or Sequential of {FEWEST} or more blocks of one structure",
        )
    sizes = {name: _parameters(blocks) for name, blocks in stacks.items()}
    largest = [name for name in stacks if sizes[name] == max(sizes.values())]
    if len(largest) > 1:
        raise InputError(
            f"has several stacks of one size: {', '.join(largest)}",
            where=type(model).__name__,
            accepted="one stack of blocks",
        )
    blocks = stacks[largest[0]]
    for at, block in enumerate(blocks):
        _check(block, f"{largest[0]}.{at}")
    return largest[0], blocks


def structure(module: nn.Module) -> Hashable:
    """What a module computes, parameters' values aside: equal for blocks that make the same calls."""
    plain = tuple(
        (name, each)
        for name, each in sorted(vars(module).items())
        if isinstance(each, _PLAIN) and not name.startswith("_")
    )
    tensors = tuple(
        (name, tuple(each.shape), each.stride(), each.dtype, each.requires_grad)
        for named in (module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        for name, each in named
    )
    children = tuple((name, structure(child)) for name, child in module.named_children())
    return type(module), plain, tensors, children


def _alike(blocks: list[nn.Module]) -> bool:
    """Several blocks of one class with parameters of the same shapes."""
    forms = {
        (type(block), tuple((name, tuple(each.shape)) for name, each in block.named_parameters()))
        for block in blocks
    }
    return len(blocks) >= FEWEST and len(forms) == 1 and any(True for _ in blocks[0].parameters())


def _parameters(blocks: list[nn.Module]) -> int:
    return sum(each.numel() for block in blocks for each in block.parameters())


def _check(block: nn.Module, where: str) -> None:
    for name, module in block.named_modules():
        inner = f"{where}.{name}" if name else where
        if name and (module._forward_hooks or module._forward_pre_hooks or module._backward_hooks):
            raise InputError(
                "has hooks, which the executor would pass by",
                where=inner,
                accepted="hooks on whole blocks or outside of them",
            )
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p and module.training:
            raise InputError(
                f"drops out with probability {module.p}, so no rows can be recomputed",
                where=inner,
                accepted="dropout of probability 0",
            )
