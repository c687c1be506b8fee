"""Seeded random weights at the scales trained models have, so that activations stay of order one.

Every tensor has a generator of its own, seeded by its name: the first two layers of a model are the same
whether it is built with two layers or twelve, and no order of construction matters.
"""

from __future__ import annotations

import math
from zlib import crc32

import torch
from torch import Tensor, nn

_EMBEDDING_STD = 0.02
_OFFSET_STD = 0.02
_GAIN_STD = 0.1


def initialise(model: nn.Module, seed: int) -> None:
    """Fills every parameter and buffer of `model` in place; the same seed always gives the same values."""
    for prefix, module in model.named_modules():
        _fill_buffers(prefix, module, seed)
        for name, parameter in module.named_parameters(recurse=False):
            _fill(parameter.data, module, name, _generator(f"{prefix}.{name}", seed))


def _generator(name: str, seed: int) -> torch.Generator:
    """One generator per tensor and seed, mixed here: torch's CPU generator keeps only 32 bits of a seed."""
    return torch.Generator().manual_seed(crc32(f"{seed}:{name}".encode()))


def _fill(values: Tensor, module: nn.Module, name: str, generator: torch.Generator) -> None:
    if isinstance(module, nn.Linear) and name == "weight":
        values.normal_(0.0, 1 / math.sqrt(module.in_features), generator=generator)
    elif isinstance(module, nn.Conv2d) and name == "weight":
        fan_in = values[0].numel()
        values.normal_(0.0, math.sqrt(2 / fan_in), generator=generator)
    elif name == "weight" and values.dim() == 1:
        gain = getattr(module, "gain", 1.0)
        values.normal_(gain, gain * _GAIN_STD, generator=generator)
    elif name == "bias":
        values.normal_(0.0, _OFFSET_STD, generator=generator)
    else:
        values.normal_(0.0, _EMBEDDING_STD, generator=generator)


def _fill_buffers(prefix: str, module: nn.Module, seed: int) -> None:
    """Batch-norm statistics near those of normalised activations; tables a module computes itself."""
    if isinstance(module, nn.BatchNorm2d):
        assert module.running_mean is not None
        assert module.running_var is not None
        assert module.num_batches_tracked is not None
        module.running_mean.normal_(0.0, 0.1, generator=_generator(f"{prefix}.running_mean", seed))
        module.running_var.uniform_(0.5, 2.0, generator=_generator(f"{prefix}.running_var", seed))
        module.num_batches_tracked.zero_()
        return
    fill = getattr(module, "fill_buffers", None)
    if fill is not None:
        fill()
