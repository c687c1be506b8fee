"""The roles of warpgroups in Hopper's kernel as C++: where things lie, who copies them, who multiplies."""

from __future__ import annotations

from ..codegen.text import index_text
from .frame import Signature
from .softmax import ELEMENT
from .streamed import Read, Streamed


def _coordinates(read: Read, column: str, rank: str, start: str) -> str:
    """Where a box begins, innermost first."""
    texts = []
    for axis, index in enumerate(read.access.index):
        if axis == len(read.access.index) - 1:
            texts.append(column)
        elif index.plain == rank:
            texts.append(start)
        else:
            texts.append(index_text(index))
    return ", ".join(reversed(texts))


LAYOUT = """\
// Shared memory: queries, stages of keys, stages of values, barriers. Every 64 columns of a matrix lie
// together, in rows of 128 bytes, swizzled by TMA.
__device__ constexpr u32 padded(int extent) { return (extent + 63) / 64 * 128; }  // bytes of a row
constexpr u32 kQueryBytes = kBlock * padded(kDepth), kKeyBytes = kTile * padded(kDepth);
constexpr u32 kValueBytes = kTile * padded(kWidth);
struct Places {
  u32 start;
  __device__ __forceinline__ u32 query() const { return start; }
  __device__ __forceinline__ u32 keys(int stage) const { return start + kQueryBytes + stage * kKeyBytes; }
  __device__ __forceinline__ u32 values(int stage) const { return keys(kStages) + stage * kValueBytes; }
  __device__ __forceinline__ u32 barriers() const { return values(kStages); }
  __device__ __forceinline__ u32 query_full() const { return barriers(); }
  __device__ __forceinline__ u32 keys_full(int stage) const { return barriers() + 8 + stage * 8; }
  __device__ __forceinline__ u32 keys_free(int stage) const { return keys_full(kStages) + stage * 8; }
  __device__ __forceinline__ u32 values_full(int stage) const { return keys_free(kStages) + stage * 8; }
  __device__ __forceinline__ u32 values_free(int stage) const { return values_full(kStages) + stage * 8; }
};

// The stage of a tile, and the parity of the round it is used in.
__device__ __forceinline__ int stage_of(int count) { return count % kStages; }
__device__ __forceinline__ u32 round_of(int count) { return count / kStages & 1; }
"""

PRODUCTS = """\
// scores[row, key] = sum[depth] query[row, depth] keys[key, depth], on its way
__device__ __forceinline__ void start_scores(float (&scores)[kTile / 2], u32 query, u32 keys) {
  hold(scores);
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < kDepth / 16; ++k) {
    const u64 left = matrix_descriptor(query + k / 4 * kBlock * 128 + k % 4 * 32, 16, 1024);
    const u64 right = matrix_descriptor(keys + k / 4 * kTile * 128 + k % 4 * 32, 16, 1024);
    wgmma_shared<Element, false>(scores, left, right, k > 0);
  }
  wgmma_commit();
}

// sums[row, width] += sum[key] weights[row, key] values[key, width], on its way; columns behind width are 0
__device__ __forceinline__ void start_values(float (&sums)[kColumns / 2], u32 (&weights)[kTile / 16][4],
                                             u32 values) {
  hold(sums);
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k) hold(weights[k]);
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k)
    wgmma_registers<Element, true>(
        sums, weights[k], matrix_descriptor(values + k * 2048, kTile * 128, 1024), true);
  wgmma_commit();
}

// One arrival a warp: its products have read what the barrier guards.
__device__ __forceinline__ void give_back(u32 barrier) {
  if (threadIdx.x % 32 == 0) mbarrier_arrive(barrier);
}
"""


