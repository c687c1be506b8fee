"""Formats by layer: optimal for the budget, the same every time, and clear about what cannot be had."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from penstock.ir.errors import InputError, PlanError
from penstock.passes.quantize.calibration import Calibration
from penstock.passes.quantize.mixed import Option, assign, budget, sensitivity

BITS = (("a", 3), ("b", 4), ("c", 6), ("d", 8))
FORMATS = ("bitmod3", "bitmod4", "int6", "int8")


def by_hand(
    options: dict[str, list[Option]], sizes: dict[str, int], budget: float
) -> tuple[float, float] | None:
    """Loss and bits of the best of all choices."""
    total = sum(sizes.values())
    found = []
    for choice in itertools.product(*options.values()):
        bits = sum(each.bits * size for each, size in zip(choice, sizes.values(), strict=True)) / total
        if bits <= budget:
            found.append((sum(each.loss for each in choice), bits))
    return min(found, default=None)


@pytest.mark.parametrize("seed", range(8))
def test_the_choice_is_the_best_of_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    layers = [f"layer {number}" for number in range(5)]
    sizes = {name: int(draw.integers(1, 9)) * 1024 for name in layers}
    options = {
        layer: [Option(name, bits, float(draw.uniform(0, 4.0**-bits))) for name, bits in BITS]
        for layer in layers
    }
    for average in (3.0, 3.5, 4.078, 5.2, 9.0):
        expected = by_hand(options, sizes, average)
        found = assign(options, sizes, average)
        assert expected is not None
        assert found.loss == pytest.approx(expected[0], rel=1e-9)
        assert found.bits_per_weight == pytest.approx(expected[1], rel=1e-12)
        assert found.bits_per_weight <= average
        assert assign(options, sizes, average) == found


def test_of_equal_losses_the_smaller_is_taken() -> None:
    options = {"a": [Option("large", 8, 0.5), Option("small", 4, 0.5)]}
    assert assign(options, {"a": 10}, 9).formats == {"a": "small"}


def test_a_looser_budget_never_loses_more() -> None:
    draw = np.random.default_rng(1)
    weights = {
        name: draw.standard_t(3, (16, 256)) * scale for name, scale in (("q", 1), ("v", 4), ("o", 0.1))
    }
    options = {name: sensitivity(each, FORMATS) for name, each in weights.items()}
    sizes = {name: each.size for name, each in weights.items()}
    found = [assign(options, sizes, average) for average in (3.1, 4, 4.5, 5, 6.5, 8.1)]
    assert [each.loss for each in found] == sorted((each.loss for each in found), reverse=True)
    assert set(found[0].formats.values()) == {"bitmod3"}
    assert set(found[-1].formats.values()) == {"int8"}


def test_calibration_tells_which_weights_matter() -> None:
    draw = np.random.default_rng(2)
    weights = draw.standard_normal((8, 128))
    weights[:, 0] *= 8  # coarse grids: everything else in the group suffers
    seen, unseen = np.zeros((32, 128)), np.zeros((32, 128))
    seen[:, 1:] = draw.standard_normal((32, 127))
    unseen[:, 0] = draw.standard_normal(32)
    losses = {
        name: sensitivity(weights, ("int4",), Calibration(rows))[0].loss
        for name, rows in (("rest", seen), ("outlier", unseen))
    }
    assert losses["rest"] > 20 * losses["outlier"]
    assert sensitivity(weights, ("int4",))[0].loss == pytest.approx(losses["rest"], abs=losses["rest"])


def test_hundreds_of_layers_are_chosen_for_in_seconds() -> None:
    draw = np.random.default_rng(3)
    layers = [f"layer {number}" for number in range(200)]
    options = {
        layer: [Option(name, bits, float(draw.lognormal() * 4.0**-bits)) for name, bits in BITS]
        for layer in layers
    }
    found = assign(options, {name: 4096 * int(draw.integers(1, 5)) for name in layers}, 4.5)
    assert 4.49 < found.bits_per_weight <= 4.5


def test_a_budget_below_the_smallest_formats_is_refused() -> None:
    options = {"a": [Option("bitmod3", 3.078125, 0.1)]}
    with pytest.raises(PlanError, match=r"at least 3\.0781"):
        assign(options, {"a": 128}, 3)


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, {}),
        ({"a": []}, {"a": 1}),
        ({"a": [Option("x", 4, 0.1)]}, {}),
        ({"a": [Option("x", 4, float("nan"))]}, {"a": 1}),
        ({"a": [Option("x", 0, 0.1)]}, {"a": 1}),
    ],
)
def test_nothing_to_choose_from_is_refused(options: dict[str, list[Option]], sizes: dict[str, int]) -> None:
    with pytest.raises(InputError):
        assign(options, sizes, 4)


def test_a_budget_is_written_as_bits() -> None:
    assert budget("bits=4.25") == 4.25
    assert budget("bitmod4") is None
    assert budget(None) is None
    for text in ("few", "nan", "inf", "0", "-4", ""):
        with pytest.raises(InputError, match="no number of bits"):
            budget(f"bits={text}")
