"""Contractions: linear layers in their index guises, batched matmuls, convolutions, on ragged sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

RNG = np.random.default_rng(0)
CASES: list[dict[str, Any]] = []


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def linear(rows: int, wide: int, deep: int, packed: bool) -> None:
    x, w, b = normal(1, rows, deep), normal(wide, deep), normal(wide)
    CASES.append(
        {
            "name": f"linear_{rows}_{wide}_{deep}_{'packed' if packed else 'plain'}",
            "program": ["Y[b,p,n] = sum[d] mul(X[b,p,d], W[n,d])", "Z[b,p,n] = add(Y[b,p,n], B[n])"],
            "inputs": {"X": x, "W": w, "B": b},
            "outputs": ["Z"],
            "reference": [x.astype(np.float64) @ w.T.astype(np.float64) + b],
            "order": "b p n",
            "parallel": 3,
            "params": ["W", "B"] if packed else [],
        }
    )


def convolution(channels: int, size: int, out: int, window: int, stride: int, pad: int) -> None:
    x, w = normal(1, channels, size, size), normal(out, channels, window, window)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype(np.float64)
    views = np.lib.stride_tricks.sliding_window_view(padded, (window, window), (2, 3))
    reference = np.einsum("nchwrs,kcrs->nkhw", views[:, :, ::stride, ::stride], w)
    place = [f"{a}*{stride}+{b}-{pad}" if pad else f"{a}*{stride}+{b}" for a, b in ("hr", "ws")]
    CASES.append(
        {
            "name": f"conv_{channels}_{size}_{out}_{window}_{stride}",
            "program": [
                f"Y[n,k,h,w] = sum[c,r,s] mul(X[n,c,{place[0]},{place[1]}], W[k,c,r,s])",
                "R[n,k,h,w] = relu(Y[n,k,h,w])",
            ],
            "inputs": {"X": x, "W": w},
            "outputs": ["R"],
            "reference": [np.maximum(reference, 0)],
            "order": "n k h w",
            "parallel": 4,
            "params": ["W"],
            "shapes": {"Y": reference.shape},
        }
    )


def product(name: str, text: str, spec: str, a: np.ndarray, b: np.ndarray, order: str, **more: Any) -> None:
    reference = np.einsum(spec, a.astype(np.float64), b.astype(np.float64))
    case = {"name": name, "program": [text], "inputs": {"A": a, "B": b}, "outputs": ["Y"], "order": order}
    CASES.append({**case, "reference": [reference], "parallel": len(order.split()), **more})


for shape in ((1, 96, 64), (7, 129, 33), (129, 100, 129), (20, 96, 1100)):
    linear(*shape, packed=True)
linear(33, 48, 200, packed=False)
for shape in ((3, 37, 16, 7, 2, 3), (16, 14, 32, 3, 1, 1), (24, 7, 40, 1, 1, 0), (24, 14, 40, 1, 2, 0)):
    convolution(*shape)
heads = normal(64, 40)
product(
    "split_heads", "Y[b,h,p,e] = sum[d] mul(A[b,p,d], B[h*16+e,d])", "bpd,ned->bnpe",
    normal(1, 13, 40), heads.reshape(4, 16, 40), "b h p e", shapes={"Y": (1, 4, 13, 16)}, params=["B"],
)  # fmt: skip
CASES[-1]["inputs"]["B"] = heads
joined = normal(50, 4, 16)
product(
    "join_heads", "Y[b,p,n] = sum[h,f] mul(A[b,h,p,f], B[n,h*16+f])", "bhpf,nhf->bpn",
    normal(1, 4, 13, 16), joined, "b p n", params=["B"],
)  # fmt: skip
CASES[-1]["inputs"]["B"] = joined.reshape(50, 64)
q, k = normal(2, 3, 9, 16), normal(2, 3, 11, 16)
product("scores", "Y[b,h,p,m] = sum[e] mul(A[b,h,p,e], B[b,h,m,e])", "bhpe,bhme->bhpm", q, k, "b h p m")
product("one_thread", "Y[b,h,p,m] = sum[e] mul(A[b,h,p,e], B[b,h,m,e])", "bhpe,bhme->bhpm", q, k, "")
product("values", "Y[b,p,h,f] = sum[m] mul(A[b,h,p,m], B[b,m,h,f])", "bhpm,bmhf->bphf",
        normal(2, 3, 9, 50), normal(2, 50, 3, 16), "b p h f")  # fmt: skip
product("transposed", "Y[b,n,p] = sum[d] mul(A[b,p,d], B[n,d])", "bpd,nd->bnp",
        normal(2, 33, 40), normal(50, 40), "b n p", params=["B"])  # fmt: skip
product("double", "Y[p,n] = sum[d] mul(A[p,d], B[n,d])", "pd,nd->pn",
        RNG.standard_normal((33, 70)), RNG.standard_normal((19, 70)), "p n", params=["B"])  # fmt: skip
product("matvec", "Y[n] = sum[d] mul(A[d], B[n,d])", "d,nd->n", normal(70), normal(19, 70), "n")
product("outer", "Y[p,n] = mul(A[p], B[n])", "p,n->pn", normal(7), normal(129), "p n")
product("depthwise", "Y[c,h,w] = sum[r,s] mul(A[c,h+r,w+s], B[c,r,s])", "chwrs,crs->chw",
        np.lib.stride_tricks.sliding_window_view(normal(20, 15, 15), (3, 3), (1, 2)),
        normal(20, 3, 3), "c h w", shapes={"Y": (20, 13, 13)})  # fmt: skip
CASES[-1]["inputs"]["A"] = CASES[-1]["inputs"]["A"].base.base


product("long_depth", "Y[p,n] = sum[d] mul(A[p,d], B[n,d])", "pd,nd->pn",
        normal(72, 3000), normal(40, 3000), "p n", params=["B"], tiles=["p=64"])  # fmt: skip
# Rows a multiple of the page apart: copied side by side, stretch by stretch of the depth.
linear(45, 130, 1024, packed=True)
crowd, part = normal(30, 1024), normal(96, 1000)
product("crowded_part", "Y[p,n] = sum[d] mul(A[p,d+3], B[n,d])", "pd,nd->pn", crowd[:, 3:1003], part,
        "p n", params=["B"], shapes={"Y": (30, 96)})  # fmt: skip
CASES[-1]["inputs"]["A"] = crowd
wide = normal(80, 3, 512)
product("crowded_heads", "Y[p,n] = sum[h,f] mul(A[h,p,f], B[n,h*512+f])", "hpf,nhf->pn",
        normal(3, 28, 512), wide, "p n", params=["B"])  # fmt: skip
CASES[-1]["inputs"]["B"] = wide.reshape(80, 1536)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_matches_numpy(compiled, close, name: str, threads: int) -> None:
    outputs = compiled.run(name, threads)
    for out, reference in zip(outputs, compiled.cases[name].reference, strict=True):
        close(out, reference, 2e-6)


def test_parameters_of_contractions_are_packed(compiled) -> None:
    spec = compiled.kernels["linear_7_129_33_packed"].packs[1]
    assert spec.lanes == (("n", 129),)
    assert spec.depth == (("d", 33),)
    assert not compiled.kernels["linear_33_48_200_plain"].packs


def test_text_shows_the_einsums(compiled) -> None:
    text = compiled.kernels["scores"].mlir
    assert "// Y[b,h,p,m] = sum[e] mul(A[b,h,p,e], B" in text


def test_results_do_not_depend_on_the_number_of_threads(compiled) -> None:
    for name in compiled.cases:
        for one, many in zip(compiled.run(name, 1), compiled.run(name, 4), strict=True):
            np.testing.assert_array_equal(one, many, err_msg=name)


def test_threads_at_once_do_not_disturb_each_other(compiled) -> None:
    # The last tile of p is moved back over its neighbour, and the depth is summed in several stretches.
    alone = compiled.run("long_depth", 1)[0]
    for _ in range(20):
        np.testing.assert_array_equal(compiled.run("long_depth", 2, together=True)[0], alone)
