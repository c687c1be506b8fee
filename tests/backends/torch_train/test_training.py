"""Whole trainings: the loss curve by a plan is that of plain PyTorch, number for number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import penstock
from penstock.ir.swap_plan import SwapPlan

Build = Callable[..., Any]
Tokens = Callable[[int, int], Tensor]
Loss = Callable[[nn.Module, Tensor], Tensor]

STEPS = 200


def curve(module: nn.Module, loss: Loss, ids: Tensor) -> list[float]:
    """The losses of so many steps of AdamW, each on other stretches of the tokens."""
    optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3)
    losses = []
    for step in range(STEPS):
        optimiser.zero_grad()
        value = loss(module, ids.roll(step, 1)[:, :128])
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return losses


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alpha"), [("gpt", 0.5), ("llama", 0.25)])
def test_two_hundred_steps_have_the_same_losses(
    name: str, alpha: float, build: Build, tokens: Tokens, loss: Loss
) -> None:
    ids = tokens(1, 400)
    plain = curve(build(name, layers=4), loss, ids)
    ours = curve(penstock.memo(build(name, layers=4), SwapPlan.uniform(4, 128, alpha, 32)), loss, ids)
    assert ours == plain
    assert plain[-1] < 0.8 * plain[0], "it learns"
