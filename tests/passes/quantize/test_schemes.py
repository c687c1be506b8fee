"""How each family finds its scales and codes, against the definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.passes.quantize import fake_quantize
from penstock.passes.quantize.codebook import Codebook
from penstock.passes.quantize.formats import FORMATS
from penstock.passes.quantize.microscaling import e4m3


@pytest.mark.parametrize("name", ["int3", "int6", "fp4", "flint4", "olive4", "mxfp4"])
@pytest.mark.parametrize("ties", ["lower", "even"])
def test_the_table_finds_the_nearest_level(name: str, ties: str) -> None:
    chosen = FORMATS[name]
    codes = [code for code in chosen.codes if code < 1 << chosen.bits]
    book = Codebook(chosen.table[0], codes, ties)  # pyright: ignore[reportArgumentType]
    sample = np.random.default_rng(0).uniform(-1.2, 1.2, 4000) * book.largest
    values = np.concatenate((np.arange(-400, 401) / 16, sample, [1e9, -1e9]))
    levels = chosen.table[0][codes]
    distance = np.abs(values[:, None] - levels).min(axis=1)
    at = book.places(values.copy())
    np.testing.assert_array_equal(np.abs(book.level[at] - values), distance)
    np.testing.assert_array_equal(chosen.table[0][book.code[at]], book.level[at])
    both = (np.abs(values[:, None] - levels) == distance[:, None]).sum(axis=1) > 1
    tied = book.level[at][both] < values[both] if ties == "lower" else book.code[at][both] % 2 == 0
    assert tied.all() or name in ("flint4", "olive4")


def test_an_asymmetric_zero_point_is_clamped() -> None:
    weights = np.array([[2.0, 3.0, 4.0, 5.0], [-1.0, 0.0, 1.0, 2.0], [7.0, 7.0, 7.0, 7.0]])
    got = fake_quantize(weights, "int4-asym", group=4)
    assert got.variant.ravel().tolist() == [0, 5, 0]
    # 2..5 in steps of 0.2 from zero reach no further than 15 · 0.2.
    np.testing.assert_allclose(got.dequantize()[0], [2.0, 3.0, 3.0, 3.0], rtol=1e-6)
    np.testing.assert_allclose(got.dequantize()[1], weights[1], rtol=1e-6)
    np.testing.assert_allclose(got.dequantize()[2], weights[2], rtol=1e-6)


def test_padding_does_not_widen_an_asymmetric_range() -> None:
    weights = np.array([[-1.0, 0.5, 2.0]])
    whole = fake_quantize(weights, "int4-asym", group=3).dequantize()
    np.testing.assert_array_equal(fake_quantize(weights, "int4-asym", group=128).dequantize(), whole)


def test_a_tensor_chooses_one_ant_type() -> None:
    draw = np.random.default_rng(1)
    uniform = draw.uniform(-1, 1, (64, 256))
    powers = np.sign(draw.standard_normal((64, 256))) * np.exp2(-draw.integers(0, 7, (64, 256)))
    powers[:, ::128] = 1.0
    assert set(fake_quantize(uniform, "flint4").variant.ravel()) == {0}
    assert set(fake_quantize(draw.laplace(size=(64, 256)), "flint4").variant.ravel()) == {1}
    exact = fake_quantize(powers, "flint4")
    assert set(exact.variant.ravel()) == {2}
    assert exact.mse(powers) == 0.0


def test_olive_keeps_an_outlier_at_its_neighbours_cost() -> None:
    weights = np.zeros((1, 128))
    weights[0] = np.tile([7.0, -7.0, 3.0, 1.0], 32)
    weights[0, 10:12] = 96.0, 2.0
    got = fake_quantize(weights, "olive4")
    expected = weights.copy()
    expected[0, 11] = 0.0
    # Scales are a grid of fractions, so integers are met within half a step.
    assert abs(got.dequantize()[0, 10] - 96) < 16
    assert got.dequantize()[0, 11] == 0.0
    assert got.mse(expected) < fake_quantize(weights, "int4").mse(weights) / 4


def test_olive_pairs_hold_one_identifier_beside_an_outlier() -> None:
    weights = np.random.default_rng(2).standard_t(2, (64, 256))
    for name in ("olive4", "olive3"):
        got = fake_quantize(weights, name)
        pairs = got.codes.reshape(-1, 2)
        bits = got.format.bits
        victim = pairs == 1 << (bits - 1)
        outlier = pairs >= 1 << bits
        assert outlier.any()
        np.testing.assert_array_equal(victim, outlier[:, ::-1])


def test_mx_scales_are_the_specifications() -> None:
    weights = np.zeros((1, 160))
    weights[0, :32] = 6.0  # exponent 2 − 2: scale 1
    weights[0, 32:64] = 7.9  # the same exponent: scale 1, and 7.9 saturates
    weights[0, 64:96] = 8.0  # scale 2
    weights[0, 96:128] = 0.3  # exponent −2 − 2: scale 1/16
    got = fake_quantize(weights, "mxfp4")
    assert got.scale[0, :4].tolist() == [1.0, 1.0, 2.0, 0.0625]
    assert got.dequantize()[0, ::32].tolist() == [6.0, 6.0, 8.0, 0.25, 0.0]


def test_mx_elements_round_to_nearest_even() -> None:
    weights = np.zeros((1, 32))
    halfway = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0]
    weights[0, :7], weights[0, 7:14], weights[0, 14] = halfway, [-each for each in halfway], 6.0
    got = fake_quantize(weights, "mxfp4").dequantize()[0]
    assert got[:7].tolist() == [0.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0]
    assert got[7:14].tolist() == [-each for each in got[:7]]


def test_e4m3_rounds_as_the_format_is_defined() -> None:
    exponents, fractions = np.meshgrid(np.arange(-6, 9), np.arange(8))
    normal = np.exp2(exponents) * (1 + fractions / 8)
    values = np.unique(np.concatenate((normal.ravel(), np.arange(8) / 512)))
    values = values[values <= 448]
    sample = np.random.default_rng(0).uniform(0, 1, 3000) ** 8 * 500
    got = e4m3(sample)
    distance = np.abs(np.minimum(sample, 448)[:, None] - values).min(axis=1)
    np.testing.assert_array_equal(np.abs(got - np.minimum(sample, 448)), distance)
    np.testing.assert_array_equal(e4m3(values), values)
    assert e4m3(np.array([17.0, 19.0, 1e9])).tolist() == [16.0, 20.0, 448.0]


def test_nvfp4_scales_the_largest_block_to_448() -> None:
    weights = np.random.default_rng(3).standard_normal((8, 64)).astype(np.float32)
    got = fake_quantize(weights, "nvfp4")
    tensor = np.abs(weights).max() / np.float32(6 * 448)
    ratio = got.scale / tensor
    assert ratio.max() == pytest.approx(448, rel=1e-6)
    np.testing.assert_allclose(ratio, e4m3(ratio.astype(np.float64)), rtol=1e-6)