def produce_text(cascade: Streamed) -> str:
    """The thread that starts copies."""
    outer = "".join(f", int {rank}" for rank in cascade.outer)
    unused = "".join(f"  (void){rank};" for rank in cascade.outer)
    query = _coordinates(cascade.query, "column", cascade.block, "low")
    keys = _coordinates(cascade.keys, "column", cascade.key, "tile * kTile")
    values = _coordinates(cascade.values, "column", cascade.key, "tile * kTile")
    return f"""\
__device__ __forceinline__ void load_keys(const CUtensorMap& key_map, Places at, int count,
                                          int tile{outer}) {{
{unused}
  const int stage = stage_of(count);
  mbarrier_wait(at.keys_free(stage), round_of(count) ^ 1);
  mbarrier_expect(at.keys_full(stage), kKeyBytes);
#pragma unroll
  for (int column = 0; column < kDepth; column += 64)
    tma_load(at.keys(stage) + column * kTile * 2, key_map, at.keys_full(stage), {keys});
}}

__device__ __forceinline__ void load_values(const CUtensorMap& value_map, Places at, int count,
                                            int tile{outer}) {{
{unused}
  const int stage = stage_of(count);
  mbarrier_wait(at.values_free(stage), round_of(count) ^ 1);
  mbarrier_expect(at.values_full(stage), kValueBytes);
#pragma unroll
  for (int column = 0; column < kWidth; column += 64)
    tma_load(at.values(stage) + column * kTile * 2, value_map, at.values_full(stage), {values});
}}

__device__ __forceinline__ void load_query(const CUtensorMap& query_map, Places at, int low{outer}) {{
{unused}
  mbarrier_expect(at.query_full(), kQueryBytes);
#pragma unroll
  for (int column = 0; column < kDepth; column += 64)
    tma_load(at.query() + column * kBlock * 2, query_map, at.query_full(), {query});
}}
"""


def consume_text(cascade: Streamed, signature: Signature) -> str:
    """The warpgroup that multiplies: its 64 rows against every tile."""
    outer = "".join(f", int {rank}" for rank in cascade.outer)
    ranks = "".join(f"{rank}, " for rank in cascade.outer)
    after = "".join(f", {rank}" for rank in cascade.outer)
    output = cascade.output.tensor
    kind = ELEMENT.get(output.element, output.element)
    given = f"scores, largest, total, correction, {ranks}row, tile * kTile{signature.passed()}"
    softmax = f"""\
    if (all_live<kKeys>({ranks}low, low + 63, tile * kTile, tile * kTile + kTile - 1))
      weigh<true>({given});
    else
      weigh<false>({given});"""
    first = softmax.replace("\n    ", "\n  ").removeprefix("  ")
    return f"""\
// The tensor cores go round: a warpgroup waits for its turn, and passes it on when its products are on their
// way.
__device__ __forceinline__ void take_turn(int consumer) {{ barrier_sync(1 + consumer, 256); }}
__device__ __forceinline__ void pass_turn(int consumer) {{
  barrier_arrive(1 + (consumer + 1) % kConsumers, 256);
}}

__device__ __forceinline__ void consume(Places at, int consumer, int low, int first,
                                        int end{outer}{signature.declared()},
                                        {kind}* __restrict__ result) {{
  const int thread = threadIdx.x % 128, count = end - first, row = low + thread / 32 * 16 + thread % 32 / 4;
  const u32 query = at.query() + consumer * 64 * 128;
  float sums[kColumns / 2] = {{}}, largest[2] = {{-ein::infinity(), -ein::infinity()}}, total[2] = {{}};
  float scores[kTile / 2], correction[2];
  u32 weights[kTile / 16][4];
  if (count > 0) {{
    int tile = first;
    mbarrier_wait(at.query_full(), 0);
    mbarrier_wait(at.keys_full(0), 0);
    if (consumer > 0) take_turn(consumer);
    start_scores(scores, query, at.keys(0));
    if (consumer < kConsumers - 1 || count > 1) pass_turn(consumer);
    wgmma_wait<0>();
    hold(scores);
    give_back(at.keys_free(0));
{first}
    pack_weights(weights, scores);
#pragma unroll 1
    for (int done = 1; done < count; ++done) {{
      ++tile;
      const int stage = stage_of(done), before = stage_of(done - 1);
      mbarrier_wait(at.keys_full(stage), round_of(done));
      take_turn(consumer);
      start_scores(scores, query, at.keys(stage));
      mbarrier_wait(at.values_full(before), round_of(done - 1));
      start_values(sums, weights, at.values(before));
      if (consumer < kConsumers - 1 || done + 1 < count) pass_turn(consumer);
      wgmma_wait<1>();
      hold(scores);
      give_back(at.keys_free(stage));
{softmax.replace(chr(10), chr(10) + "  ").replace("    if (all", "      if (all", 1)}
      wgmma_wait<0>();
      hold(sums);
      give_back(at.values_free(before));
      rescale(sums, correction);
      pack_weights(weights, scores);
    }}
    const int last = stage_of(count - 1);
    mbarrier_wait(at.values_full(last), round_of(count - 1));
    start_values(sums, weights, at.values(last));
    wgmma_wait<0>();
    hold(sums);
  }}
  store_rows(result, sums, total, row{after});
}}
"""
