"""Numbers at the edges of their types, as eager PyTorch has them: one compiled module, many comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock.ir.errors import UnsupportedOps

SMALL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 7.25, 1e-5, -1e-5, 1e-3, 0.1, 5.0, 89.0, -89.0]
REAL = torch.tensor([*SMALL, 1e20, -1e20, 2e38, math.inf, -math.inf, math.nan])
OTHER = REAL.roll(7)
TAIL = torch.linspace(-5, 9.1, 999)
WHOLE = torch.tensor([-(2**31), -(2**31), 7, -7, 7, -7, 2**31 - 1, 3, 0, 1, -1], dtype=torch.int32)
BY = torch.tensor([-1, 1, -2, 2, -1, 3, -1, 5, 7, 9, 4], dtype=torch.int32)
ROWS = torch.tensor(
    [[1.0, math.nan, 3.0, 0.0], [math.inf, 2.0, math.inf, -math.inf], [0.0, 200.0, -200.0, 150.0]]
)

Function = Callable[..., torch.Tensor]
REALS: dict[str, Function] = {
    "sinh": lambda x, y: torch.sinh(x),
    "cosh": lambda x, y: torch.cosh(x),
    "asinh": lambda x, y: torch.asinh(x),
    "acosh": lambda x, y: torch.acosh(x),
    "erfc": lambda x, y: torch.erfc(x),
    "erfc wherever it is not 0": lambda x, y: torch.erfc(TAIL + 0 * y[0]),
    "sign of NaN": lambda x, y: torch.sign(x),
    "signbit of -0": lambda x, y: torch.signbit(x),
    "copysign by -0": lambda x, y: torch.copysign(x, y),
    "hypot": lambda x, y: torch.hypot(x, y),
    "logaddexp": lambda x, y: torch.logaddexp(x, y),
    "logaddexp of equals": lambda x, y: torch.logaddexp(x, x),
    "xlogy": lambda x, y: torch.xlogy(x, y),
    "isclose": lambda x, y: torch.isclose(x, y),
    "isclose, NaN equal": lambda x, y: torch.isclose(x, x, equal_nan=True),
    "lerp to the end": lambda x, y: torch.lerp(x, y, 1.0),
    "floor division": lambda x, y: torch.floor_divide(x, y),
    "floor division by 0.1": lambda x, y: torch.floor_divide(torch.round(y.clamp(-9, 9)), 0.1),
    "truncated division": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "hardshrink of NaN": lambda x, y: torch.nn.functional.hardshrink(x),
    "softshrink of NaN": lambda x, y: torch.nn.functional.softshrink(x),
    "rrelu": lambda x, y: torch.nn.functional.rrelu(x),
    "bucketize": lambda x, y: torch.bucketize(x, torch.tensor([-1.0, 0.0, 2.0])),
}
WHOLES: dict[str, Function] = {
    "whole floor division": lambda i, j: i // j,
    "whole remainder": lambda i, j: i % j,
    "whole powers": lambda i, j: i.long() ** 3 + i.long() ** j.abs(),
    "wrapped constant": lambda i, j: torch.ones(2, dtype=torch.int32) * 2147483647 + 1 + i[:2] * 0,
    "isfinite of whole": lambda i, j: torch.isfinite(i),
    "isinf of truth": lambda i, j: torch.isinf(i > 0),
}
ORDERS: dict[str, Function] = {
    "argmax": lambda r: r.argmax(1),
    "argmin": lambda r: r.argmin(1),
    "largest": lambda r: r.max(1)[1],
    "sorted": lambda r: r.sort(1)[0],
    "places": lambda r: torch.sort(r, dim=1, stable=True)[1],
    "descending places": lambda r: torch.sort(r, dim=1, stable=True, descending=True)[1],
    "top two": lambda r: r.topk(2, 1)[0],
    "median": lambda r: r.median(1)[0],
    "logcumsumexp": lambda r: r.logcumsumexp(1),
    "one element": lambda r: r[0, 0].sort()[0] + r[0, 2].argmax(0) + r[0, 3].median(0)[0],
    "taken along": lambda r: torch.take_along_dim(r, torch.tensor([[0, 2]]), 1),
    "put in a corner": lambda r: r.scatter(1, torch.tensor([[1], [3]]), 9.0),
    "added in a corner": lambda r: r.nan_to_num(0).scatter_add(
        0, torch.tensor([[2, 2], [2, 0]]), r.isnan() + 1.5
    ),
    "cut and filled": lambda r: torch.nn.functional.pad(r, (2, -1, -1, 1), value=3.0),
    "taken by rows": lambda r: torch.take_along_dim(r[:1], torch.tensor([[0], [-1]]), 1),
}


class Edges(nn.Module):
    def forward(
        self, x: torch.Tensor, y: torch.Tensor, i: torch.Tensor, j: torch.Tensor, r: torch.Tensor
    ) -> list[torch.Tensor]:
        found = [function(x, y) for function in REALS.values()]
        found += [function(i, j) for function in WHOLES.values()]
        return found + [function(r) for function in ORDERS.values()]


INPUTS = {"x": REAL, "y": OTHER, "i": WHOLE, "j": BY, "r": ROWS}
NAMES = [*REALS, *WHOLES, *ORDERS]


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    bundle = penstock.compile(Edges().eval(), INPUTS)
    given = {name: value.numpy() for name, value in INPUTS.items()}
    found = list(bundle.run(given, threads=2).values())
    for one, again in zip(found, bundle.run(given, threads=1).values(), strict=True):
        np.testing.assert_array_equal(one, again)
    return dict(zip(NAMES, found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_numbers_at_the_edges_are_those_of_pytorch(name: str, answers: dict[str, np.ndarray]) -> None:
    table = {**REALS, **WHOLES, **ORDERS}
    arguments = (REAL, OTHER) if name in REALS else (WHOLE, BY) if name in WHOLES else (ROWS,)
    wanted = table[name](*arguments).numpy()
    got = answers[name]
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=0)
    else:
        np.testing.assert_array_equal(got, wanted)


def test_groups_of_one_value_are_normalised_to_zero() -> None:
    bundle = penstock.compile(nn.GroupNorm(6, 6).eval(), (torch.zeros(2, 6),))
    given = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(bundle.run({"input": given})["output"], np.zeros((2, 6), np.float32))


class Narrow(nn.Module):
    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        a = x.to(torch.int8).float()
        return a + (h * 2).float()


def test_element_types_without_code_are_refused_all_at_once() -> None:
    with pytest.raises(UnsupportedOps) as caught:
        penstock.compile(Narrow(), (torch.zeros(3), torch.zeros(3).short()))
    text = str(caught.value)
    assert "input h" in text
    assert "int16" in text
    assert "int8" in text
    assert "test_edge_numbers.py:" in text


def test_results_without_elements_are_refused() -> None:
    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x + 1, x[2:1]

    with pytest.raises(UnsupportedOps, match=r"test_edge_numbers.py:\d+: a result without elements"):
        penstock.compile(Nothing(), (torch.zeros(3),))


@pytest.mark.parametrize("start", [0, 1])
def test_strides_over_another_tensors_memory_are_refused(start: int) -> None:
    class Strided(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.t()[start:].as_strided((2, 2), (1, 2))

    with pytest.raises(UnsupportedOps, match=r"as_strided.*test_edge_numbers.py"):
        penstock.compile(Strided(), (torch.zeros(3, 4),))
