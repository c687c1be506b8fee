"""Constants, coordinates and triangles: operands, not tensors."""

from __future__ import annotations

import math

import torch

from ..raised import assert_same, notation, tensors

D = torch.float64


def test_constants() -> None:
    def made(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            torch.zeros(3) + x,
            torch.ones_like(x) * 2,
            torch.full((3,), 2.5, dtype=D) * x,
            x.new_zeros(2, 3),
            torch.eye(3, dtype=D) @ x,
            torch.tensor(3.0) * x,
            torch.tensor([1.0, 2.0, 3.0]) * x,
            torch.empty(3).fill_(2.0),
        )

    assert_same(made, *tensors("3"))


def test_ranges() -> None:
    def made(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        along = torch.arange(4)
        return (
            along,
            torch.arange(1, 10, 2),
            torch.arange(0.0, 1.0, 0.1, dtype=D),
            torch.linspace(0, 1, 5, dtype=D),
            x + along[None, :] * 2 - 1,
            along[:, None] - along[None, :],
            along.view(2, 2).t(),
            torch.arange(8).view(2, 4)[:, 1:3],
        )

    assert_same(made, *tensors("4,4"))


def test_comparisons_of_coordinates_that_never_change_are_decided() -> None:
    def made(x: torch.Tensor) -> torch.Tensor:
        along = torch.arange(4)
        always = (along >= 0) & (along[:, None] < 9) & (along != 7)
        return torch.where(always & (x > 0), x, 0.0)

    assert [text.partition(" = ")[2] for text in notation(assert_same(made, *tensors("4,4")))] == [
        "gt(Tensors0[b,d], 0.0)",
        "where(Gt[b,d], Tensors0[b,d], 0.0)",
    ]


def test_triangles() -> None:
    assert_same(lambda x: (x.tril(), x.triu(1), x.tril(-1), x.triu(-2)), *tensors("2,4,5"))


def test_a_causal_mask_is_a_condition_on_coordinates() -> None:
    """However it is written, no square tensor of the mask's values is an operand of the scores."""

    def ranges(x: torch.Tensor) -> torch.Tensor:
        along = torch.arange(4)
        return x.masked_fill(along[None, :] > along[:, None], -math.inf)

    assert "gt(@s1, @s)" in notation(assert_same(ranges, *tensors("4,4")))[0]
    triangle = assert_same(
        lambda x: x.masked_fill(torch.ones(4, 4, dtype=torch.bool).triu(1), -math.inf), *tensors("4,4")
    )
    assert "ge(@d, @(b+1))" in notation(triangle)[0]
    assert_same(lambda x: x + torch.full((4, 4), -math.inf, dtype=D).triu(1), *tensors("4,4"))
