"""A module as it is given: its inputs by name, and itself left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from penstock.ir.errors import InputError
from penstock.subject import from_module


class Any(nn.Module):
    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return tensors[0]


class Nameless(nn.Module):
    def forward(self, x: torch.Tensor, /) -> torch.Tensor:
        return x


@pytest.mark.parametrize(("module", "complaint"), [(Any(), r"\*tensors"), (Nameless(), "no name: x")])
def test_inputs_without_names_are_refused(module: nn.Module, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        from_module(module, (torch.ones(2),), "f32")


def test_a_module_keeps_its_mode_and_its_type() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.BatchNorm1d(4))
    other = from_module(model, (torch.ones(2, 3),), "f64").module
    assert model.training
    assert model[0].weight.dtype == torch.float32
    assert {each.dtype for each in other.parameters()} == {torch.float64}
    assert not any(each.training for each in other.modules())


def test_memory_is_shared_and_a_ready_module_taken_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout())
    other = from_module(model, (torch.ones(2, 3),), "f32").module
    assert other is not model
    assert [each.data_ptr() for each in other.parameters()] == [
        each.data_ptr() for each in model.parameters()
    ]
    assert from_module(model.eval(), (torch.ones(2, 3),), "f32").module is model


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    model = nn.Linear(3, 4)
    model.double_weight = model.weight * 2
    with pytest.raises(InputError, match="cannot be copied"):
        from_module(model, (torch.ones(2, 3),), "f32")
