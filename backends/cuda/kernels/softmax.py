"""The 1D side of a streamed cascade as C++: a thread's scores to weights, and its rows of the result.

A thread holds, of a tile of 16 rows by N columns (mma.sync and wgmma alike), two rows eight apart and two
neighbouring columns of every eight: ``scores[n * 4 + half * 2 + k]`` is row ``half * 8 + lane / 4``, column
``n * 8 + lane % 4 * 2 + k``. Four lanes share a row.
"""

from __future__ import annotations

from .frame import Signature
from .scores import offset_text, stride_of
from .streamed import Streamed

ELEMENT = {"f32": "float"}


def weigh_text(cascade: Streamed, signature: Signature) -> str:
    """``weigh`` and ``rescale``: scores to weights, and what was summed before corrected."""
    outer = "".join(f"int {rank}, " for rank in cascade.outer)
    ranks = "".join(f"{rank}, " for rank in cascade.outer)
    return f"""\
// Scores to weights 2^(kScale (score - largest)), row by row of a thread; `low` is its first row.
template <bool kWhole>
__device__ __forceinline__ void weigh(float (&scores)[kTile / 2], float (&largest)[2], float (&total)[2],
                                      float (&correction)[2], {outer}int low,
                                      int from{signature.declared()}) {{
  const int column = from + threadIdx.x % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {{
    const int row = min(low + half * 8, kRows - 1);
    float found = largest[half];
#pragma unroll
    for (int n = 0; n < kTile / 8; ++n)
#pragma unroll
      for (int k = 0; k < 2; ++k) {{
        float& one = scores[n * 4 + half * 2 + k];
        one = score<kWhole>(one, {ranks}row, column + n * 8 + k{signature.passed()});
        found = fmaxf(found, one);
      }}
    found = row_maximum(found);
    const float base = found == -ein::infinity() ? 0.0f : found * kScale;
    correction[half] = exp2_fast(largest[half] * kScale - base);
    largest[half] = found;
    float sum = 0.0f;
#pragma unroll
    for (int n = 0; n < kTile / 8; ++n)
#pragma unroll
      for (int k = 0; k < 2; ++k) {{
        float& one = scores[n * 4 + half * 2 + k];
        one = exp2_fast(one * kScale - base);
        sum += one;
      }}
    total[half] = total[half] * correction[half] + sum;
  }}
}}

// What was summed before the largest score moved.
template <int N>
__device__ __forceinline__ void rescale(float (&sums)[N], const float (&correction)[2]) {{
#pragma unroll
  for (int n = 0; n < N; ++n) sums[n] *= correction[n / 2 % 2];
}}

// Weights as the left operand of the product with the values: 16 keys in four registers.
__device__ __forceinline__ void pack_weights(u32 (&weights)[kTile / 16][4],
                                             const float (&scores)[kTile / 2]) {{
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k)
#pragma unroll
    for (int part = 0; part < 4; ++part)
      weights[k][part] = packed<Element>(scores[k * 8 + part * 2], scores[k * 8 + part * 2 + 1]);
}}
"""


def finish_text(cascade: Streamed, signature: Signature) -> str:
    """``store_rows``: the division by the totals, and a thread's part of the result."""
    output = cascade.output
    skip = (cascade.block, cascade.width)
    offset = offset_text(output.access, output.tensor.shape, skip=skip)
    rows, columns = (stride_of(output.access, output.tensor.shape, rank) for rank in skip)
    kind = ELEMENT.get(output.tensor.element, output.tensor.element)
    empty = "0.0f" if cascade.absent else "ein::nan()"
    outer = "".join(f", int {rank}" for rank in cascade.outer)
    unused = "".join(f"  (void){rank};" for rank in cascade.outer)
    store = (
        "store_pair(to, sums[at] * inverse, sums[at + 1] * inverse);"
        if columns == 1 and rows % 2 == 0
        else f"to[0] = Narrow<{kind}>::of(sums[at] * inverse), "
        f"to[{columns}] = Narrow<{kind}>::of(sums[at + 1] * inverse);"
    )
    return f"""\
// sums / total, rows of the result that exist; `low` is the thread's first.
template <int N>
__device__ __forceinline__ void store_rows({kind}* __restrict__ result, const float (&sums)[N],
                                           const float (&total)[2], int low{outer}) {{
{unused}
#pragma unroll
  for (int half = 0; half < 2; ++half) {{
    const float all = row_sum(total[half]);
    const float inverse = all == 0.0f ? {empty} : 1.0f / all;
    const int row = low + half * 8;
    if (row >= kRows) continue;
    {kind}* const first = result + ({offset}) + static_cast<i64>(row) * {rows};
#pragma unroll
    for (int n = 0; n < kWidth / 8; ++n) {{
      const int at = n * 4 + half * 2;
      {kind}* const to = first + (n * 8 + threadIdx.x % 4 * 2) * {columns};
      {store}
    }}
  }}
}}
"""
