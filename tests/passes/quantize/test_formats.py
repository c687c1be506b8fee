"""The number formats: their grids, what they cost, and their errors on a fixed Gaussian matrix."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.ir.errors import InputError
from penstock.passes.quantize import fake_quantize, quantize
from penstock.passes.quantize.formats import FORMATS, QuantizedMatrix, lookup

NAMES = list(FORMATS)


@pytest.fixture(scope="module")
def gaussian() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((8192, 128)).astype(np.float32)


# Computed in float64 from the papers' definitions on this matrix, before this quantizer existed.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("int3", 0.07510),
        ("int4", 0.01379),
        ("int3-asym", 0.04648),
        ("int4-asym", 0.01012),
        ("fp3", 0.05699),
        ("fp4", 0.01187),
        ("bitmod3", 0.03806),
        ("bitmod4", 0.00958),
    ],
)
def test_the_losses_on_gaussian_weights(gaussian: NDArray[np.float32], name: str, expected: float) -> None:
    assert round(fake_quantize(gaussian, name).mse(gaussian), 5) == expected


@pytest.mark.parametrize(
    ("name", "counts"), [("bitmod3", [609, 652, 3389, 3542]), ("bitmod4", [3247, 2881, 1015, 1049])]
)
def test_the_special_values_chosen(gaussian: NDArray[np.float32], name: str, counts: list[int]) -> None:
    assert np.bincount(fake_quantize(gaussian, name).variant.ravel()).tolist() == counts


@pytest.mark.parametrize(("name", "expected"), [("bitmod3", 0.03807), ("bitmod4", 0.00959)])
def test_eight_bit_scales_lose_next_to_nothing(
    gaussian: NDArray[np.float32], name: str, expected: float
) -> None:
    wide = gaussian.reshape(256, 32 * 128)
    assert round(fake_quantize(wide, name, scale_bits=8).mse(wide), 5) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bitmod4", 4 + 10 / 128),
        ("bitmod3", 3 + 10 / 128),
        ("int8", 8.0625),
        ("int4", 4.0625),
        ("int4-asym", 4 + 12 / 128),
        ("fp3", 3.0625),
        ("flint4", 4.0625),
        ("olive4", 4.0625),
        ("mxfp4", 4.25),
        ("nvfp4", 4.5),
    ],
)
def test_the_storage_a_format_takes(name: str, expected: float) -> None:
    chosen = FORMATS[name]
    assert chosen.bits_per_weight == expected
    bits = None if chosen.native_scale else 8
    assert fake_quantize(np.ones((2, 256)), name, scale_bits=bits).bits_per_weight == expected


def test_grids_are_those_of_the_papers() -> None:
    def grid(name: str, variant: int = 0) -> list[float]:
        return sorted({abs(level) for level in FORMATS[name].levels[variant]})

    assert grid("fp4") == grid("mxfp4") == grid("nvfp4") == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert grid("fp3") == [0, 1, 2, 4]
    assert grid("bitmod4", 2) == [0, 0.5, 1, 1.5, 2, 3, 4, 6, 8]
    assert grid("flint4", 1) == [0, 1, 2, 3, 4, 6, 8, 16]
    assert grid("flint4", 2) == [0, 1, 2, 4, 8, 16, 32, 64]
    assert grid("olive4") == [0, 1, 2, 3, 4, 5, 6, 7, 12, 16, 24, 32, 48, 64, 96]
    assert max(FORMATS["int6"].levels[0][code] for code in FORMATS["int6"].codes) == 31
    assert min(FORMATS["int6"].levels[0][code] for code in FORMATS["int6"].codes) == -31


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("inputs", [1, 31, 128, 300])
def test_any_number_of_inputs_is_padded_to_whole_groups(name: str, inputs: int) -> None:
    weights = np.random.default_rng(inputs).standard_normal((5, inputs)) + 0.3
    quantized = fake_quantize(weights, name)
    padded = np.pad(quantized.dequantize(), ((0, 0), (0, -inputs % quantized.group)))
    assert padded.shape[1] == quantized.codes.shape[1] * quantized.group
    assert quantized.mse(weights) < 0.12
    behind = quantized.codes.reshape(5, -1)[:, inputs:]
    variants = np.repeat(quantized.variant, quantized.group, axis=1)[:, inputs:]
    assert not quantized.format.table[variants, behind].any()


@pytest.mark.parametrize("name", NAMES)
def test_zeros_stay_zeros_beside_a_group_that_is_not(name: str) -> None:
    weights = np.zeros((3, 256))
    assert not fake_quantize(weights, name).dequantize().any()
    weights[1, 128:] = 1.0
    got = fake_quantize(weights, name).dequantize()
    assert got[1, 128:].any()
    got[1, 128:] = 0
    assert not got.any()


@pytest.mark.parametrize("name", [name for name in NAMES if not FORMATS[name].native_scale])
def test_a_group_of_zeros_does_not_coarsen_its_channels_scales(name: str) -> None:
    weights = np.random.default_rng(0).standard_normal((4, 384)) * 1e-3
    weights[:, 128:256] = 0
    weights[3] = 0
    got = fake_quantize(weights, name, scale_bits=8)
    assert got.mse(weights) < 1.1 * fake_quantize(weights, name).mse(weights)
    assert not got.dequantize()[:, 128:256].any()
    assert not got.dequantize()[3].any()


@pytest.mark.parametrize("name", NAMES)
def test_more_bits_and_larger_weights_behave(name: str, gaussian: NDArray[np.float32]) -> None:
    some = gaussian[:128]
    loss = fake_quantize(some, name).mse(some)
    by_power_of_two = fake_quantize(some * 4, name)
    np.testing.assert_array_equal(by_power_of_two.dequantize(), fake_quantize(some, name).dequantize() * 4)
    smaller = fake_quantize(some, name.replace("4", "3")) if name.replace("4", "3") in FORMATS else None
    assert smaller is None or smaller.mse(some) >= loss


def test_integers_lose_less_with_every_bit(gaussian: NDArray[np.float32]) -> None:
    found = [fake_quantize(gaussian[:256], f"int{bits}").mse(gaussian[:256]) for bits in (3, 4, 5, 6, 8)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1e-4


def test_bitmod_with_eight_bit_scales_is_what_the_hardware_gets() -> None:
    weights = np.random.default_rng(3).standard_normal((16, 500)).astype(np.float32)
    for name in ("bitmod4", "bitmod3"):
        ours, hardware = fake_quantize(weights, name, scale_bits=8), quantize(weights, name)
        np.testing.assert_array_equal(ours.codes, hardware.codes)
        np.testing.assert_array_equal(ours.variant, hardware.special)
        np.testing.assert_array_equal(ours.dequantize(), hardware.dequantize())
        np.testing.assert_array_equal(ours.bitmod().dequantize(), hardware.dequantize())
        np.testing.assert_array_equal(ours.bitmod().channel_scale, hardware.channel_scale)


@pytest.mark.parametrize(
    ("name", "options"),
    [("int4", {"scale_bits": 8}), ("bitmod4", {}), ("bitmod4", {"group": 64, "scale_bits": 8})],
)
def test_only_bitmod_weights_are_handed_to_its_hardware(name: str, options: dict) -> None:
    with pytest.raises(InputError, match="BitMoD weights"):
        fake_quantize(np.ones((2, 128)), name, **options).bitmod()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("group", [None, 6, 66])
def test_parts_put_together_again_are_the_matrix(name: str, group: int | None) -> None:
    chosen = FORMATS[name]
    group = chosen.group if group is None or chosen.native_scale else group
    weights = np.random.default_rng(4).standard_t(3, (130, 200))
    quantized = fake_quantize(weights, name, group=group, scale_bits=None if chosen.native_scale else 8)
    parts = quantized.parts()
    assert parts["codes"].shape[2] == -(-group * chosen.bits // 8)
    again = QuantizedMatrix.from_parts(chosen, 200, group, quantized.scale_bits, parts)
    np.testing.assert_array_equal(again.codes, quantized.codes)
    np.testing.assert_array_equal(again.dequantize(), quantized.dequantize())
    assert again.bits_per_weight == quantized.bits_per_weight


def test_codes_are_stored_from_the_lowest_bit_on() -> None:
    weights = np.array([[6.0, -4.0, 0.5, 0.0]])
    fp4 = fake_quantize(weights, "fp4", group=4)
    assert fp4.codes.ravel().tolist() == [0b0111, 0b1110, 0b0001, 0b0000]
    assert fp4.parts()["codes"].ravel().tolist() == [0b1110_0111, 0b0000_0001]
    fp3 = fake_quantize(np.array([[4.0, -2.0, 1.0]]), "fp3", group=3)
    assert fp3.parts()["codes"].ravel().tolist() == [0b01_110_011, 0b0]


def test_corrupt_parts_are_refused() -> None:
    quantized = fake_quantize(np.ones((2, 128)), "bitmod4")
    parts = quantized.parts()
    for name, wrong, message in (
        ("codes", np.zeros((2, 1, 63), np.uint8), "shape"),
        ("codes", np.zeros((2, 64), np.uint8), "shape"),
        ("codes", np.zeros((2, 1, 64), np.float32), "shape"),
        ("codes", np.zeros((2, 0, 64), np.uint8), "shape"),
        ("codes", np.zeros((3, 1, 64), np.uint8), "one a group"),
        ("variant", np.full((2, 1), 4, np.uint8), "corrupt"),
        ("variant", np.zeros((2, 2), np.uint8), "one a group"),
        ("scale", np.full((2, 1), np.nan, np.float32), "corrupt"),
    ):
        with pytest.raises(InputError, match=message):
            QuantizedMatrix.from_parts(quantized.format, 128, 128, 32, {**parts, name: wrong})
    with pytest.raises(InputError, match="for 200 inputs"):
        QuantizedMatrix.from_parts(quantized.format, 200, 128, 32, parts)
    del parts["scale"]
    with pytest.raises(InputError, match="no scale"):
        QuantizedMatrix.from_parts(quantized.format, 128, 128, 32, parts)


def test_groups_of_other_sizes(gaussian: NDArray[np.float32]) -> None:
    some = gaussian[:256]
    found = [fake_quantize(some, "bitmod4", group=size).mse(some) for size in (16, 32, 64, 128)]
    assert found == sorted(found)
    assert fake_quantize(some, "int4", group=48).codes.shape == (256, 3, 48)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "int7"}, "no number format 'int7'.*bitmod4, bitmod3, int8"),
        ({"scheme": "int4", "group": 0}, "groups of 0"),
        ({"scheme": "int4", "group": -128}, "groups of -128"),
        ({"scheme": "int4", "group": 1.5}, "groups of 1.5"),
        ({"scheme": "olive4", "group": 3}, "in pairs"),
        ({"scheme": "mxfp4", "group": 128}, "groups of 128.*32"),
        ({"scheme": "nvfp4", "scale_bits": 8}, "its scales are its own"),
        ({"scheme": "int4", "scale_bits": 4}, "scales of 4 bits.*None, 8"),
    ],
)
def test_what_a_format_does_not_have_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError) as refused:
        fake_quantize(np.ones((2, 128)), **arguments)
    assert re.search(message, str(refused.value), re.S)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(128), "shape"),
        (np.zeros((0, 128)), "shape"),
        (np.full((1, 4), np.nan), "NaN"),
        (np.array([[1.0, np.inf]]), "infinite"),
    ],
)
@pytest.mark.parametrize("name", ["bitmod4", "int4-asym", "nvfp4"])
def test_what_cannot_be_quantized_is_refused(weights: NDArray, message: str, name: str) -> None:
    with pytest.raises(InputError, match=message):
        fake_quantize(weights, name)


def test_an_error_against_weights_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        fake_quantize(np.ones((2, 4)), "int4").mse(np.ones((4, 2)))
    assert fake_quantize(np.zeros((2, 4)), "int4").mse(np.zeros((2, 4))) == 0.0


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="bitmod4, bitmod3, int8"):
        lookup("float4")
