"""Every form through all passes into native code: PyTorch's numbers again, in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils import _pytree as pytree

import penstock

from ..raised import integers, tensors
from .test_attention import CASES as ATTENTION
from .test_contraction import CONVOLUTIONS, EINSUMS, MATMULS, POOLS
from .test_pointwise import ACTIVATIONS, BINARY, POSITIVE, UNARY
from .test_pointwise import CASES as POINTWISE
from .test_reduction import CASES as REDUCTION
from .test_reduction import NORMS
from .test_shape import VIEWS

Case = tuple[Callable[..., object], list[torch.Tensor]]


class Named(nn.Module):
    """A function of tensors as a module whose inputs have names."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(
        self,
        x0: torch.Tensor,
        x1: torch.Tensor | None = None,
        x2: torch.Tensor | None = None,
        x3: torch.Tensor | None = None,
        x4: torch.Tensor | None = None,
    ) -> object:
        return self.function(*(each for each in (x0, x1, x2, x3, x4) if each is not None))


def _every(space: object, names: list[str], scale: float = 1.0) -> Callable[..., object]:
    return lambda *given: [getattr(space, name)(*(scale * each for each in given)) for name in names]


def _convolution(case: str) -> Case:
    shape, kernel, options = CONVOLUTIONS[case]
    call = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[kernel.count(",") - 1]
    return lambda x, w: call(x, w, **options), tensors(shape, kernel)


def _cases() -> dict[str, Case]:
    between = torch.linspace(0.05, 0.95, 15, dtype=torch.float64).reshape(3, 5)
    x, y = tensors("3,4", "4")
    places, table = integers(7, "2,4"), tensors("7,3")[0]
    return {
        "unary": (_every(torch, UNARY), tensors("3,5")),
        "unary of positive": (_every(torch, POSITIVE), [between]),
        "activations": (_every(F, ACTIVATIONS, 3.0), tensors("3,5")),
        "binary": (_every(torch, BINARY), [x.abs() + 0.1, y]),
        "whole division": (
            lambda x, y: (x // y, x % y, torch.div(x, y, rounding_mode="trunc")),
            [torch.arange(-10, 10), torch.tensor([3, -3] * 10)],
        ),
        "look-ups": (lambda w, k: (F.embedding(k, w), w[k[0]], w.gather(0, k[:, :3])), [table, places]),
        "linear": (F.linear, tensors("2,3,4", "5,4", "5")),
        **{f"pointwise, {name}": (case, tensors("3,4", "3,4")) for name, case in POINTWISE.items()},
        **{f"reduction, {name}": (case, tensors("3,5")) for name, case in REDUCTION.items()},
        **{f"norm, {name}": (case, tensors(*shapes)) for name, (case, shapes) in NORMS.items()},
        **{f"attention, {name}": (case, tensors(*shapes)) for name, (case, shapes) in ATTENTION.items()},
        **{f"matmul, {name}": (torch.matmul, tensors(*shapes)) for name, shapes in MATMULS.items()},
        **{
            f"einsum, {text}": (lambda *given, text=text: torch.einsum(text, *given), tensors(*shapes))
            for text, shapes in EINSUMS.items()
        },
        **{f"convolution, {name}": _convolution(name) for name in CONVOLUTIONS},
        **{f"pooling, {name}": (case, tensors("1,2,7,7")) for name, case in POOLS.items()},
        **{f"view, {name}": (case, tensors("2,3,4")) for name, case in VIEWS.items()},
    }


CASES = _cases()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_native_code(case: str, tmp_path: Path) -> None:
    function, given = CASES[case]
    with torch.no_grad():
        leaves = pytree.tree_leaves(function(*given))
    wanted = [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]
    inputs = {f"x{place}": tensor for place, tensor in enumerate(given)}
    bundle = penstock.compile(Named(function), inputs, out=tmp_path / "b", dtype="f64")
    got = bundle.run({name: tensor.numpy() for name, tensor in inputs.items()}).values()
    for one, other in zip(got, wanted, strict=True):
        assert one.shape == other.shape
        if other.dtype.kind != "f":
            np.testing.assert_array_equal(one, other)
            continue
        bound = 1e-5 if other.dtype == np.float32 else 1e-11
        largest = np.abs(other[np.isfinite(other)]).max(initial=1.0)
        np.testing.assert_allclose(one, other, rtol=bound, atol=bound * largest)
