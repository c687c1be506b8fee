"""Pointwise Einsums and reductions: rows, columns, integers, coordinates, absent points, transposes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

RNG = np.random.default_rng(1)
CASES: list[dict[str, Any]] = []


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def case(name: str, program: list[str], inputs: dict[str, np.ndarray], outputs: dict[str, Any], order: str,
         parallel: int, **more: Any) -> None:  # fmt: skip
    made = {"name": name, "program": program, "inputs": inputs, "outputs": list(outputs), "order": order}
    CASES.append({**made, "reference": list(outputs.values()), "parallel": parallel, **more})


SOFTMAX = [
    "GM[b,p] = max[m] X[b,p,m]",
    "SN[b,p,m] = exp_sub(X[b,p,m], GM[b,p])",
    "SD[b,p] = sum[m] SN[b,p,m]",
    "A[b,p,m] = div(SN[b,p,m], SD[b,p])",
]


def softmax(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


for extent in (1, 7, 129):
    x = normal(2, 21, extent)
    case(f"softmax_{extent}", SOFTMAX, {"X": x}, {"A": softmax(x)}, "b p m", 2)
x = normal(1, 5, 40)
x[0, 1, 3], x[0, 2, :], x[0, 3, :], x[0, 4, 5] = np.nan, -np.inf, 0, -np.inf
case("softmax_extremes", SOFTMAX, {"X": x}, {"A": softmax(x)}, "b p m", 2)
left = [text.replace("exp_sub", "exp_sub_left").replace("div", "div_left") for text in SOFTMAX]
masked = np.where(np.isnan(x), -np.inf, x)
calm = np.where(np.isneginf(masked).all(-1, keepdims=True), 0, softmax(masked))
case("softmax_left", left, {"X": masked}, {"A": calm}, "b p m", 2)

rows, scale, shift = normal(3, 50, 96), normal(96), normal(96)
wide = rows.astype(np.float64)
centred = wide - wide.mean(-1, keepdims=True)
case(
    "layer_norm",
    [
        "S[b,s] = sum[d] X[b,s,d]", "M[b,s] = div(S[b,s], 96.0)", "C[b,s,d] = sub(X[b,s,d], M[b,s])",
        "Q[b,s] = sum[d] square(C[b,s,d])", "V[b,s] = div(Q[b,s], 96.0)", "E[b,s] = add(V[b,s], 1e-12)",
        "R[b,s] = rsqrt(E[b,s])", "N[b,s,d] = mul(C[b,s,d], R[b,s])", "G1[b,s,d] = mul(N[b,s,d], G[d])",
        "Y[b,s,d] = add(G1[b,s,d], B[d])",
    ],
    {"X": rows, "G": scale, "B": shift},
    {"Y": centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * scale + shift},
    "b s d", 2,
)  # fmt: skip
case("columns", ["Y[d] = sum[b,s] X[b,s,d]"], {"X": rows}, {"Y": wide.sum((0, 1))}, "d b s", 1)
case("everything", ["Y[] = sum[b,s,d] X[b,s,d]"], {"X": rows}, {"Y": wide.sum()}, "b s d", 0)
case("product", ["Y[b,d] = prod[s] X[b,s,d]"], {"X": rows}, {"Y": wide.prod(1)}, "b d s", 2)
case("transpose", ["Y[d,s,b] = id(X[b,s,d])"], {"X": rows}, {"Y": rows.transpose(2, 1, 0)}, "d s b", 3)
case("heads", ["Y[b,s,h,e] = id(X[b,s,h*32+e])"], {"X": rows}, {"Y": rows.reshape(3, 50, 3, 32)},
     "b s h e", 4, shapes={"Y": (3, 50, 3, 32)})  # fmt: skip
shifted = np.zeros_like(rows)
shifted[:, 1:, 2:] = rows[:, :-1, 2:] + rows[:, 1:, :-2]
case("absent", ["Y[b,s,d] = add(X[b,s-1,d], X[b,s,d-2])"], {"X": rows}, {"Y": shifted}, "b s d", 3)

image = normal(2, 5, 19, 19)
edge = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
window = np.lib.stride_tricks.sliding_window_view(edge, (3, 3), (2, 3))[:, :, ::2, ::2]
case("max_pool", ["Y[n,c,h,w] = max[r,s] where(D[r,s], X[n,c,h*2+r-1,w*2+s-1], -inf)"],
     {"X": image, "D": np.ones((3, 3), bool)}, {"Y": window.max((4, 5))}, "n c h w", 4,
     shapes={"Y": (2, 5, 10, 10)})  # fmt: skip
case("mean_pool", ["S[n,c] = sum[h,w] X[n,c,h,w]", "M[n,c] = div(S[n,c], 361.0)"], {"X": image},
     {"M": image.astype(np.float64).mean((2, 3))}, "n c", 2)  # fmt: skip

i, j = RNG.integers(-5, 6, (4, 33)), RNG.integers(1, 5, (4, 33))
low, picked = i + j < 2, np.where(i + j < 2, i, np.arange(33))
case(
    "integers",
    [
        "A[i,j] = add(X[i,j], Y[i,j])", "C[i,j] = lt(A[i,j], 2)", "D[i,j] = where(C[i,j], X[i,j], @j)",
        "E[i] = sum[j] to_float(D[i,j])", "F[i,j] = floordiv(X[i,j], Y[i,j])", "M[i,j] = mod(X[i,j], Y[i,j])",
        "N[i] = any[j] C[i,j]", "L[i] = all[j] C[i,j]", "K[i] = max[j] X[i,j]", "T[i,j] = le(@j, @(i*8+1))",
    ],
    {"X": i, "Y": j},
    {
        "A": i + j, "C": low, "D": picked, "E": picked.sum(1), "F": i // j, "M": i % j, "N": low.any(1),
        "L": low.all(1), "K": i.max(1), "T": np.arange(33)[None] <= np.arange(4)[:, None] * 8 + 1,
    },
    "i j", 1, elements={"D": "i64", "E": "f32"}, shapes={"T": (4, 33)},
)  # fmt: skip
case("passed_through", ["Y[b,s,d] = add(X[b,s,d], 1.0)"], {"X": rows}, {"X": rows, "Y": rows + 1},
     "b s d", 3)  # fmt: skip
case("names_of_the_generator", ["add[b,s,d] = add(tid[b,s,d], 1.0)", "tile[b,s,d] = mul(add[b,s,d], 2.0)"],
     {"tid": rows}, {"tile": 2 * (rows + 1), "add": rows + 1}, "b s d", 3)  # fmt: skip
behind = 2 * rows[:, :-1] + 2 * rows[:, 1:].max(-1, keepdims=True)
case(
    "read_at_another_coordinate",
    ["T[b,s,d] = mul(X[b,s,d], 2.0)", "Y[b,s] = max[d] T[b,s,d]", "Z[b,s,d] = add(T[b,s-1,d], Y[b,s])"],
    {"X": rows}, {"Y": 2 * rows.max(-1), "Z": np.concatenate([np.zeros((3, 1, 96)), behind], 1)}, "b s d", 2,
)  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_matches_numpy(compiled, close, name: str, threads: int) -> None:
    outputs = compiled.run(name, threads)
    for out, reference in zip(outputs, compiled.cases[name].reference, strict=True):
        close(out, reference, 1e-6)
