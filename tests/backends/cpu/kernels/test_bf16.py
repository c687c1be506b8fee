"""bf16 in kernels for every instruction set: conversions to the bit, what reads and writes such tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from penstock.backends.cpu.isa import ISAS
from penstock.ir.bfloat16 import decode, encode, rounded

from .conftest import Case, Library, runs_here

RNG = np.random.default_rng(3)
CASES: list[dict[str, Any]] = []
TINY = 2.0**-126
"""Smaller numbers are denormal, in float32 and bf16 alike."""


def case(
    name: str,
    program: list[Any],
    inputs: dict[str, np.ndarray],
    outputs: dict[str, Any],
    order: str = "",
    parallel: int = 0,
    **more: Any,
) -> None:
    made = {"name": name, "program": program, "inputs": inputs, "outputs": list(outputs), "order": order}
    CASES.append({**made, "reference": list(outputs.values()), "parallel": parallel, **more})


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def bits(*shape: int) -> np.ndarray:
    return encode(normal(*shape))


def real(values: np.ndarray) -> np.ndarray:
    return decode(values).astype(np.float64)


# Every exponent and sign, around ties and at the ends of the mantissa: NaN, infinities, overflow, denormals.
halves = np.arange(0, 1 << 16, 7, dtype=np.uint32)
ends = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
hard = ((halves[:, None] << 16) | ends[None]).reshape(-1).view(np.float32)
B = {"Y": "bf16"}
case("convert", ["Y[i] = to_float(X[i])"], {"X": hard}, {"Y": encode(hard)}, elements=B)
case("there_and_back", ["Y[i] = to_float(X[i])", "Z[i] = to_float(Y[i])"], {"X": hard}, {"Z": rounded(hard)},
     elements={**B, "Z": "f32"})  # fmt: skip
case("widen", ["Z[i] = to_float(X[i])"], {"X": encode(hard)}, {"Z": decode(encode(hard))},
     elements={"Z": "f32"})  # fmt: skip
case("move", ["Y[i,j] = id(X[j,i])"], {"X": bits(19, 37)}, {"Y": None}, elements=B)
CASES[-1]["reference"] = [CASES[-1]["inputs"]["X"].T]
wide = np.array([0.1, 1e300, -1e-300, 2.0**-126, np.inf, 3.0])
case("from_f64", ["Y[i] = to_float(X[i])"], {"X": wide}, {"Y": encode(wide)}, elements=B)
whole = np.array([0, 1, 257, -65281, 1 << 40])
case("from_i64", ["Y[i] = to_float(X[i])"], {"X": whole}, {"Y": encode(whole.astype(np.float32))}, elements=B)

x, y = bits(5, 41), bits(5, 41)
x[0, :4] = encode(np.array([0.0, -0.0, np.nan, np.inf], np.float32))
flag = np.isnan(real(x))
case(
    "operators",
    ["N[i,j] = is_nan(X[i,j])", "S[i,j] = where(N[i,j], Y[i,j], X[i,j])", "L[i,j] = lt(S[i,j], 0.0)",
     "P[i,j] = mul(S[i,j], Y[i,j])", "T[i,j] = to_bool(X[i,j])", "M[i,j] = max(S[i,j], Y[i,j])"],
    {"X": x, "Y": y},
    {"S": np.where(flag, y, x), "L": np.where(flag, real(y), real(x)) < 0,
     "P": encode(np.where(flag, real(y), real(x)) * real(y)), "T": real(x) != 0,
     "M": encode(np.maximum(np.where(flag, real(y), real(x)), real(y)))},
    "i j", 1, elements={"S": "bf16", "P": "bf16", "M": "bf16"},
)  # fmt: skip
x = bits(6, 50)
case("fold", ["S[i] = sum[j] X[i,j]", "G[j] = max[i] X[i,j]"], {"X": x},
     {"S": real(x).sum(1), "G": encode(real(x).max(0))}, elements={"S": "f32", "G": "bf16"})  # fmt: skip
case("absent", ["Y[i] = id(X[i+3])"], {"X": bits(40)}, {"Y": None}, shapes={"Y": (40,)}, elements=B)
CASES[-1]["reference"] = [np.concatenate([CASES[-1]["inputs"]["X"][3:], np.zeros(3, np.uint16)])]

for rows, columns, depth in ((1, 1, 3), (7, 50, 33), (64, 96, 130)):
    a, w, shift = bits(rows, depth), bits(columns, depth), normal(columns)
    case(
        f"linear_{rows}_{columns}_{depth}",
        ["Y[s,n] = sum[d] mul(A[s,d], W[n,d])", "Z[s,n] = add(Y[s,n], B[n])", "H[s,n] = to_float(Z[s,n])"],
        {"A": a, "W": w, "B": shift},
        {"Z": real(a) @ real(w).T + shift, "H": real(a) @ real(w).T + shift},
        "s n d", 2, params=["W"], elements={"Y": "f32", "Z": "f32", "H": "bf16"},
    )  # fmt: skip
a, w = bits(2, 6, 11), bits(5, 6, 3)
grid = np.stack([real(a)[:, :, k : k + 9] for k in range(3)], -1)
case("convolution", ["Y[b,n,x] = sum[c,k] mul(A[b,c,x+k], W[n,c,k])"], {"A": a, "W": w},
     {"Y": np.einsum("bcxk,nck->bnx", grid, real(w))}, "b n x", 2, params=["W"], shapes={"Y": (2, 5, 9)},
     elements={"Y": "f32"})  # fmt: skip
a, w = bits(9, 20), bits(20, 17)
a[2, 3], a[4, 5], w[7, 1] = encode(np.array([np.inf, np.nan, -np.inf], np.float32))
with np.errstate(invalid="ignore"):
    product = real(a) @ real(w)
case("extremes", ["Y[i,j] = sum[k] mul(A[i,k], W[k,j])"], {"A": a, "W": w}, {"Y": product}, "i j k", 1,
     elements={"Y": "f32"})  # fmt: skip


@pytest.fixture(scope="module", params=list(ISAS))
def library(request: pytest.FixtureRequest) -> Library:
    runs_here(request.param)
    return Library([Case(**case) for case in CASES], request.param)


def flushed(values: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Which values an instruction set that converts by itself takes for zeros."""
    return (np.abs(values) < TINY) & (out == np.where(np.signbit(values), 0x8000, 0))


def test_conversions_are_right_to_the_bit(library: Library, request: pytest.FixtureRequest) -> None:
    (out,) = library.run("convert")
    nan = np.isnan(hard)
    assert np.isnan(decode(out[nan])).all()
    same = out == encode(hard)
    if ISAS[request.node.callspec.params["library"]].bf16:
        tiny = np.abs(hard) < TINY
        assert flushed(hard, out)[tiny].mean() > 0.99, (
            "vcvtneps2bf16 flushes; lanes beyond whole vectors do not"
        )
        same |= flushed(hard, out)
    assert same[~nan].all()


@pytest.mark.parametrize("name", [each["name"] for each in CASES if each["name"] != "convert"])
def test_kernels_give_what_numpy_gives(
    library: Library, close: Callable[[np.ndarray, np.ndarray, float], None], name: str
) -> None:
    for out, reference in zip(library.run(name, threads=3), library.cases[name].reference, strict=True):
        if out.dtype != np.uint16:
            close(out, reference, 1e-6)
        elif reference.dtype == np.uint16:
            np.testing.assert_array_equal(out, reference)
        else:  # rounded from a sum: at most the neighbour across a tie
            assert (np.abs(decode(out) - reference) <= 2.0**-8 * np.abs(reference) * (1 + 1e-4) + 1e-6).all()
