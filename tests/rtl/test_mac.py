"""The FP16 multiply-accumulate element, the comparator of the synthesis report, against NumPy bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock import rtl
from penstock.sim.rtl.verilator import lint

from .conftest import stream_vectors, write_sources

LATENCY = 2
SPECIAL = (
    0x0000,
    0x8000,
    0x0001,
    0x03FF,
    0x0400,
    0x3C00,
    0xBC00,
    0x7BFF,
    0xFBFF,
    0x7C00,
    0xFC00,
    0x7E01,
    0x5555,
)


@pytest.fixture(scope="module")
def mac_sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    texts = rtl.sources("common", "baseline")
    needed = ("fp16_unpack.sv", "leading_one.sv", "fp_add.sv", "fp16_multiply.sv", "fp16_mac_pe.sv")
    return write_sources(tmp_path_factory.mktemp("mac"), {name: texts[name] for name in needed})


@pytest.mark.parametrize("half", [0, 1])
def test_it_is_lint_clean(mac_sources: list[Path], half: int) -> None:
    lint(mac_sources, "fp16_mac_pe", {"HalfAccumulator": half})


def groups(seed: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.bool_]]:
    """Activations, weights and first-of-group marks: normal, every exponent, special, cancelling."""
    numbers = np.random.default_rng(seed)
    steps, count = 32, 900
    shape = (count, steps, 2)
    normal = (numbers.standard_normal(shape) * 3).astype(np.float16).view(np.uint16)
    sign, exponent = numbers.integers(0, 2, shape) << 15, numbers.integers(0, 31, shape) << 10
    every = (sign | exponent | numbers.integers(0, 1024, shape)).astype(np.uint16)
    special = numbers.choice(np.array(SPECIAL, np.uint16), shape)
    tiny = (sign | numbers.integers(0, 5, shape) << 10 | numbers.integers(0, 1024, shape)).astype(np.uint16)
    tiny[..., 1] = every[..., 1]
    kind = numbers.integers(0, 5, count)
    pairs = np.choose(
        kind[:, None, None],
        [normal, every, np.where(numbers.random(shape) < 0.1, special, normal), tiny, every],
    )
    cancels = kind == 4
    pairs[cancels, 16:] = pairs[cancels, :16]
    pairs[cancels, 16:, 0] ^= 0x8000
    first = np.zeros((count, steps), bool)
    first[:, 0] = True
    return pairs[..., 0], pairs[..., 1], first


def expected(acts: NDArray[np.uint16], weights: NDArray[np.uint16], kind: type[np.floating]) -> NDArray:
    """The sum after every step, in FP16 or FP32, one rounding an operation."""
    a, b = acts.view(np.float16).astype(np.float32), weights.view(np.float16).astype(np.float32)
    out = np.empty(acts.shape, kind)
    total = np.zeros(len(acts), kind)
    with np.errstate(all="ignore"):
        products = (a * b).astype(kind)  # exact in FP32
        for step in range(acts.shape[1]):
            total = total + products[:, step]
            out[:, step] = total
    return out


@pytest.mark.slow
def test_sums_are_numpys_bit_for_bit(mac_sources: list[Path], tmp_path: Path) -> None:
    acts, weights, first = groups(4)
    words = np.zeros((acts.size + LATENCY, 4), np.uint32)
    words[: acts.size, 0] = acts.ravel().astype(np.uint32) | weights.ravel().astype(np.uint32) << 16
    words[: acts.size, 1] = 1 | first.ravel().astype(np.uint32) << 1
    out = stream_vectors(mac_sources, "mac_harness", words, tmp_path)[LATENCY:]
    for column, kind, bits, nan in (
        (0, np.float32, np.uint32, 0x7FC00000),
        (1, np.float16, np.uint16, 0x7E00),
    ):
        want = expected(acts, weights, kind).ravel()
        pattern = np.where(np.isnan(want), bits(nan), want.view(bits))
        wrong = np.flatnonzero(out[:, column] != pattern)
        assert not len(wrong), (
            f"{kind.__name__}: {len(wrong)} of {len(pattern)} differ, first at step {wrong[0]}"
        )
