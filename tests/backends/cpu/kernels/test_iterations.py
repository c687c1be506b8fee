"""One-pass attention (FuseMax Eq 39-56): generations of key tiles, ragged lengths, masks, both layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

RNG = np.random.default_rng(2)
CASES: list[dict[str, Any]] = []


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def attention(
    name: str,
    *extents: int,
    tile: int = 128,
    sequence_first: bool = True,
    causal: bool = False,
    mask: np.ndarray | None = None,
) -> None:
    b, h, p, m, e, f = extents

    def shape(length: int, deep: int) -> tuple[int, ...]:
        return (b, length, h, deep) if sequence_first else (b, h, length, deep)

    def at(tensor: str, place: str, deep: str) -> str:
        return f"{tensor}[b,{place},h,{deep}]" if sequence_first else f"{tensor}[b,h,{place},{deep}]"

    inputs = {"Q": normal(*shape(p, e)), "K": normal(*shape(m, e)), "V": normal(*shape(m, f))}
    key, last = f"m1*{tile}+m0", "BQS"
    body = [
        f"BQK[b,h,p,m0] = sum[e] mul({at('Q', 'p', 'e')}, {at('K', key, 'e')})",
        f"BQS[b,h,p,m0] = mul(BQK[b,h,p,m0], {e**-0.5})",
    ]
    if causal:
        body += [f"CM[p,m0] = le(@({key}), @p)", "BQM[b,h,p,m0] = where(CM[p,m0], BQS[b,h,p,m0], -inf)"]
        last = "BQM"
    if mask is not None:
        inputs["MASK"] = mask
        body.append(f"BQM[b,h,p,m0] = add(BQS[b,h,p,m0], MASK[b,{key}])")
        last = "BQM"
    body += [
        f"LM[b,h,p] = max[m0] {last}[b,h,p,m0]",
        "RMn[b,h,p] = max(RM[b,h,p], LM[b,h,p])",
        f"SLN[b,h,p,m0] = exp_sub_left({last}[b,h,p,m0], RMn[b,h,p])",
        "SLD[b,h,p] = sum[m0] SLN[b,h,p,m0]",
        f"SLNV[b,h,p,f] = sum[m0] mul(SLN[b,h,p,m0], {at('V', key, 'f')})",
        "PRM[b,h,p] = exp_sub_left(RM[b,h,p], RMn[b,h,p])",
        "SPD[b,h,p] = mul(RD[b,h,p], PRM[b,h,p])",
        "RDn[b,h,p] = add(SLD[b,h,p], SPD[b,h,p])",
        "SPNV[b,h,p,f] = mul(RNV[b,h,p,f], PRM[b,h,p])",
        "RNVn[b,h,p,f] = add(SLNV[b,h,p,f], SPNV[b,h,p,f])",
    ]
    carried = [("RM", "RM0", "RMn"), ("RD", "RD0", "RDn"), ("RNV", "RNV0", "RNVn")]
    loop = {"rank": "m1", "extent": m, "tile_rank": "m0", "tile": tile, "carried": carried, "body": body}
    start = {"RM0": (b, h, p), "RD0": (b, h, p), "RNV0": (b, h, p, f)}
    CASES.append(
        {
            "name": name,
            "program": [
                "RM0[b,h,p] = id(-inf)", "RD0[b,h,p] = id(0.0)", "RNV0[b,h,p,f] = id(0.0)", loop,
                f"{at('AV', 'p', 'f')} = div_left(RNV[b,h,p,f], RD[b,h,p])",
            ],
            "inputs": inputs,
            "outputs": ["AV"],
            "reference": [exact(inputs, sequence_first, causal)],
            "order": "b h p",
            "parallel": 3,
            "shapes": {**start, "BQK": (b, h, p, tile), "SLNV": (b, h, p, f), "CM": (p, tile)},
            "elements": dict.fromkeys(start, "f32"),
        }
    )  # fmt: skip


def exact(inputs: dict[str, np.ndarray], sequence_first: bool, causal: bool) -> np.ndarray:
    q, k, v = (inputs[name].astype(np.float64) for name in "QKV")
    if sequence_first:
        q, k, v = (t.transpose(0, 2, 1, 3) for t in (q, k, v))
    scores = q @ k.transpose(0, 1, 3, 2) * q.shape[-1] ** -0.5
    if causal:
        scores = np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -np.inf)
    if "MASK" in inputs:
        scores = scores + inputs["MASK"][:, None, None, :]
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = weights.sum(-1, keepdims=True)
    out = np.where(total > 0, weights / np.where(total > 0, total, 1), 0) @ v
    return out.transpose(0, 2, 1, 3) if sequence_first else out


attention("whole_tiles", 1, 2, 64, 256, 64, 64)
attention("ragged_keys", 1, 2, 129, 129, 32, 32)
attention("short", 2, 3, 7, 7, 64, 64)
attention("one_query", 1, 2, 1, 300, 128, 64)
attention("causal", 1, 2, 100, 300, 64, 32, sequence_first=False, causal=True)
forbidden = np.where(RNG.random((2, 200)) < 0.3, -np.inf, 0).astype(np.float32)
forbidden[0] = -np.inf
attention("fully_masked_rows", 2, 2, 33, 200, 32, 64, tile=64, mask=forbidden)

copied = {
    "rank": "t",
    "extent": 5,
    "tile_rank": "",
    "tile": 1,
    "carried": [("A", "A0", "B"), ("B", "B0", "C")],
    "body": ["C[i] = add(A[i], B[i])"],
}
first, second = normal(33), normal(33)
fibonacci = [first, second]
for _ in range(5):
    fibonacci.append(fibonacci[-2] + fibonacci[-1])
CASES.append(
    {
        "name": "exchange",
        "program": ["A0[i] = id(X[i])", "B0[i] = id(Y[i])", copied, "Z[i] = id(B[i])"],
        "inputs": {"X": first, "Y": second},
        "outputs": ["A", "Z"],
        "reference": fibonacci[-2:],
        "order": "i",
        "parallel": 1,
    }
)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_matches_numpy(compiled, close, name: str, threads: int) -> None:
    outputs = compiled.run(name, threads)
    for out, reference in zip(outputs, compiled.cases[name].reference, strict=True):
        close(out, reference, 1e-6)
