"""The kernel for every tensor core since sm_80, emulated, against the float64 interpreter."""

from __future__ import annotations

import pytest
import torch
from penstock.backends.cuda.kernels.sync_streamed import stream_sync
from torch import nn

from .attended import distance, lower
from .modules import CappedAlibiWindow, Masked, Sdpa, Sigmoided

BOUND = 1e-2


def tensors(q: tuple[int, ...], k: tuple[int, ...], seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in (("q", q), ("k", k), ("v", k))}


@pytest.mark.parametrize(
    ("module", "q", "k"),
    [
        pytest.param(Sdpa(), (1, 2, 70, 64), (1, 2, 90, 64), id="plain-ragged"),
        pytest.param(Sdpa(is_causal=True), (1, 1, 130, 64), (1, 1, 130, 64), id="causal"),
        pytest.param(Sdpa(is_causal=True, enable_gqa=True), (1, 4, 70, 64), (1, 2, 70, 64), id="grouped"),
        pytest.param(CappedAlibiWindow(2, 20.0, 32), (1, 2, 150, 64), (1, 2, 150, 64), id="capped-alibi-window"),
        pytest.param(Sigmoided(2), (1, 2, 33, 64), (1, 2, 65, 64), id="gated"),
    ],
)  # fmt: skip
def test_ragged_shapes_and_score_functions_match_the_interpreter(
    module: nn.Module, q: tuple[int, ...], k: tuple[int, ...]
) -> None:
    case = lower(module, tensors(q, k))
    assert distance(case.emulated(stream_sync), case.wanted()) < BOUND
