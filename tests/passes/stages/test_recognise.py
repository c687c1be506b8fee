"""Stages read off Einsums: a BERT layer whole, other masks and scales, and what is no stage."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from penstock.blocks import Block, Recorded, recognise
from penstock.ir.errors import PassError
from penstock.passes.stages import AddNorm, Context, Linear, Scores, Softmax


def of(module: nn.Module, **inputs: torch.Tensor) -> Block:
    return recognise(Recorded("part", module.eval(), inputs))


def test_a_bert_layer_is_eleven_stages(bert_block: Callable[..., Block]) -> None:
    stages = bert_block(tokens=8, width=32, heads=2, inner=96).stages
    kinds = [type(stage) for stage in stages.stages]
    attention = [Linear, Linear, Linear, Scores, Softmax, Context, Linear, AddNorm]
    assert kinds == [*attention, Linear, Linear, AddNorm]
    first, second = (stage for stage in stages.stages[8:10] if isinstance(stage, Linear))
    assert (first.gelu, second.gelu) == (True, False)
    assert (first.weight, second.bias) == ("intermediate.dense.weight", "output.dense.bias")
    scores = stages.stages[3]
    assert isinstance(scores, Scores)
    assert scores.scale == pytest.approx(16**-0.5)
    assert scores.heads == 2
    softmax = stages.stages[4]
    assert isinstance(softmax, Softmax)
    assert softmax.mask == stages.mask == "mask"
    assert softmax.boolean
    assert stages.source == "x"
    assert stages.tiles == 2
    assert stages.multiplications(first) == 8 * 32 * 96
    assert stages.multiplications(scores) == 2 * 8 * 8 * 16


class Attention(nn.Module):
    """Written out, with an additive mask; names and the order of operands are other than the zoo's."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(16, 16, bias=False) for _ in range(4))

    def forward(self, tokens: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            each(tokens).view(*tokens.shape[:2], 2, 8).transpose(1, 2) for each in (self.a, self.b, self.c)
        )
        scores = q @ k.transpose(-1, -2) / 8**0.5 + hidden
        return self.d((scores.softmax(-1) @ v).transpose(1, 2).reshape(tokens.shape))


def test_attention_written_out_is_recognised_whatever_its_names() -> None:
    block = of(Attention(), tokens=torch.randn(3, 8, 16), hidden=torch.zeros(3, 1, 1, 8))
    assert [type(stage) for stage in block.stages.stages] == [*[Linear] * 3, Scores, Softmax, Context, Linear]
    softmax = block.stages.stages[4]
    assert isinstance(softmax, Softmax)
    assert softmax.mask == "hidden"
    assert not softmax.boolean
    assert all(isinstance(each, Linear) and each.bias is None for each in block.stages.stages[:3])


class Odd(nn.Module):
    """A linear layer and something after it."""

    def __init__(self, after: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.after = nn.Linear(16, 16), after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.first(x))


@pytest.mark.parametrize(
    ("after", "einsum"),
    [
        (torch.tanh, "tanh"),
        (lambda y: functional.layer_norm(y, (16,)), "sum"),
        (lambda y: y @ y.transpose(1, 2), "mul"),
        (lambda y: y * 2.0, "mul"),
    ],
    ids=["tanh", "norm without a residual", "product of activations", "scaled linear"],
)
def test_what_is_no_stage_is_refused_with_its_einsum(
    after: Callable[[torch.Tensor], torch.Tensor], einsum: str
) -> None:
    with pytest.raises(PassError, match="belongs to no stage") as refused:
        of(Odd(after), x=torch.randn(1, 8, 16))
    assert einsum in str(refused.value.where)
    assert "transformer" in str(refused.value.accepted)


def test_two_streams_are_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    with pytest.raises(PassError, match="2 inputs"):
        of(Two(), x=torch.randn(1, 8, 16), y=torch.randn(1, 8, 16))
