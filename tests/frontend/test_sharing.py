"""Layers of one structure are raised once, whatever they are called; others are not."""

from __future__ import annotations

import torch
from torch import nn

from penstock.frontend import zoo
from penstock.frontend.torch_export import Raised, raise_model
from penstock.ir.cascade import walk

from .raised import assert_same, tensors


class Block(nn.Module):
    """Two products around an activation, with a residual."""

    def __init__(self, width: int, inner: int, slope: float = 0.1) -> None:
        super().__init__()
        self.rise, self.fall, self.slope = nn.Linear(width, inner), nn.Linear(inner, width), slope

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x + mask * self.fall(nn.functional.leaky_relu(self.rise(x), self.slope))


class Stack(nn.Module):
    """Blocks one after the other under one mask."""

    def __init__(self, *blocks: Block) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x


def functions(made: Raised) -> list[str]:
    return [str(op.attributes["sym_name"]).strip('"') for op in made.module.body.operations]


def calls(made: Raised) -> list[tuple[str, str]]:
    """(callee, instance) of every call of a layer."""
    found = [op for op in walk(made.module.operation) if "penstock.instance" in op.attributes]
    return [
        (str(op.attributes["callee"]).strip("@"), str(op.attributes["penstock.instance"]).strip('"'))
        for op in found
    ]


def test_identical_blocks_are_one_function_called_with_their_own_parameters() -> None:
    made = assert_same(Stack(*(Block(4, 6) for _ in range(3))).double(), *tensors("2,4", "2,1"))
    assert calls(made) == [("blocks", f"blocks.{place}") for place in range(3)]
    assert made.instances["main"]["blocks.2"] == {
        "linear": "linear_4",
        "leaky_relu": "leaky_relu_2",
        "linear_1": "linear_5",
        "mul": "mul_2",
        "add": "add_2",
    }


def test_a_number_or_a_shape_that_differs_makes_another_function() -> None:
    blocks = [Block(4, 6), Block(4, 6, slope=0.2), Block(4, 8), Block(4, 6), Block(4, 8)]
    made = assert_same(Stack(*blocks).double(), *tensors("2,4", "2,1"))
    assert calls(made) == [
        ("blocks", "blocks.0"),
        ("blocks_2", "blocks.2"),
        ("blocks", "blocks.3"),
        ("blocks_2", "blocks.4"),
    ]


def test_one_module_called_again_is_shared_too() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block(4, 6)

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.block(self.block(self.block(x, mask), mask), mask)

    made = assert_same(Again().double(), *tensors("2,4", "2,1"))
    assert calls(made) == [("block", "block"), ("block", "block@1"), ("block", "block@2")]
    assert len(made.params) == 4


def test_every_hidden_state_can_be_an_output() -> None:
    class Hidden(Stack):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
            states = [x]
            for block in self.blocks:
                states.append(block(states[-1], mask))
            return states

    made = assert_same(Hidden(Block(4, 6), Block(4, 6)).double(), *tensors("2,4", "2,1"))
    assert len(calls(made)) == 2


def test_small_pieces_stay_where_they_can_be_fused() -> None:
    made = assert_same(nn.Sequential(*(nn.Linear(4, 4) for _ in range(4))).double(), *tensors("2,4"))
    assert functions(made) == ["main"]


def test_layers_of_the_zoo() -> None:
    for spec, count, names in (
        ("zoo:bert-base", 12, {"encoder_layer"}),
        ("zoo:gpt2-small", 12, {"h"}),
        ("zoo:resnet50", 12, {"layer1", "layer2", "layer3", "layer4"}),
    ):
        model = zoo.build(spec, device="meta")
        made = raise_model(model.module, model.example_inputs())
        found = calls(made)
        assert len(found) == count
        assert {name for name, _ in found} == names
