"""Cascades that stream on the CUDA cores, emulated, against the float64 interpreter: float32 to 1e-5."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from penstock.backends.cuda.cubins import compile_source
from penstock.backends.cuda.kernels.generations import stream_generations

from .attended import distance, lower, tensors
from .modules import CappedAlibiWindow, Sdpa

SLOW = pytest.mark.slow
ODD = (1, 2, 70, 9)


class LogSumExp(nn.Module):
    """The part of a loss over a vocabulary whose logits need not be stored."""

    def __init__(self, vocabulary: int, hidden: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.head = nn.Parameter(torch.randn(vocabulary, hidden, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return torch.logsumexp(x @ self.head.T, -1)


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        pytest.param(LogSumExp(300, 20), {"x": torch.randn(37, 20)}, id="logsumexp"),
        pytest.param(Sdpa(is_causal=True), tensors((1, 2, 37, 24), (1, 2, 150, 24)), id="f32", marks=SLOW),
        pytest.param(CappedAlibiWindow(2, 9.0, 40), tensors(ODD, ODD), id="own", marks=SLOW),
    ],
)  # fmt: skip
def test_float32_matches_the_interpreter(module: nn.Module, inputs: dict[str, Tensor]) -> None:
    case = lower(module, inputs, element=None)
    assert distance(case.emulated(stream_generations), case.wanted) < 1e-5


def test_infinities_in_logits_are_as_defined() -> None:
    x = torch.randn(5, 20)
    x[1, 3], x[2, 4] = float("inf"), float("nan")
    case = lower(LogSumExp(300, 20), {"x": x}, element=None)
    assert distance(case.emulated(stream_generations), case.wanted) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["sm_80", "sm_90a", "sm_100a"])
def test_nothing_is_spilled(arch: str) -> None:
    (launch,) = stream_generations(lower(LogSumExp(3000, 256), {"x": torch.randn(64, 256)}).group(), "loss")
    found = compile_source("loss", launch.kernel.source, arch).resources["loss"]
    assert found.spill_bytes == 0
