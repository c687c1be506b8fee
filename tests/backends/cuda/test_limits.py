"""What a launch and a tensor map may have: beyond it a kernel is refused, or lies along the grid's x."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from penstock.backends.cuda.kernel import Buffer, Kernel, TensorMap
from penstock.backends.cuda.kernels.hopper_streamed import stream_hopper
from penstock.backends.cuda.kernels.sync_streamed import stream_sync
from penstock.ir.errors import PassError

from .kernels.attended import Emit, lower, tensors
from .kernels.modules import Sdpa
from .stepped import Stepped

MANY = 70_000  # more than a grid's y and z take


@pytest.mark.parametrize(
    ("grid", "block"),
    [
        ((1, 65536, 1), (32, 1, 1)),
        ((1, 1, 65536), (32, 1, 1)),
        ((2**31, 1, 1), (32, 1, 1)),
        ((1, 1, 1), (1056, 1, 1)),
        ((1, 1, 1), (512, 4, 1)),
        ((0, 1, 1), (32, 1, 1)),
    ],
)
def test_a_launch_beyond_the_devices_limits_is_refused(
    grid: tuple[int, int, int], block: tuple[int, int, int]
) -> None:
    with pytest.raises(PassError, match=r"blocks|threads"):
        Kernel("k", "", "sm_80", grid, block, 0, ())


def test_a_tensor_map_beyond_its_limits_is_refused() -> None:
    with pytest.raises(PassError, match="axis without elements"):
        TensorMap("map", Buffer("x", "bf16", (2**32 + 1, 64)), (64, 64), 128)
    with pytest.raises(PassError, match=r"2\^40"):
        TensorMap("map", Buffer("x", "bf16", (2, 64), (2**39, 1)), (64, 64), 128)


@pytest.mark.parametrize("emit", [stream_hopper, stream_sync])
def test_more_heads_than_the_grids_y_takes(emit: Emit) -> None:
    case = lower(Sdpa(), tensors((1, MANY, 1, 16), (1, MANY, 2, 16)))
    assert emit(case.group(), "attention")[-1].kernel.grid == (MANY, 1, 1)


def test_more_products_than_the_grids_z_takes() -> None:
    class Products(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x @ y

    inputs = {"x": torch.zeros(MANY, 2, 4), "y": torch.zeros(MANY, 4, 3)}
    stepped = Stepped.of(Products(), inputs, "relabel,simplify,fuse,place")
    (facts,) = stepped.plan.kernels.values()
    assert facts.kernel.grid == (MANY, 1, 1)
