"""What follows a contraction pointwise: done on its sums in registers, behind it where that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.ir.bfloat16 import decode, encode

from .conftest import Case, Library, runs_here

RNG = np.random.default_rng(3)
CASES: list[dict[str, Any]] = []


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def layer(name: str, sizes: tuple[int, int, int], then: list[str], outputs: list[str], **more: Any) -> None:
    """A linear layer of rows × wide × deep, and Einsums on its sums `Y`; references in float64."""
    rows, wide, deep = sizes
    inputs = {"X": normal(rows, deep), "W": normal(wide, deep), "B": normal(wide), **more.pop("beside", {})}
    wanted = {key: value.astype(np.float64) for key, value in inputs.items()}
    with np.errstate(invalid="ignore"):
        wanted["Y"] = wanted["X"] @ wanted["W"].T
        for key, formula in more.pop("formulas").items():
            wanted[key] = formula(wanted)
    CASES.append(
        {
            "name": name,
            "program": ["Y[p,n] = sum[d] mul(X[p,d], W[n,d])", *then],
            "inputs": inputs,
            "outputs": outputs,
            "reference": [wanted[key] for key in outputs],
            "order": "p n",
            "parallel": 2,
            "params": ["W", "B"],
            **more,
        }
    )


BIAS = "Z[p,n] = add(Y[p,n], B[n])"
CHAIN = [BIAS, "S[p,n] = add(Z[p,n], R[p,n])", "T[p,n] = relu(S[p,n])"]
FORMULAS = {
    "Z": lambda v: v["Y"] + v["B"],
    "S": lambda v: v["Z"] + v["R"],
    "T": lambda v: np.maximum(v["S"], 0),
}
for size in ((20, 109, 64), (1, 96, 33), (20, 41, 5000), (45, 130, 1024)):
    layer("chain_{}_{}_{}".format(*size), size, CHAIN, ["S", "T"], formulas=FORMULAS,
          beside={"R": normal(*size[:2])})  # fmt: skip
layer("twice", (14, 50, 40), ["Z[p,n] = mul(Y[p,n], Y[p,n])"], ["Z"], formulas={"Z": lambda v: v["Y"] ** 2})
layer("strided", (33, 50, 40), [BIAS, "S[p,n] = add(Z[p,n], R[n,p])"], ["S"], beside={"R": normal(50, 33)},
      formulas={"Z": FORMULAS["Z"], "S": lambda v: v["Z"] + v["R"].T})  # fmt: skip
layer("kept", (14, 50, 40), [BIAS], ["Y", "Z"], formulas=FORMULAS | {"S": lambda v: 0, "T": lambda v: 0})
layer("split", (13, 64, 40), ["Z[p,h,e] = add(Q[p,h,e], C[h,e])"], ["Z"], beside={"C": normal(4, 16)},
      formulas={"Z": lambda v: v["Y"].reshape(13, 4, 16) + v["C"]})  # fmt: skip
CASES[-1] |= {"program": ["Q[p,h,e] = sum[d] mul(X[p,d], W[h*16+e,d])", *CASES[-1]["program"][1:]],
              "order": "p h e", "parallel": 3, "shapes": {"Q": (13, 4, 16)}}  # fmt: skip
layer("heads_first", (13, 64, 40), ["Z[h,p,e] = add(Q[p,h,e], C[h,e])"], ["Z"], beside={"C": normal(4, 16)},
      formulas={"Z": lambda v: (v["Y"].reshape(13, 4, 16) + v["C"]).swapaxes(0, 1)})  # fmt: skip
CASES[-1] |= {"program": ["Q[p,h,e] = sum[d] mul(X[p,d], W[h*16+e,d])", *CASES[-1]["program"][1:]],
              "order": "h p e", "parallel": 3, "shapes": {"Q": (13, 4, 16)}}  # fmt: skip
layer("not_finite", (9, 40, 70), CHAIN, ["S", "T"], formulas=FORMULAS, beside={"R": normal(9, 40)})
CASES[-1]["inputs"]["X"][2, 5], CASES[-1]["inputs"]["R"][4, 7] = np.nan, np.inf
CASES[-1]["reference"][0][2], CASES[-1]["reference"][1][2] = np.nan, np.nan
CASES[-1]["reference"][0][4, 7], CASES[-1]["reference"][1][4, 7] = np.inf, np.inf


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_matches_numpy(compiled, close, name: str, threads: int) -> None:
    outputs = compiled.run(name, threads)
    for out, reference in zip(outputs, compiled.cases[name].reference, strict=True):
        close(out, reference, 2e-6)


@pytest.mark.parametrize("name", ["chain_20_109_64", "chain_1_96_33", "twice", "split"])
def test_sums_over_one_stretch_do_not_leave_the_registers(compiled, name: str) -> None:
    text = compiled.kernels[name].mlir
    assert "%Y[" not in text
    assert "%Q[" not in text


def test_what_needs_the_sums_elsewhere_has_them_in_memory(compiled) -> None:
    assert "%Y[" in compiled.kernels["kept"].mlir
    assert "%Y[" in compiled.kernels["chain_20_41_5000"].mlir


@pytest.mark.parametrize("isa", ["avx512bf16", "avx512", "avx2"])
def test_results_in_bf16_are_the_sums_rounded_once(isa: str) -> None:
    runs_here(isa)
    # Few enough bits that every sum is exact in float32, whatever the order.
    x, w = (encode(RNG.integers(-8, 9, shape).astype(np.float32)) for shape in ((21, 66), (109, 66)))
    b = RNG.integers(-8, 9, 109).astype(np.float32)
    wanted = encode((decode(x) @ decode(w).T + b).astype(np.float32))
    program = ["Y[p,n] = sum[d] mul(X[p,d], W[n,d])", BIAS, "T[p,n] = to_float(Z[p,n])"]
    case = Case(
        "rounded", program, {"X": x, "W": w, "B": b}, ["T"], [wanted], "p n", 2, (), ["W", "B"], {},
        {"Y": "f32", "Z": "f32", "T": "bf16"},
    )  # fmt: skip
    library = Library([case], isa)
    np.testing.assert_array_equal(library.run("rounded")[0], wanted)
    assert "%Y[" not in library.kernels["rounded"].mlir
