"""A streamed cascade on any tensor core since sm_80: ldmatrix, mma.sync, cp.async.

Four warps share a block of rows; each keeps its rows' sums, maxima and totals in registers. Keys of the next tile
are on their way while this one's are multiplied with the values, and values while scores are computed. Scores stay in
registers: the fragment they leave the first product in is the one the second takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...cpu.kernels.group import Group
from ..kernel import Kernel, Launch
from .frame import Signature, blocks, heading, launches, outer_count, outer_lines, sign
from .live import grows_with_rows, range_text, whole_text
from .scores import offset_text, score_text, stride_of
from .streamed import Read, Streamed, read_streamed

_WARPS = 4


@dataclass(frozen=True)
class Cut:
    """Tile sizes: 16-row fragments of a warp, and keys of a tile."""

    fragments: int
    keys: int

    @property
    def rows(self) -> int:
        """Rows of a block."""
        return self.fragments * 16 * _WARPS


def cut_for(depth: int, width: int) -> Cut:
    """Tiles whose sums fit the registers of a thread."""
    return Cut(1, 64 if max(depth, width) <= 128 else 32)


def stream_sync(group: Group, name: str, cut: Cut | None = None) -> tuple[Launch, ...]:
    """Launches that carry out a group.

    Raises:
        PassError: the group has another form, or operands the tensor cores do not take.
    """
    cascade = read_streamed(group)
    signature = sign(cascade)
    extents = cascade.extents
    cut = cut or cut_for(extents[cascade.depth], extents[cascade.width])
    source = _source(cascade, signature, name, cut)
    pitch_depth, pitch_width = (_pitch(extents[rank]) for rank in (cascade.depth, cascade.width))
    shared = (cut.rows + cut.keys) * pitch_depth + cut.keys * pitch_width
    kernel = Kernel(
        name, source, "sm_80", (blocks(cascade, cut.rows), outer_count(cascade), 1), (32 * _WARPS, 1, 1), shared,
        tuple(signature.buffer(tensor) for tensor in signature.names), cascade.texts,
        f"{cut.rows} rows by tiles of {cut.keys}, mma.sync, scores in registers",
    )  # fmt: skip
    return launches(group, cascade, kernel, signature.names)


def _pitch(extent: int) -> int:
    """Bytes of a row in shared memory: pieces of 16 bytes change places in eights."""
    return -(-extent // 64) * 128


def _source(cascade: Streamed, signature: Signature, name: str, cut: Cut) -> str:
    extents = cascade.extents
    rows, key, block = cascade.rows, cascade.key, cascade.block
    constants = {
        "kRows": extents[block], "kKeys": extents[key], "kDepth": extents[cascade.depth],
        "kWidth": extents[cascade.width], "kBlock": cut.rows, "kTile": cut.keys, "kFragments": cut.fragments,
    }  # fmt: skip
    rank_list = "".join(f"{rank}, " for rank in cascade.outer)
    tile = "gridDim.x - 1 - blockIdx.x" if grows_with_rows(cascade) else "blockIdx.x"
    extra = {tensor: signature.names[tensor] for tensor in signature.extra}
    lines = [
        *heading(cascade),
        *(f'#include "{header}.cuh"' for header in ("async_copy", "operators", "warp")),
        "",
        f"using Element = {signature.element};",
        *(f"constexpr int {constant} = {value};" for constant, value in constants.items()),
        f"constexpr float kScale = {cascade.factor!r}f * kLog2E;  // of scores in exponents of 2",
        "",
        *score_text(cascade, extra),
        "",
        *range_text(cascade),
        "",
        *whole_text(cascade),
        "",
        _LOAD,
        _PRODUCTS,
        _softmax(cascade, signature),
        f'extern "C" __global__ void __launch_bounds__({32 * _WARPS})',
        f"{name}({signature.parameters()}) {{",
        "  extern __shared__ __align__(128) u8 shared[];",
        "  const int warp = threadIdx.x / 32;",
        f"  const int low = ({tile}) * kBlock, high = min(low + kBlock, kRows) - 1;",
        *outer_lines(cascade, "static_cast<int>(blockIdx.y)"),
        *(_pointer(read, rank, label, signature) for read, rank, label in _operands(cascade)),
        "  const u32 query_tile = shared_address(shared);",
        "  const u32 key_tile = query_tile + kBlock * pitch(kDepth), value_tile = key_tile + kTile * pitch(kDepth);",
        "  int first, end;",
        f"  live_tiles<kKeys, kTile>({rank_list}low, high, first, end);",
        "",
        "  float sums[kFragments][kWidth / 8][4] = {};",
        "  float largest[kFragments][2], total[kFragments][2];",
        "  for (int i = 0; i < kFragments; ++i)",
        "    for (int half = 0; half < 2; ++half) largest[i][half] = -ein::infinity(), total[i][half] = 0.0f;",
        f"  load_rows<kDepth, kBlock>(query_tile, query_at, kRows - low, {_stride(cascade.query, block)});",
        f"  load_rows<kDepth, kTile>(key_tile, key_at + static_cast<i64>(first) * kTile * {_stride(cascade.keys, key)}, kKeys - first * kTile, {_stride(cascade.keys, key)});",
        "  commit_copies();",
        "  for (int tile = first; tile < end; ++tile) {",
        "    wait_copies<0>();",
        "    __syncthreads();  // keys are there, and nobody reads the values of the tile before",
        f"    load_rows<kWidth, kTile>(value_tile, value_at + static_cast<i64>(tile) * kTile * {_stride(cascade.values, key)}, kKeys - tile * kTile, {_stride(cascade.values, key)});",
        "    commit_copies();",
        "    float scores[kFragments][kTile / 8][4] = {};",
        "    multiply_rows(scores, query_tile + warp * kFragments * 16 * pitch(kDepth), key_tile);",
        "    const int from = tile * kTile;",
        f"    if (all_live<kKeys>({rank_list}low, high, from, from + kTile - 1))",
        f"      weigh<true>(scores, sums, largest, total, {rank_list}low + warp * kFragments * 16, from{signature.passed()});",
        "    else",
        f"      weigh<false>(scores, sums, largest, total, {rank_list}low + warp * kFragments * 16, from{signature.passed()});",
        "    wait_copies<0>();",
        "    __syncthreads();  // values are there, and nobody reads the keys any more",
        "    if (tile + 1 < end)",
        f"      load_rows<kDepth, kTile>(key_tile, key_at + static_cast<i64>(tile + 1) * kTile * {_stride(cascade.keys, key)}, kKeys - (tile + 1) * kTile, {_stride(cascade.keys, key)});",
        "    commit_copies();",
        "    multiply_weights(sums, scores, value_tile);",
        "  }",
        "  wait_copies<0>();",
        *_epilogue(cascade, signature),
        "}",
        "",
    ]
    del rows
    return "\n".join(lines)


def _operands(cascade: Streamed) -> tuple[tuple[Read, str, str], ...]:
    return (
        (cascade.query, cascade.block, "query"),
        (cascade.keys, cascade.key, "key"),
        (cascade.values, cascade.key, "value"),
    )


def _stride(read: Read, rank: str) -> int:
    return stride_of(read.access, read.tensor.shape, rank)


def _pointer(read: Read, rank: str, label: str, signature: Signature) -> str:
    last = read.access.index[-1].plain
    skipped = [rank, last] if last is not None else [rank]
    offset = offset_text(read.access, read.tensor.shape, skip=skipped)
    start = f" + static_cast<i64>(low) * {_stride(read, rank)}" if label == "query" else ""
    return f"  const Element* const {label}_at = {signature.names[read.tensor]} + ({offset}){start};"


_LOAD = """\
// Bytes of a row in shared memory, and where one of its 16-byte pieces lies: pieces change places with the row.
__device__ constexpr u32 pitch(int extent) { return (extent + 63) / 64 * 128; }
__device__ __forceinline__ u32 piece_at(u32 tile, int extent, int row, int piece) {
  return tile + row * pitch(extent) + ((piece ^ (row & 7)) << 4);
}

