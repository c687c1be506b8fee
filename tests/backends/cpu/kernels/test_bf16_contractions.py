"""Contractions of bf16 operands, summed in f32: against float64 on the same rounded operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.backends.cpu.isa import ISAS
from penstock.backends.cpu.kernels import Pack, emit_kernel, pack
from penstock.ir.bfloat16 import decode, encode

from .conftest import Case, Library, build, runs_here

RNG = np.random.default_rng(11)
CASES: list[dict[str, Any]] = []
SUM = {"Y": "f32"}


def bits(*shape: int) -> np.ndarray:
    return encode(RNG.standard_normal(shape).astype(np.float32))


def real(values: np.ndarray) -> np.ndarray:
    return decode(values).astype(np.float64)


def product(name: str, text: str, spec: str, a: np.ndarray, b: np.ndarray, order: str, **more: Any) -> None:
    case = {"name": name, "program": [text], "inputs": {"A": a, "B": b}, "outputs": ["Y"], "order": order}
    reference = [np.einsum(spec, real(a), real(b))]
    CASES.append({"reference": reference, "parallel": len(order.split()), "elements": SUM, **case, **more})


def linear(rows: int, wide: int, deep: int, packed: bool = True) -> None:
    product(f"linear_{rows}_{wide}_{deep}{'' if packed else '_plain'}", "Y[p,n] = sum[d] mul(A[p,d], B[n,d])",
            "pd,nd->pn", bits(rows, deep), bits(wide, deep), "p n",
            params=["B"] if packed else [])  # fmt: skip


# Ragged everywhere, an odd depth, a depth of one pair, one row, several stretches, rows a page apart.
for shape in (
    (7, 129, 33),
    (45, 100, 64),
    (1, 96, 65),
    (20, 40, 2),
    (30, 37, 3),
    (30, 66, 3001),
    (29, 130, 2048),
):
    linear(*shape)
linear(33, 48, 201, packed=False)
linear(40, 17, 1, packed=False)
heads = bits(50, 4, 16)
product("join_heads", "Y[b,p,n] = sum[h,f] mul(A[b,h,p,f], B[n,h*16+f])", "bhpf,nhf->bpn",
        bits(1, 4, 13, 16), heads, "b p n", params=["B"])  # fmt: skip
CASES[-1]["inputs"]["B"] = heads.reshape(50, 64)
odd = bits(50, 4, 7)
product("join_odd_heads", "Y[b,p,n] = sum[h,f] mul(A[b,h,p,f], B[n,h*7+f])", "bhpf,nhf->bpn",
        bits(1, 4, 13, 7), odd, "b p n", params=["B"])  # fmt: skip
CASES[-1]["inputs"]["B"] = odd.reshape(50, 28)
# Neither side a parameter: panels with the depth side by side, the lanes side by side, neither.
product("scores", "Y[b,h,p,m] = sum[e] mul(A[b,h,p,e], B[b,h,m,e])", "bhpe,bhme->bhpm",
        bits(2, 3, 19, 40), bits(2, 3, 53, 40), "b h p m")  # fmt: skip
product("scores_odd", "Y[h,p,m] = sum[e] mul(A[h,p,e], B[h,m,e])", "hpe,hme->hpm",
        bits(2, 19, 35), bits(2, 37, 35), "h p m")  # fmt: skip
product("values", "Y[b,p,h,f] = sum[m] mul(A[b,h,p,m], B[b,m,h,f])", "bhpm,bmhf->bphf",
        bits(2, 3, 9, 51), bits(2, 51, 3, 24), "b p h f")  # fmt: skip
product("neither", "Y[p,n] = sum[d] mul(A[p,d], B[d,n,0])", "pd,dn->pn",
        bits(20, 31), bits(31, 40, 2)[:, :, 0], "p n")  # fmt: skip
CASES[-1]["inputs"]["B"] = np.stack([CASES[-1]["inputs"]["B"], bits(31, 40)], 2)
# The rows' depth is not side by side: it is copied first.
product("turned_rows", "Y[p,n] = sum[d] mul(A[d,p], B[n,d])", "dp,nd->pn",
        bits(37, 26), bits(70, 37), "p n", params=["B"])  # fmt: skip


# Sides that the group itself rounds, on their way into a panel: depth, lanes, neither side by side, and rows.
def rounding(name: str, text: str, spec: str, a: np.ndarray, b: np.ndarray, order: str) -> None:
    """One side is `R`, made by `text`."""
    sides = "R[p,d], B[d,n]" if "A[" in text else "A[p,d], R[d,n]"
    program = [text, f"Y[p,n] = sum[d] mul({sides})"]
    inputs = {"A": a, "B": b}
    exact = [real(encode(v)) if v.dtype == np.float32 else real(v) for v in (a, b)]
    CASES.append({"name": name, "program": program, "inputs": inputs, "outputs": ["Y"], "order": order,
                  "reference": [np.einsum(spec, *exact)], "parallel": 0,
                  "elements": {"R": "bf16", **SUM}})  # fmt: skip


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


rounding("rounded_lanes", "R[d,n] = to_float(B[d,n])", "pd,dn->pn", bits(21, 35), floats(35, 43), "p n d")
rounding("rounded_depth", "R[d,n] = to_float(B[n,d])", "pd,nd->pn", bits(21, 77), floats(43, 77), "p n d")
apart = floats(40, 31, 2)
rounding("rounded_neither", "R[d,n] = to_float(B[n,d,1])", "pd,nd->pn", bits(20, 31), apart[:, :, 1], "p n d")
CASES[-1]["inputs"]["B"] = apart
rounding("rounded_turned", "R[p,d] = to_float(A[d,p])", "dp,dn->pn", floats(35, 21), bits(35, 70), "p n d")
product("transposed", "Y[n,p] = sum[d] mul(A[p,d], B[n,d])", "pd,nd->np",
        bits(33, 41), bits(50, 41), "n p", params=["B"])  # fmt: skip
large = encode(np.full((20, 64), 3e38, np.float32))
product(
    "overflow", "Y[p,n] = sum[d] mul(A[p,d], B[n,d])", "pd,nd->pn", large, large[:17], "p n", params=["B"]
)
CASES[-1]["reference"] = [np.full((20, 17), np.inf)]
product("zeros", "Y[p,n] = sum[d] mul(A[p,d], B[n,d])", "pd,nd->pn",
        np.zeros((9, 33), np.uint16), bits(40, 33), "p n", params=["B"])  # fmt: skip
special = bits(24, 33)
special[0, 32], special[1, 0], special[2, 5:7] = encode(np.array([np.nan, np.inf, -np.inf], np.float32))
product("special", "Y[p,n] = sum[d] mul(A[p,d], B[n,d])", "pd,nd->pn", special, bits(40, 33), "p n",
        params=["B"])  # fmt: skip


@pytest.fixture(scope="module", params=list(ISAS))
def compiled(request: pytest.FixtureRequest) -> Library:
    runs_here(request.param)
    return Library([Case(**case) for case in CASES], request.param)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_sums_are_as_exact_as_those_of_floats(compiled, close, name: str, threads: int) -> None:
    close(compiled.run(name, threads)[0], compiled.cases[name].reference[0], 2e-6)


@pytest.mark.parametrize("isa", list(ISAS))
def test_words_of_pairs_are_multiplied_where_the_processor_can(isa: str) -> None:
    names = ("linear_45_100_64", "scores", "values", "turned_rows", "join_heads")
    kernels = {
        case["name"]: emit_kernel(build(Case(**case)), case["name"], ISAS[isa], [False, "params" in case])
        for case in CASES
        if case["name"] in names
    }
    for name, kernel in kernels.items():
        paired = "dpbf16ps" in kernel.mlir
        assert paired == ISAS[isa].bf16, name
        assert all(isinstance(spec, Pack) and spec.pairs == paired for spec in kernel.packs.values())


def test_results_do_not_depend_on_the_number_of_threads(compiled) -> None:
    for name in compiled.cases:
        for one, many in zip(compiled.run(name, 1), compiled.run(name, 4), strict=True):
            np.testing.assert_array_equal(one, many, err_msg=name)


@pytest.mark.parametrize("deep", [1, 2, 7, 8])
def test_packing_in_pairs_keeps_every_number_once(deep: int) -> None:
    array = np.arange(1, 1 + 37 * deep, dtype=np.uint16).reshape(37, deep)
    spec = Pack("B[n,d]", (("n", 37),), (20,), (("d", deep),), 16, pairs=True)
    packed = pack(array, spec)
    assert packed.shape == spec.shape == (4, -(-deep // 2), 32)
    for lane, k in np.ndindex(array.shape):
        for tile, first in ((0, 0), (1, 17)):  # the last tile is moved back to end at the edge
            if first <= lane < first + 20:
                panel, place = divmod(lane - first, 16)
                assert packed[tile * 2 + panel, k // 2, 2 * place + k % 2] == array[lane, k]
    inside = 2 * 20 * deep
    assert np.count_nonzero(packed) == inside
