"""Hopper's kernel (TMA, mbarriers, wgmma in turns), emulated, against the float64 interpreter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from penstock.backends.cuda.kernels.hopper_streamed import Cut, stream_hopper
from penstock.ir.errors import PassError

from .attended import distance, lower, tensors
from .modules import CappedAlibiWindow, Masked, Sdpa, Sigmoided

BOUND = 1e-2
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("module", "q", "k"),
    [
        pytest.param(Sdpa(), (1, 1, 130, 128), (1, 1, 400, 128), id="plain-ragged", marks=SLOW),
        pytest.param(Sdpa(is_causal=True), (1, 1, 300, 128), (1, 1, 300, 128), id="causal", marks=SLOW),
        pytest.param(Sdpa(is_causal=True, enable_gqa=True), (1, 4, 99, 64), (1, 2, 99, 64), id="gqa"),
        pytest.param(CappedAlibiWindow(2, 20.0, 50), (1, 2, 300, 64), (1, 2, 300, 64), id="own-scores"),
        pytest.param(Sdpa(), (1, 1, 70, 32), (1, 1, 300, 32), id="half-an-atom"),
        pytest.param(Sdpa(), (1, 1, 70, 80), (1, 1, 200, 80), id="no-whole-atoms", marks=SLOW),
        pytest.param(Sdpa(), (1, 1, 70, 256), (1, 1, 170, 256), id="widest", marks=SLOW),
    ],
)  # fmt: skip
def test_ragged_shapes_and_score_functions_match_the_interpreter(
    module: nn.Module, q: tuple[int, ...], k: tuple[int, ...]
) -> None:
    case = lower(module, tensors(q, k), tile=96)
    assert distance(case.emulated(stream_hopper, seed=1), case.wanted) < BOUND


@pytest.mark.slow
def test_half_precision() -> None:
    case = lower(Sdpa(), tensors((1, 1, 33, 64), (1, 1, 270, 64)), element="f16")
    assert distance(case.emulated(stream_hopper), case.wanted) < 1e-3


@pytest.mark.slow
def test_masked_rows_nan_and_infinity_are_as_defined() -> None:
    inputs = tensors((1, 2, 70, 64), (1, 2, 300, 64))
    inputs["q"][0, 0, 3, 5] = float("nan")
    inputs["k"][0, 0, 20, 7] = float("inf")
    inputs["v"][0, 1, 66, :] = float("-inf")
    mask = torch.zeros(1, 1, 70, 300)
    mask[..., 9, :] = float("-inf")
    mask[..., :40, 50:] = float("-inf")
    case = lower(Masked(), {**inputs, "mask": mask})
    assert distance(case.emulated(stream_hopper), case.wanted) < BOUND


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_warps_and_copies_changes_nothing(seed: int) -> None:
    case = lower(Sigmoided(1), tensors((1, 1, 128, 64), (1, 1, 520, 64)))
    assert (case.emulated(stream_hopper, seed=seed) == case.emulated(stream_hopper, seed=seed + 10)).all()


def test_a_cut_beyond_the_multiprocessor_is_refused() -> None:
    case = lower(Sdpa(), tensors((1, 1, 64, 128), (1, 1, 64, 128)))
    with pytest.raises(PassError, match="shared memory"):
        stream_hopper(case.group(), "attention", Cut(256))
    with pytest.raises(PassError, match="registers"):
        stream_hopper(case.group(), "attention", Cut(128, consumers=3))
    # 65536 in all, but a thread is launched with 168, whole eights: the last would wait for ever.
    with pytest.raises(PassError, match="65536 registers"):
        stream_hopper(case.group(), "attention", Cut(128, producer_registers=32))
    # It has 248 at launch: there is nothing to raise.
    with pytest.raises(PassError, match="24 and 240 registers"):
        stream_hopper(case.group(), "attention", Cut(128, consumers=1))