// A tile of rows on its way to shared memory; those behind the last are zero.
template <int kExtent, int kCount>
__device__ __forceinline__ void load_rows(u32 tile, const Element* from, int present, i64 stride) {
  constexpr int kPieces = kExtent / 8;
#pragma unroll
  for (int k = threadIdx.x; k < kCount * kPieces; k += 128) {
    const int row = k / kPieces, piece = k % kPieces;
    copy_async(piece_at(tile, kExtent, row, piece), from + row * stride + piece * 8, row < present);
  }
}
"""

_PRODUCTS = """\
// scores[row, key] += query[row, depth] keys[key, depth]
__device__ __forceinline__ void multiply_rows(float (&scores)[kFragments][kTile / 8][4], u32 query_tile, u32 key_tile) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < kDepth / 16; ++k) {
    u32 left[kFragments][4];
#pragma unroll
    for (int i = 0; i < kFragments; ++i)
      load_matrices(left[i], piece_at(query_tile, kDepth, i * 16 + lane % 16, k * 2 + lane / 16));
#pragma unroll
    for (int n = 0; n < kTile / 16; ++n) {
      u32 right[4];
      load_matrices(right, piece_at(key_tile, kDepth, n * 16 + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2));
#pragma unroll
      for (int i = 0; i < kFragments; ++i) {
        multiply_add<Element>(scores[i][2 * n], left[i], right[0], right[1]);
        multiply_add<Element>(scores[i][2 * n + 1], left[i], right[2], right[3]);
      }
    }
  }
}

