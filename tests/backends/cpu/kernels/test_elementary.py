"""Every map operator on ordinary and extreme values, against the float64 definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.ir.bfloat16 import decode
from penstock.ir.operators import MAPS

from .conftest import Library

EXTREMES = [0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 88.5, 89, -87, -104, 1e-3, -1e-3, 3.7, -9.0, 2.5]
LINE = np.concatenate([np.array(EXTREMES), np.linspace(-20, 20, 1001), np.geomspace(1e-30, 1e30, 301)])
UNARY = [name for name, op in MAPS.items() if op.arity == 1 and name not in ("not", "to_bool", "to_int")]
BINARY = [name for name, op in MAPS.items() if op.arity == 2 and name not in ("and", "or", "floordiv", "mod")]
FIRST, SECOND = (np.ravel(grid).copy() for grid in np.meshgrid(EXTREMES, EXTREMES))


def case(name: str, names: list[str], inputs: dict[str, np.ndarray], dtype: str) -> dict[str, Any]:
    arrays = {key: value.astype(dtype) for key, value in inputs.items()}
    operands = ", ".join(f"{key}[i]" for key in arrays)
    exact = [value.astype(np.float64) for value in arrays.values()]
    element = "f32" if dtype == "float32" else "f64"
    with np.errstate(all="ignore"):
        reference = [MAPS[op].evaluate(*exact) for op in names]
    return {
        "name": name,
        "program": [f"Y_{op}[i] = {op}({operands})" for op in names],
        "inputs": arrays,
        "outputs": [f"Y_{op}" for op in names],
        "reference": reference,
        "order": "i",
        "parallel": 1,
        "elements": {f"Y_{op}": element for op in names if MAPS[op].kind != "bool"},
    }


CASES = [
    case("unary_f32", UNARY, {"X": LINE}, "float32"),
    case("unary_f64", UNARY, {"X": LINE}, "float64"),
    case("binary_f32", BINARY, {"X": FIRST, "Z": SECOND}, "float32"),
]
# Dense steps, floats where the power of two changes, arguments near 0, and special ones.
TURNS = ((np.arange(-152, 130) + 0.5) * np.log(2)).astype(np.float32).view(np.int32)
NEAR = (TURNS[:, None] + np.arange(-20, 21, dtype=np.int32)).view(np.float32).ravel()
DENSE = np.concatenate([np.linspace(-104.5, 89, 1_000_003), NEAR, -np.geomspace(1e-38, 1, 20_001)])
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -3.4e38, 3.4e38, 1e-45, -1e-45])
SWEEP = np.concatenate([DENSE, SPECIAL])
CASES.append(case("exponentials", ["exp"], {"X": SWEEP}, "float32"))
# Exponentials of which only bf16 is made, and a sum of one, which shows them as they are.
CASES.append(
    {
        "name": "coarse",
        "program": ["E[i,j] = exp(X[i,j])", "Y[i,j] = to_float(E[i,j])", "S[i] = sum[j] E[i,j]"],
        "inputs": {"X": SWEEP.astype(np.float32)[:, None]},
        "outputs": ["Y", "S"],
        "reference": [None, None],
        "elements": {"E": "f32", "Y": "bf16", "S": "f32"},
    }
)
# Error allowed in units of the last place (2^-24 in f32): relative, and for some relative to max(1, |y|),
# since they subtract two near values around 0. The difference under exp_sub is rounded before exp sees it.
ROOM = {"exp_sub": 64, "exp_sub_left": 64}
ABSOLUTE = {"gelu": 16, "gelu_tanh": 8, "erf": 6, "silu": 4}


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", ["unary_f32", "unary_f64", "binary_f32"])
def test_operators_match_their_definitions(compiled, name: str) -> None:
    ulp = 2.0**-24 if name.endswith("f32") else 2.0**-50
    for out, reference, label in zip(
        compiled.run(name), compiled.cases[name].reference, compiled.cases[name].outputs, strict=True
    ):
        wanted = np.asarray(reference).astype(out.dtype).astype(np.float64)
        found, finite = out.astype(np.float64), np.isfinite(wanted)
        np.testing.assert_array_equal(found[~finite], wanted[~finite], err_msg=label)
        operator = label.removeprefix("Y_")
        room = ROOM.get(operator, ABSOLUTE.get(operator, 4))
        unit = np.maximum(np.abs(wanted[finite]), 1.0 if operator in ABSOLUTE else 2.0**-100)
        error = np.abs(found[finite] - wanted[finite]) / unit
        assert error.max() <= room * ulp, (label, error.max() / ulp, wanted[finite][error.argmax()])


def test_exponentials_err_by_less_than_a_unit_of_the_last_place(compiled: Library) -> None:
    """Measured: 0.974 with fused multiply-adds, denormals 0.890; 1.260 without them."""
    (found,), (exact,) = compiled.run("exponentials"), compiled.cases["exponentials"].reference
    wide, fused = compiled.isa == "avx512", compiled.isa != "portable"
    with np.errstate(over="ignore"):
        nearest = exact.astype(np.float32)
    finite, flushed = np.isfinite(nearest), np.zeros(exact.shape, bool) if wide else exact < 2.0**-125.5
    np.testing.assert_array_equal(found[~finite], nearest[~finite])
    np.testing.assert_array_equal(found[flushed], 0)
    places = finite & ~flushed
    unit = np.spacing(nearest[places]).astype(np.float64)
    assert (np.abs(found[places] - exact[places]) / unit).max() < (1.0 if fused else 1.3)
    np.testing.assert_array_equal(found[-len(SPECIAL) :][:4], [1, 1, np.inf, 0])
    assert (found >= 0)[~np.isnan(found)].all()


@pytest.mark.filterwarnings("ignore:overflow")
def test_exponentials_that_become_bf16_err_far_less_than_its_rounding(compiled: Library) -> None:
    """Measured: 6.8e-6 where AVX-512 has the instructions, else as exact as others."""
    rounded, found = compiled.run("coarse")
    exact = np.exp(SWEEP.astype(np.float32).astype(np.float64))
    places = (exact > 2.0**-125) & (exact < 3e38)  # beyond, bf16 has none, or infinity
    error = np.abs(found[places] / exact[places] - 1).max()
    assert error < (1e-5 if compiled.isa.startswith("avx512") else 2.0**-22)
    np.testing.assert_array_equal(found[-len(SPECIAL) :][:4], [1, 1, np.inf, 0])
    assert np.isnan(found[-len(SPECIAL) + 4])
    bf16 = decode(rounded[:, 0])[places]
    assert np.abs(bf16 / exact[places] - 1).max() < 2.0**-8 + 1e-5
