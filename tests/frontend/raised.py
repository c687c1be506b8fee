"""Raises a function of tensors in float64 and compares the interpreter's answer with PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from penstock.frontend.torch_export import Raised, raise_model
from penstock.ir.cascade import walk
from penstock.ir.interpreter import interpret


class Call(nn.Module):
    """A module that is one function."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: torch.Tensor) -> object:
        return self.function(*tensors)


def raised(function: Callable[..., object] | nn.Module, *tensors: torch.Tensor) -> Raised:
    module = function if isinstance(function, nn.Module) else Call(function)
    return raise_model(module, tensors)


def answers(made: Raised, tensors: Sequence[torch.Tensor], entry: str = "main") -> list[np.ndarray]:
    names = [spec.name for spec in made.entry.inputs]
    given = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    return list(interpret(made.module, entry, {**made.params, **given}).values())


def assert_same(
    function: Callable[..., object] | nn.Module, *tensors: torch.Tensor, bound: float = 1e-12
) -> Raised:
    """The interpreter's results of the raised module are PyTorch's."""
    module = function.eval() if isinstance(function, nn.Module) else Call(function)
    made = raised(module, *tensors)
    with torch.no_grad():
        wanted = [leaf for leaf in pytree.tree_leaves(module(*tensors)) if isinstance(leaf, torch.Tensor)]
    got = answers(made, tensors)
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        reference = other.detach().numpy()
        assert one.shape == reference.shape
        if reference.dtype.kind == "f":
            close = max(bound, 4 * float(np.finfo(reference.dtype).eps))  # PyTorch's own rounding in float32
            np.testing.assert_allclose(one, reference, rtol=close, atol=close * _scale(reference))
        else:
            np.testing.assert_array_equal(one, reference)
    return made


def _scale(array: np.ndarray) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size else 1.0


def operations(made: Raised) -> list[str]:
    """Names of the ops in the module, in order."""
    return [op.name for op in walk(made.module.operation)]


def notation(made: Raised) -> list[str]:
    """Every Einsum of the module, as written."""
    found = [op for op in walk(made.module.operation) if op.name == "cascade.einsum"]
    return [str(op.attributes["expr"]).strip('"') for op in found]


def tensors(*shapes: str, seed: int = 0) -> list[torch.Tensor]:
    """Random float64 tensors of shapes written ``2,3,4`` (a dot is a tensor without dimensions)."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [[] if shape == "." else [int(size) for size in shape.split(",")] for shape in shapes]
    return [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]


def integers(most: int, shape: str, seed: int = 0) -> torch.Tensor:
    """Random int64 numbers in [0, most)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(most, [int(size) for size in shape.split(",")], generator=generator)


def upstream_functions(made: Raised) -> list[str]:
    """Symbols of the functions that are not Einsums."""
    return [
        str(op.attributes["sym_name"]).strip('"')
        for op in walk(made.module.operation)
        if "penstock.upstream" in op.attributes
    ]
