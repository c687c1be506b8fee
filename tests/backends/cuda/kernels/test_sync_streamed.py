"""The kernel for every tensor core since sm_80, emulated, against the float64 interpreter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from penstock.backends.cuda.kernels.sync_streamed import stream_sync
from penstock.ir.errors import PassError

from .attended import distance, lower, tensors
from .modules import CappedAlibiWindow, Masked, Sdpa, Sigmoided

BOUND = 1e-2
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("module", "q", "k"),
    [
        pytest.param(Sdpa(), (1, 2, 70, 64), (1, 2, 90, 64), id="plain-ragged"),
        pytest.param(Sdpa(is_causal=True, enable_gqa=True), (1, 4, 70, 64), (1, 2, 130, 64), id="causal-gqa"),
        pytest.param(CappedAlibiWindow(2, 9.0, 32), (1, 2, 99, 64), (1, 2, 99, 64), id="own", marks=SLOW),
        pytest.param(Sigmoided(2), (1, 2, 33, 64), (1, 2, 65, 64), id="gated", marks=SLOW),
        pytest.param(Sdpa(), (1, 1, 17, 128), (1, 1, 40, 128), id="wide", marks=SLOW),
        pytest.param(Sdpa(is_causal=True), (1, 1, 70, 256), (1, 1, 70, 256), id="widest-causal", marks=SLOW),
    ],
)  # fmt: skip
def test_ragged_shapes_and_score_functions_match_the_interpreter(
    module: nn.Module, q: tuple[int, ...], k: tuple[int, ...]
) -> None:
    case = lower(module, tensors(q, k))
    assert distance(case.emulated(stream_sync), case.wanted) < BOUND


@pytest.mark.slow
def test_half_precision() -> None:
    case = lower(Sdpa(), tensors((1, 1, 33, 64), (1, 1, 70, 64)), element="f16")
    assert distance(case.emulated(stream_sync), case.wanted) < 1e-3


@pytest.mark.slow
def test_masked_rows_nan_and_infinity_are_as_defined() -> None:
    inputs = tensors((1, 2, 70, 64), (1, 2, 70, 64))
    inputs["q"][0, 0, 3, 5] = float("nan")
    inputs["k"][0, 0, 20, 7] = float("inf")
    inputs["v"][0, 1, 66, :] = float("-inf")
    mask = torch.zeros(1, 1, 70, 70)
    mask[..., 9, :] = float("-inf")
    mask[..., :40, 50:] = float("-inf")
    case = lower(Masked(), {**inputs, "mask": mask})
    assert distance(case.emulated(stream_sync), case.wanted) < BOUND


@pytest.mark.slow
def test_the_order_of_warps_changes_nothing() -> None:
    case = lower(Sdpa(), tensors((1, 1, 64, 64), (1, 1, 130, 64)))
    assert (case.emulated(stream_sync, seed=1) == case.emulated(stream_sync, seed=2)).all()


def test_operands_the_tensor_cores_do_not_take_are_refused() -> None:
    case = lower(Sdpa(), tensors((1, 1, 8, 24), (1, 1, 8, 24)))
    with pytest.raises(PassError, match="multiples of 16"):
        stream_sync(case.group(), "attention")
