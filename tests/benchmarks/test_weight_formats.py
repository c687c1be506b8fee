"""What the accuracy benchmarks share: weights come back, bits and errors count, resamples are paired."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from penstock.ir.errors import InputError


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(10, 128), nn.Linear(128, 16), nn.LayerNorm(16), nn.Linear(16, 4))


def test_linear_weights_are_found_and_embeddings_on_demand(weight_formats: ModuleType) -> None:
    assert set(weight_formats.matrices(model(), embeddings=False)) == {"1", "3"}
    assert set(weight_formats.matrices(model(), embeddings=True)) == {"0", "1", "3"}


def test_weights_change_inside_and_come_back_bit_for_bit(weight_formats: ModuleType) -> None:
    module = model()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    weights = weight_formats.matrices(module, embeddings=False)
    with weight_formats.in_format(weights, "bitmod3"):
        after = module.state_dict()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == {"1.weight", "3.weight"}
    assert all(torch.equal(before[name], each) for name, each in module.state_dict().items())


def test_bits_count_scales_and_choices_and_the_error_is_that_of_all_layers(
    weight_formats: ModuleType,
) -> None:
    torch.manual_seed(0)
    weight = torch.randn(16, 128)
    exact = weight.double()
    with weight_formats.in_format({"": weight}, "bitmod4") as stored:
        assert stored.bits == 4 + 10 / 128
        lost = (weight.double() - exact).square().sum() / exact.square().sum()
        assert stored.error == pytest.approx(float(lost), rel=1e-4)


def test_an_unknown_format_is_named(weight_formats: ModuleType) -> None:
    with pytest.raises(InputError, match="bitmod5"):
        weight_formats.chosen("bitmod4,bitmod5")
    assert "nvfp4" in weight_formats.chosen("")


def test_resamples_draw_as_many_and_are_reproducible(weight_formats: ModuleType) -> None:
    counts = weight_formats.draws(12, 5, seed=3)
    assert counts.shape == (5, 12)
    assert np.all(counts.sum(axis=1) == 12)
    assert np.array_equal(counts, weight_formats.draws(12, 5, seed=3))


@pytest.mark.parametrize(("shift", "answer"), [(0.5, "yes"), (-0.5, "no, worse"), (0.0, "not told apart")])
def test_the_bootstrap_is_paired(weight_formats: ModuleType, shift: float, answer: str) -> None:
    """A constant difference is certain, however much the samples scatter."""
    scatter = np.random.default_rng(0).normal(0, 100, 50)
    better = {"a": scatter + shift, "b": scatter}
    means = {name: lambda counts, x=each: x @ counts / counts.sum() for name, each in better.items()}
    verdict = weight_formats.compare(("a", "b"), "x", means, weight_formats.draws(50, 200, seed=0))
    assert verdict.answer == answer
    assert verdict.gain == pytest.approx(shift)
