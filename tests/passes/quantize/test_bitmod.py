"""The BitMoD quantizer: its error on a fixed Gaussian matrix, its ties, its scales, its padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.ir.bitmod_format import FORMATS, BitmodFormat, BitmodWeights
from penstock.ir.errors import InputError
from penstock.passes.quantize import quantize
from penstock.passes.quantize.bitmod import SCALE_RANGE


@pytest.fixture(scope="module")
def gaussian() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((8192, 128)).astype(np.float32)


def loss(weights: NDArray[np.float32], scheme: BitmodFormat) -> float:
    """Squared error over squared weights."""
    difference = quantize(weights, scheme).dequantize() - weights
    return float(np.square(difference).sum() / np.square(weights.astype(np.float64)).sum())


def only(name: str, which: str) -> BitmodFormat:
    """A format restricted to the basic grid, the special values in its range, or those out of it."""
    specials = FORMATS[name].specials
    chosen = {"basic": (0, 0), "ER": specials[:2], "EA": specials[2:]}[which]
    return replace(FORMATS[name], specials=(*chosen, *chosen))


# Computed in float64 from the paper's algorithm 1 on this matrix, before the RTL or this quantizer existed.
@pytest.mark.parametrize(
    ("name", "basic", "er", "ea", "bitmod", "counts"),
    [
        ("bitmod3", 0.05699, 0.04723, 0.03865, 0.03806, [609, 652, 3389, 3542]),
        ("bitmod4", 0.01187, 0.00992, 0.01155, 0.00958, [3247, 2881, 1015, 1049]),
    ],
)
def test_the_losses_and_choices_on_gaussian_weights(
    gaussian: NDArray[np.float32],
    name: str,
    basic: float,
    er: float,
    ea: float,
    bitmod: float,
    counts: list[int],
) -> None:
    got = {which: round(loss(gaussian, only(name, which)), 5) for which in ("basic", "ER", "EA")}
    assert got == {"basic": basic, "ER": er, "EA": ea}
    assert round(loss(gaussian, FORMATS[name]), 5) == bitmod
    assert np.bincount(quantize(gaussian, name).special.ravel()).tolist() == counts


@pytest.mark.parametrize(("name", "expected"), [("bitmod3", 0.03807), ("bitmod4", 0.00959)])
def test_group_scales_of_seven_bits_lose_next_to_nothing(
    gaussian: NDArray[np.float32], name: str, expected: float
) -> None:
    assert round(loss(gaussian.reshape(256, 32 * 128), FORMATS[name]), 5) == expected


def test_a_weight_between_two_levels_goes_to_the_lower() -> None:
    weights = np.zeros((1, 128))
    weights[0, :5] = 6.0, 0.25, -0.25, 2.5, -5.0
    codes = quantize(weights, only("bitmod4", "basic")).dequantize()[0, :5]
    np.testing.assert_allclose(codes, [6.0, 0.0, -0.5, 2.0, -6.0], rtol=1e-6)


def test_the_first_of_equal_candidates_wins() -> None:
    weights = np.zeros((1, 128))
    weights[0, :4] = 6.0, -6.0, 3.0, -1.5
    assert quantize(weights, "bitmod4").special[0, 0] == 0


def searched(weights: NDArray, chosen: BitmodFormat) -> BitmodWeights:
    """Algorithm 1 as it reads: a search among the sorted levels for every weight and candidate."""
    channels, inputs = weights.shape
    count = -(-inputs // 128)
    groups = np.pad(weights.astype(np.float64), ((0, 0), (0, count * 128 - inputs))).reshape(-1, 128)
    largest = np.abs(groups).max(axis=1)
    best = np.full(len(groups), np.inf)
    codes, special = np.zeros(groups.shape, np.uint8), np.zeros(len(groups), np.uint8)
    delta = np.zeros(len(groups))
    for index, table in enumerate(chosen.values()):
        levels, first = np.unique(table[list(chosen.codes)], return_index=True)
        grid = levels / 2.0
        scale = np.clip(largest / np.abs(grid).max(), *SCALE_RANGE)
        nearest = np.searchsorted((grid[1:] + grid[:-1]) / 2, groups / scale[:, None], side="left")
        error = np.square(grid[nearest] * scale[:, None] - groups).sum(axis=1)
        better = error < best
        best[better], delta[better], special[better] = error[better], scale[better], index
        codes[better] = np.array(chosen.codes, np.uint8)[first][nearest[better]]
    shaped = delta.reshape(channels, count)
    channel = shaped.max(axis=1) / 127
    steps = np.clip(np.rint(shaped / channel[:, None]), 0, 127).astype(np.uint8)
    return BitmodWeights(
        chosen,
        inputs,
        codes.reshape(channels, count, 128),
        special.reshape(channels, count),
        steps,
        (channel / 2).astype(np.float32),
    )


@pytest.mark.parametrize("name", ["bitmod4", "bitmod3"])
@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "heavy tails", "quarters", "extremes"])
def test_the_table_lookup_equals_the_search_bit_for_bit(name: str, kind: str) -> None:
    draw = np.random.default_rng(8)
    weights = {
        "heavy tails": lambda: draw.standard_t(2, (64, 640)),
        "quarters": lambda: draw.integers(-32, 33, (64, 640)) / 4,  # ties everywhere
        "extremes": lambda: draw.standard_normal((64, 640)) * np.logspace(-12, 4, 64)[:, None],
    }.get(kind, lambda: (draw.standard_normal((64, 300)) * 0.02).astype(kind))()
    got, expected = quantize(weights, name), searched(weights, FORMATS[name])
    for part in ("codes", "special", "group_scale", "channel_scale"):
        np.testing.assert_array_equal(getattr(got, part), getattr(expected, part), err_msg=part)


@pytest.mark.parametrize("inputs", [1, 127, 128, 129, 300])
def test_ragged_inputs_are_padded_with_zeros(inputs: int) -> None:
    weights = np.random.default_rng(inputs).standard_normal((3, inputs))
    quantized = quantize(weights)
    assert quantized.codes.shape == (3, -(-inputs // 128), 128)
    assert quantized.dequantize().shape == (3, inputs)
    assert not quantized.doubled().reshape(3, -1)[:, inputs:].any()
    assert np.abs(quantized.dequantize() - weights).max() < 0.7


def test_codes_scales_and_storage_keep_to_the_format() -> None:
    weights = np.random.default_rng(5).standard_normal((16, 1024)) * np.logspace(-3, 3, 16)[:, None]
    for name, chosen in FORMATS.items():
        quantized = quantize(weights, name)
        assert set(np.unique(quantized.codes)) <= set(chosen.codes)
        assert quantized.group_scale.max(axis=1).tolist() == [127] * 16
        assert quantized.special.max() <= 3
        stored = quantized.stored_bits / weights.size
        assert stored == pytest.approx(chosen.bits_per_weight + 16 / 1024)


def test_zero_weights_stay_zero() -> None:
    assert not quantize(np.zeros((2, 256))).dequantize().any()


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(6).standard_normal((5, 384))
    whole = quantize(weights)
    monkeypatch.setattr("penstock.passes.quantize.blocks.BLOCK_ELEMENTS", 256)
    parts = quantize(weights)
    np.testing.assert_array_equal(whole.codes, parts.codes)
    np.testing.assert_array_equal(whole.group_scale, parts.group_scale)


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.zeros(128), "shape"), (np.zeros((0, 128)), "shape"), (np.full((1, 4), np.nan), "NaN")],
)
def test_what_cannot_be_quantized_is_refused(weights: NDArray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        quantize(weights)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="bitmod4, bitmod3, int8, int6, int5"):
        quantize(np.ones((1, 1)), "bitmod5")


def test_weights_that_the_scales_would_cut_are_refused() -> None:
    """They came out as 6·10⁴ or so, whatever they were."""
    with pytest.raises(InputError, match=r"weights of up to 1e\+06 are beyond"):
        quantize(np.full((3, 5), 1e6), "bitmod4")
    assert np.abs(quantize(np.full((3, 5), 3e4), "bitmod4").dequantize() / 3e4 - 1).max() < 0.01
