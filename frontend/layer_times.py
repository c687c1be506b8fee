"""How long a layer's forward and backward take on this machine's CPU."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from ..ir.errors import InputError
from . import zoo
from .capture import essence
from .step_profile import DTYPES, stack

REPEATS = 3


def measured_layer(spec: str, tokens: int, dtype: str = "f32", *, seed: int = 0) -> tuple[float, float]:
    """Seconds of the forward and of the backward of a layer: medians, after one run that is not counted.

    Args:
        spec: ``zoo:NAME[,key=value…]``; its layers are taken to be alike, and the last is timed.
        tokens: of the sequence.
        dtype: of activations and parameters.
        seed: of the input.

    Raises:
        InputError: no such model, or a layer that this machine's memory does not hold.
    """
    try:
        return _measured(spec, tokens, dtype, seed)
    except (RuntimeError, MemoryError) as error:  # torch's allocator says so by the former
        said = f"a layer of {tokens} tokens cannot be timed here: {essence(error)}"
        raise InputError(
            said, where=spec, accepted="a shorter sequence, or the cost model's times"
        ) from error


def _measured(spec: str, tokens: int, dtype: str, seed: int) -> tuple[float, float]:
    name = ",".join(part for part in spec.split(",") if not part.startswith("layers="))
    model = zoo.build(f"{name},layers=1", positions=tokens)
    model.module.to(DTYPES[dtype]).requires_grad_(True)
    taken: list[tuple[tuple[object, ...], dict[str, object]]] = []
    layer = stack(model.module, spec)[0]
    hook = layer.register_forward_pre_hook(
        lambda _, args, kwargs: taken.append((args, kwargs)), with_kwargs=True
    )
    inputs = model.example_inputs(min(tokens, 8), seed=seed)
    with torch.no_grad():
        model.module(*(_lengthened(each, tokens, DTYPES[dtype]) for each in inputs.values()))
    hook.remove()
    return _times(layer, *taken[0])


def _lengthened(tensor: torch.Tensor, tokens: int, dtype: torch.dtype) -> torch.Tensor:
    """An example input [batch, tokens, …] as long as is wanted."""
    repeats = -(-tokens // tensor.shape[1])
    long = tensor.repeat(1, repeats, *(1 for _ in tensor.shape[2:]))[:, :tokens]
    return long.to(dtype) if long.is_floating_point() else long


def _times(layer: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[float, float]:
    first, *rest = args
    assert isinstance(first, torch.Tensor), "a layer takes its input first"
    forwards, backwards = [], []
    for _ in range(REPEATS + 1):
        given = first.detach().clone().requires_grad_(True)
        begin = time.perf_counter()
        result = layer(given, *rest, **kwargs)
        middle = time.perf_counter()
        result.backward(torch.ones_like(result))
        forwards.append(middle - begin)
        backwards.append(time.perf_counter() - middle)
    return statistics.median(forwards[1:]), statistics.median(backwards[1:])