// sums[row, width] += weights[row, key] values[key, width]; the weights stay in the registers of the scores.
__device__ __forceinline__ void multiply_weights(float (&sums)[kFragments][kWidth / 8][4],
                                                 const float (&weights)[kFragments][kTile / 8][4], u32 value_tile) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k) {
    u32 left[kFragments][4];
#pragma unroll
    for (int i = 0; i < kFragments; ++i)
#pragma unroll
      for (int part = 0; part < 4; ++part) {
        const float* pair = &weights[i][2 * k + part / 2][part % 2 * 2];
        left[i][part] = packed<Element>(pair[0], pair[1]);
      }
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      u32 right[4];
      load_matrices_transposed(right, piece_at(value_tile, kWidth, k * 16 + lane % 16, n * 2 + lane / 16));
#pragma unroll
      for (int i = 0; i < kFragments; ++i) {
        multiply_add<Element>(sums[i][2 * n], left[i], right[0], right[1]);
        multiply_add<Element>(sums[i][2 * n + 1], left[i], right[2], right[3]);
      }
    }
  }
}
"""


def _softmax(cascade: Streamed, signature: Signature) -> str:
    """``weigh``: scores to weights, with the running maximum, total and sums corrected."""
    outer = "".join(f"int {rank}, " for rank in cascade.outer)
    given = "".join(
        f", {declared}" for declared in signature.parameters(
            [t for t in signature.names if t not in signature.extra]
        ).split(", ") if declared
    )  # fmt: skip
    ranks = "".join(f"{rank}, " for rank in cascade.outer)
    return f"""\
// Scores to weights 2^(kScale (score - largest)); what was summed before is corrected when the largest moves.
template <bool kWhole>
__device__ __forceinline__ void weigh(float (&scores)[kFragments][kTile / 8][4], float (&sums)[kFragments][kWidth / 8][4],
                                      float (&largest)[kFragments][2], float (&total)[kFragments][2], {outer}int low,
                                      int from{given}) {{
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kFragments; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {{
      const int row = min(low + i * 16 + half * 8 + lane / 4, kRows - 1);
      float found = largest[i][half];
#pragma unroll
      for (int n = 0; n < kTile / 8; ++n)
#pragma unroll
        for (int k = 0; k < 2; ++k) {{
          float& one = scores[i][n][half * 2 + k];
          one = score<kWhole>(one, {ranks}row, from + n * 8 + lane % 4 * 2 + k{signature.passed()});
          found = fmaxf(found, one);
        }}
      found = row_maximum(found);
      const float base = found == -ein::infinity() ? 0.0f : found * kScale;
      const float correction = exp2_fast(largest[i][half] * kScale - base);
      largest[i][half] = found;
      float sum = 0.0f;
#pragma unroll
      for (int n = 0; n < kTile / 8; ++n)
#pragma unroll
        for (int k = 0; k < 2; ++k) {{
          float& one = scores[i][n][half * 2 + k];
          one = exp2_fast(one * kScale - base);
          sum += one;
        }}
      total[i][half] = total[i][half] * correction + sum;
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n)
#pragma unroll
        for (int k = 0; k < 2; ++k) sums[i][n][half * 2 + k] *= correction;
    }}
}}
"""


def _epilogue(cascade: Streamed, signature: Signature) -> list[str]:
    """The division, and the result's rows."""
    output = cascade.output
    width = output.access.index
    del width
    skip = (cascade.block, cascade.width)
    offset = offset_text(output.access, output.tensor.shape, skip=skip)
    rows, columns = (stride_of(output.access, output.tensor.shape, rank) for rank in skip)
    element = {"f32": "float"}.get(output.tensor.element, output.tensor.element)
    empty = "0.0f" if cascade.absent else "ein::nan()"
    return [
        "  const int lane = threadIdx.x % 32;",
        f"  {element}* const out = {signature.names[output.tensor]} + ({offset});",
        "#pragma unroll",
        "  for (int i = 0; i < kFragments; ++i)",
        "#pragma unroll",
        "    for (int half = 0; half < 2; ++half) {",
        "      const float all = row_sum(total[i][half]);",
        f"      const float inverse = all == 0.0f ? {empty} : 1.0f / all;",
        "      const int row = low + (warp * kFragments + i) * 16 + half * 8 + lane / 4;",
        "      if (row >= kRows) continue;",
        "#pragma unroll",
        "      for (int n = 0; n < kWidth / 8; ++n)",
        "#pragma unroll",
        "        for (int k = 0; k < 2; ++k)",
        f"          out[static_cast<i64>(row) * {rows} + (n * 8 + lane % 4 * 2 + k) * {columns}] =",
        f"              Narrow<{element}>::of(sums[i][n][half * 2 + k] * inverse);",
        "    }",
    ]
