"""Packed BitMoD weights: the image is exact, and every kernel computes what the integers say."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from penstock.backends.cpu.packed import PackedLinear, pack, unpack
from penstock.backends.cpu.packed.library import FLAGS, runnable
from penstock.ir.bitmod_format import FORMATS, GROUP_SIZE, BitmodWeights
from penstock.ir.errors import InputError, TargetError

FORMS = pytest.mark.parametrize("form", FORMATS)
TOP = {"int8": 127, "int15": 127 * 128, "int22": 127 * 128 * 128}
ACTIVATIONS = pytest.mark.parametrize("activations", TOP)
SHAPES = ((1, 1), (15, 127), (16, 128), (17, 129), (40, 300), (50, 1024))


def matrix(form: str, rows: int, inputs: int, seed: int = 0) -> BitmodWeights:
    """Any codes, special values and scales the format has; the padding of the last group is zero."""
    random = np.random.default_rng(seed)
    groups = -(-inputs // GROUP_SIZE)
    codes = random.choice(np.array(FORMATS[form].codes, np.uint8), (rows, groups * GROUP_SIZE))
    codes[:, inputs:] = 0
    return BitmodWeights(
        format=FORMATS[form],
        inputs=inputs,
        codes=codes.reshape(rows, groups, GROUP_SIZE),
        special=random.integers(0, 4, (rows, groups), np.uint8),
        group_scale=random.integers(0, 128, (rows, groups), np.uint8),
        channel_scale=random.uniform(1e-4, 1e-3, rows).astype(np.float32),
    )


def tokens(count: int, inputs: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, inputs)).astype(np.float32)


def rounded(x: np.ndarray, activations: str) -> np.ndarray:
    """The activations the kernel multiplies by, float64 ``[T, D]``: a multiple of a scale for each group."""
    fill = -x.shape[1] % GROUP_SIZE
    groups = np.pad(x, ((0, 0), (0, fill))).reshape(len(x), -1, GROUP_SIZE)
    largest = np.abs(groups).max(axis=2, keepdims=True)
    top = np.float32(TOP[activations])
    factor = np.divide(top, largest, out=np.zeros_like(largest), where=largest >= 2.0**-100)
    whole = np.rint(groups * factor).astype(np.float64)
    return (whole * (largest / top).astype(np.float64)).reshape(len(x), -1)[:, : x.shape[1]]


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-300))


def same(left: BitmodWeights, right: BitmodWeights) -> bool:
    names = ("codes", "special", "group_scale", "channel_scale")
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in names)


@FORMS
@pytest.mark.parametrize(("rows", "inputs"), SHAPES)
def test_unpacking_undoes_packing(form: str, rows: int, inputs: int) -> None:
    weights, bias = matrix(form, rows, inputs), tokens(1, rows)[0]
    image = pack(weights, bias)
    again, bias_again = unpack(image)
    assert again.inputs == inputs
    assert same(weights, again)
    assert np.array_equal(bias, bias_again)
    assert np.array_equal(pack(again, bias_again), image)


@FORMS
def test_an_image_takes_the_bits_of_the_format(form: str) -> None:
    weights = matrix(form, 256, 4096)
    bits = pack(weights).size * 8 / weights.codes.size
    assert FORMATS[form].bits_per_weight < bits < FORMATS[form].bits_per_weight + 64 / 4096 + 0.001


@FORMS
@ACTIVATIONS
@pytest.mark.parametrize(("rows", "inputs"), SHAPES)
def test_every_kernel_computes_what_the_integers_say(
    form: str, activations: str, rows: int, inputs: int
) -> None:
    weights, bias = matrix(form, rows, inputs), tokens(1, rows, 2)[0]
    for count in range(1, 10):
        x = tokens(count, inputs, count)
        wanted = rounded(x, activations) @ weights.dequantize().T + bias
        found = [
            PackedLinear(weights, bias, activations=activations, isa=isa)(x, threads=1) for isa in runnable()
        ]
        assert relative(found[0], wanted) < 1e-6
        for isa, result in zip(runnable(), found, strict=True):
            assert np.array_equal(result, found[0]), f"{isa} differs from {runnable()[0]}"


@FORMS
def test_the_error_is_that_of_the_rounded_activations(form: str) -> None:
    """Half a step of each activation at most: max|x| / 254 with int8, a 128th of it a digit more."""
    weights, x = matrix(form, 64, 2048), tokens(4, 2048)
    exact = weights.dequantize()
    step = np.abs(x.reshape(4, -1, GROUP_SIZE)).max(axis=2).repeat(GROUP_SIZE, axis=1)
    for activations, top in TOP.items():
        error = np.abs(PackedLinear(weights, activations=activations)(x) - x @ exact.T)
        assert (error <= (step / top / 2) @ np.abs(exact).T + 1e-5).all()
    assert relative(PackedLinear(weights)(x), x @ exact.T) < 2e-6


@FORMS
@ACTIVATIONS
def test_threads_and_company_change_no_bit(form: str, activations: str) -> None:
    layer = PackedLinear(matrix(form, 100, 513), activations=activations)
    x = tokens(9, 513)
    together = layer(x, threads=1)
    for threads in (2, 3, 8):
        assert np.array_equal(layer(x, threads=threads), together)
    assert np.array_equal(np.concatenate([layer(token[None]) for token in x]), together)


@FORMS
def test_more_tokens_than_fit_near_the_core(form: str) -> None:
    """Activations beyond a second-level cache are taken in parts."""
    weights, x = matrix(form, 33, 4096), tokens(301, 4096)
    assert (
        relative(PackedLinear(weights, activations="int8")(x), rounded(x, "int8") @ weights.dequantize().T)
        < 1e-6
    )


@FORMS
@ACTIVATIONS
@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_hard_activations(form: str, activations: str, isa: str) -> None:
    if isa not in runnable():
        with pytest.raises(TargetError, match=isa):
            PackedLinear(matrix(form, 16, 128), isa=isa)
        return
    weights, bias = matrix(form, 20, 300), tokens(1, 20, 2)[0]
    layer = PackedLinear(weights, bias, activations=activations, isa=isa)
    x = tokens(8, 300)
    x[0] = 0
    x[1, 7] = 3e38
    x[2, 299] = np.nan
    x[3, 0] = -np.inf
    x[4] = 1e-42
    x[5] *= np.float32(1e-35)
    x[6, 130:] = 0
    found = layer(x)
    assert np.array_equal(found[0], bias)
    assert np.isnan(found[2:4]).all()
    assert np.array_equal(found[4], bias)
    fine = [1, 5, 6, 7]
    wanted = rounded(x[fine], activations) @ weights.dequantize().T + bias
    for row, one in zip(fine, wanted, strict=True):
        assert relative(found[row], one) < 1e-6


@FORMS
def test_the_largest_sums_do_not_overflow(form: str) -> None:
    """Every weight an extreme level, every activation the largest: 16-bit sums would overflow first."""
    weights = matrix(form, 32, 256)
    for special in range(4):
        weights.special[:] = special
        weights.group_scale[:] = 127
        for code in (0b1000, 0b0110, 0b1110):
            weights.codes[:] = code
            for sign in (-1, 1):
                x = np.full((3, 256), sign, np.float32)
                wanted = x @ weights.dequantize().T
                for isa in runnable():
                    assert relative(PackedLinear(weights, activations="int8", isa=isa)(x), wanted) < 1e-6


def test_no_token_gives_an_empty_output() -> None:
    assert PackedLinear(matrix("bitmod4", 5, 128))(np.empty((0, 128), np.float32)).shape == (0, 5)


def test_an_image_is_run_as_it_is() -> None:
    weights, bias, x = matrix("bitmod3", 20, 300), tokens(1, 20, 2)[0], tokens(2, 300)
    image = pack(weights, bias)
    shifted = np.concatenate([np.zeros(1, np.uint8), image])[1:]
    wanted = PackedLinear(weights, bias)(x)
    assert np.array_equal(PackedLinear(image)(x), wanted)
    assert np.array_equal(PackedLinear(shifted)(x), wanted)


def test_corrupt_images_are_refused() -> None:
    image = pack(matrix("bitmod4", 20, 300))
    for broken in (image[:32], image[:-64], np.zeros(4096, np.uint8), image[None]):
        with pytest.raises(InputError, match="image"):
            PackedLinear(broken)
    for word, value in ((0, 1), (1, 5), (2, 0), (3, -1), (3, 1 << 40), (4, 64)):
        broken = image.copy()
        broken[:64].view(np.int64)[word] = value
        with pytest.raises(InputError, match="image"):
            unpack(broken)


def test_bad_arguments_are_named() -> None:
    weights = matrix("bitmod3", 20, 300)
    layer = PackedLinear(weights)
    for x in (np.zeros((2, 299), np.float32), np.zeros(300, np.float32)):
        with pytest.raises(InputError, match="activations of shape"):
            layer(x)
    with pytest.raises(InputError, match="output of shape"):
        layer(tokens(2, 300), out=np.empty((2, 21), np.float32))
    with pytest.raises(InputError, match="threads"):
        layer(tokens(1, 300), threads=0)
    with pytest.raises(InputError, match="bias"):
        pack(weights, np.zeros(3, np.float32))
    with pytest.raises(InputError, match="int15"):
        PackedLinear(weights, activations="fp16")
    with pytest.raises(TargetError, match="sve"):
        PackedLinear(weights, isa="sve")
    weights.codes[3, 1, 5] = 1
    with pytest.raises(InputError, match="bitmod3"):
        pack(weights)


def test_the_sources_compile_without_a_warning(tmp_path: Path) -> None:
    folder = Path(str(resources.files("penstock.backends.cpu"))) / "packed"
    for source in sorted(folder.glob("*.c")):
        strict = [
            "-Wall",
            "-Wextra",
            "-Werror",
            f"-I{folder / '../runtime'}",
            "-c",
            "-o",
            str(tmp_path / "out.o"),
        ]
        subprocess.run(
            ["cc", *(flag for flag in FLAGS if flag != "-shared"), *strict, str(source)], check=True
        )
