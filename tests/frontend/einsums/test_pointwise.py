"""Pointwise ops: the Einsums give what PyTorch gives, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ..raised import answers, assert_same, notation, raised, tensors

D = torch.float64
UNARY = [
    "abs",
    "neg",
    "exp",
    "exp2",
    "expm1",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "erf",
    "erfc",
    "sigmoid",
    "sign",
    "sgn",
    "signbit",
    "deg2rad",
    "rad2deg",
    "positive",
    "square",
    "floor",
    "ceil",
    "round",
    "trunc",
    "frac",
    "isnan",
    "isinf",
    "isfinite",
    "isposinf",
    "isneginf",
    "logical_not",
    "nan_to_num",
    "reciprocal",
    "relu",
]
POSITIVE = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "logit", "atanh"]
ACTIVATIONS = [
    "relu6",
    "silu",
    "mish",
    "leaky_relu",
    "hardswish",
    "hardsigmoid",
    "hardshrink",
    "softshrink",
    "logsigmoid",
    "elu",
    "celu",
    "selu",
    "gelu",
    "hardtanh",
    "softplus",
    "tanhshrink",
    "softsign",
]
BINARY = [
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "xlogy",
    "heaviside",
    "copysign",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "remainder",
    "fmod",
    "pow",
]


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    assert_same(getattr(torch, name), *tensors("3,5"))


def test_erfc_has_all_its_digits_wherever_it_is_not_zero() -> None:
    x = torch.linspace(-7, 26.5, 2011, dtype=D)
    (got,) = answers(raised(torch.erfc, x), [x])
    np.testing.assert_allclose(got, [math.erfc(each) for each in x.tolist()], rtol=2e-15, atol=0)


@pytest.mark.parametrize("name", POSITIVE)
def test_unary_of_positive(name: str) -> None:
    assert_same(getattr(torch, name), torch.linspace(0.05, 0.95, 15, dtype=D).reshape(3, 5))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str) -> None:
    assert_same(getattr(F, name), 3 * tensors("3,5")[0])


@pytest.mark.parametrize("name", BINARY)
def test_binary_broadcasts(name: str) -> None:
    x, y = tensors("3,4", "4")
    assert_same(getattr(torch, name), x.abs() + 0.1, y)


CASES = {
    "gelu by tanh": lambda x, y: F.gelu(x, approximate="tanh"),
    "softplus": lambda x, y: F.softplus(4 * x, 2.0, 5.0),
    "threshold": lambda x, y: F.threshold(x, 0.3, 9.0),
    "prelu": lambda x, y: F.prelu(x, y[0]),
    "glu": lambda x, y: F.glu(x, -1),
    "scalars": lambda x, y: (x * 2 + 1 - x / 3, 3 - x, 2**x, x % 0.7, x // 0.3),
    "alpha": lambda x, y: (torch.add(x, y, alpha=2.5), torch.sub(x, y, alpha=2), torch.rsub(x, y, alpha=3)),
    "rounded division": lambda x, y: [torch.div(x, y, rounding_mode=mode) for mode in ("floor", "trunc")],
    "powers": lambda x, y: [x.abs() ** e for e in (0, 1, 2, 3, 4, 0.5, -0.5, -1, -2, 1.7)],
    "where": lambda x, y: [torch.where(x > 0, *pair) for pair in ((x, y), (x, 0.0), (1.0, 2.0))],
    "masked fill": lambda x, y: (x.masked_fill(x > y, -1e9), x.masked_fill(x > 0, y[0, 0])),
    "clamp": lambda x, y: (x.clamp(-0.5, 0.5), x.clamp(min=0.2), x.clamp(max=0.2), x.clamp(y, y + 1)),
    "three operands": lambda x, y: (
        torch.addcmul(x, y, y, value=0.5),
        torch.addcdiv(x, y, y, value=0.5),
        torch.addcmul(x, y, y),
        torch.addcdiv(x, y, y),
        torch.lerp(x, y, 0.3),
        torch.lerp(x, y, x),
    ),
    "closeness": lambda x, y: (torch.isclose(x, y), torch.isclose(x, x)),
    "round to decimals": lambda x, y: torch.round(x, decimals=2),
    "logic": lambda x, y: ((x > 0) & (y > 0), (x > 0) | (y > 0), (x > 0) ^ (y > 0), ~(x > 0)),
    "truth of numbers": lambda x, y: [getattr(x, f"logical_{op}")(y) for op in ("and", "or", "xor")],
    "casts": lambda x, y: (x.to(torch.int64), x.bool(), x.float(), (x > 0).to(D), (x > 0).long() + 1),
    "types mixed": lambda x, y: ((x > 0) * y, (x > 0) + 1.5, x.to(torch.int64) * y, x.int() > 1.5),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    assert_same(CASES[case], *tensors("3,4", "3,4"))


def test_integers_divide_and_wrap_as_pytorch_does() -> None:
    x, y = torch.arange(-10, 10), torch.tensor([3, -3] * 10)
    assert_same(
        lambda x, y: (x // y, x % y, torch.div(x, y, rounding_mode="trunc"), x**2, x & y, x << 2, x >> 1),
        x,
        y,
    )


def test_infinities_and_nan_pass_through() -> None:
    x = torch.tensor([math.inf, -math.inf, math.nan, 0.0, -1.5], dtype=D)
    assert_same(
        lambda x: (x.isnan(), x.isinf(), x.isfinite(), torch.nan_to_num(x), torch.where(x > 0, x, 0.0)), x
    )


def test_what_is_known_takes_no_memory() -> None:
    made = assert_same(
        lambda x: x + torch.zeros(4, dtype=D) * 3 + torch.full((), 2.0, dtype=D), *tensors("3,4")
    )
    assert [text.partition("=")[2] for text in notation(made)] == [
        " add(Tensors0[b,d], 0.0)",
        " add(Add[b,d], 2.0)",
    ]
