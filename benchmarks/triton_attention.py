"""Attention forward in Triton, after FlashAttention-2 (Dao, 2023): the yardstick a Triton user would write.

A program takes a block of queries and goes over blocks of keys with a running maximum and a running sum; the
blocks behind the diagonal are left out, those on it are masked. Imported where Triton is installed.
"""

from __future__ import annotations

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

_CONFIGS = [
    triton.Config({"ROWS": rows, "KEYS": keys}, num_warps=warps, num_stages=stages)
    for rows in (64, 128)
    for keys in (64, 128)
    for warps in (4, 8)
    for stages in (2, 3, 4)
]


@triton.jit
def _tiles(sums, largest, total, query, k_at, v_at, low, start, stop, scale, length,
           SIZE: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, MASKED: tl.constexpr):  # fmt: skip
    rows = low + tl.arange(0, ROWS)
    columns = tl.arange(0, SIZE)
    for first in tl.range(start, stop, KEYS):
        keys = first + tl.arange(0, KEYS)
        there = keys < length
        k = tl.load(k_at + keys[None, :] * SIZE + columns[:, None], mask=there[None, :], other=0.0)
        scores = tl.dot(query, k) * scale
        if MASKED:
            scores = tl.where((keys[None, :] <= rows[:, None]) & there[None, :], scores, float("-inf"))
        else:
            scores = tl.where(there[None, :], scores, float("-inf"))
        found = tl.maximum(largest, tl.max(scores, 1))
        weights = tl.math.exp2(scores - found[:, None])
        correction = tl.math.exp2(largest - found)
        total = total * correction + tl.sum(weights, 1)
        v = tl.load(v_at + keys[:, None] * SIZE + columns[None, :], mask=there[:, None], other=0.0)
        sums = tl.dot(weights.to(v.dtype), v, sums * correction[:, None])
        largest = found
    return sums, largest, total


@triton.autotune(_CONFIGS, key=["length", "SIZE", "CAUSAL"])
@triton.jit
def _attention(q_at, k_at, v_at, out_at, scale, length,
               SIZE: tl.constexpr, CAUSAL: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    low = tl.program_id(0) * ROWS
    head = tl.program_id(1).to(tl.int64) * length * SIZE
    rows, columns = low + tl.arange(0, ROWS), tl.arange(0, SIZE)
    there = rows[:, None] < length
    query = tl.load(q_at + head + rows[:, None] * SIZE + columns[None, :], mask=there, other=0.0)
    sums = tl.zeros([ROWS, SIZE], tl.float32)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    k_at, v_at = k_at + head, v_at + head
    if CAUSAL:
        below = low // KEYS * KEYS
        sums, largest, total = _tiles(sums, largest, total, query, k_at, v_at, low, 0, below, scale, length,
                                      SIZE, ROWS, KEYS, False)  # fmt: skip
        sums, largest, total = _tiles(sums, largest, total, query, k_at, v_at, low, below,
                                      tl.minimum(low + ROWS, length), scale, length,
                                      SIZE, ROWS, KEYS, True)  # fmt: skip
    else:
        sums, largest, total = _tiles(sums, largest, total, query, k_at, v_at, low, 0, length, scale, length,
                                      SIZE, ROWS, KEYS, False)  # fmt: skip
    out = (sums / total[:, None]).to(out_at.dtype.element_ty)
    tl.store(out_at + head + rows[:, None] * SIZE + columns[None, :], out, mask=there)


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """Attention over contiguous ``[batch, heads, length, size]``."""
    out = torch.empty_like(q)
    batch, heads, length, size = q.shape
    scale = size**-0.5 * 1.4426950408889634  # of scores in exponents of 2

    def grid(chosen: dict[str, int]) -> tuple[int, int]:
        return triton.cdiv(length, chosen["ROWS"]), batch * heads

    _attention[grid](  # pyright: ignore[reportIndexIssue]
        q, k, v, out, scale, length, SIZE=size, CAUSAL=causal
    )
    return out
