"""A streamed cascade on any tensor core since sm_80: ldmatrix, mma.sync, cp.async.

Four warps share a block of rows; each keeps its rows' sums, maxima and totals in registers. Keys of the
next tile are on their way while this one's are multiplied with the values, and values while scores are
computed. Scores stay in registers: the fragment they leave the first product in is the one the second
takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...cpu.kernels.group import Group
from ..kernel import Kernel, Launch
from .frame import Signature, blocks, heading, launches, outer_count, outer_lines, sign
from .live import block_text, range_text, whole_text
from .scores import offset_text, score_text, stride_of
from .softmax import finish_text, weigh_text
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
        name, source, "sm_80",
        (blocks(cascade, cut.rows) * outer_count(cascade), 1, 1), (32 * _WARPS, 1, 1), shared,
        tuple(signature.buffer(tensor) for tensor in signature.names), cascade.texts,
        f"{cut.rows} rows by tiles of {cut.keys}, mma.sync, scores in registers",
    )  # fmt: skip
    return launches(group, cascade, kernel, signature.names)


def _pitch(extent: int) -> int:
    """Bytes of a row in shared memory: pieces of 16 bytes change places in eights."""
    return -(-extent // 64) * 128


def _source(cascade: Streamed, signature: Signature, name: str, cut: Cut) -> str:
    extents = cascade.extents
    key, block = cascade.key, cascade.block
    constants = {
        "kRows": extents[block], "kKeys": extents[key], "kDepth": extents[cascade.depth],
        "kWidth": extents[cascade.width], "kBlock": cut.rows,
        "kBlocks": blocks(cascade, cut.rows), "kTile": cut.keys, "kFragments": cut.fragments,
    }  # fmt: skip
    rank_list = "".join(f"{rank}, " for rank in cascade.outer)
    tile = block_text(cascade)
    extra = {tensor: signature.names[tensor] for tensor in signature.extra}
    weigh = f"scores[i], largest[i], total[i], correction, {rank_list}row + i * 16, from{signature.passed()}"
    result = signature.names[cascade.output.tensor]
    after = "".join(f", {rank}" for rank in cascade.outer)
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
        weigh_text(cascade, signature),
        finish_text(cascade, signature),
        f'extern "C" __global__ void __launch_bounds__({32 * _WARPS})',
        f"{name}({signature.parameters()}) {{",
        "  extern __shared__ __align__(128) u8 shared[];",
        "  const int warp = threadIdx.x / 32;",
        f"  const int low = ({tile}) * kBlock, high = min(low + kBlock, kRows) - 1;",
        *outer_lines(cascade, "static_cast<int>(blockIdx.x) / kBlocks"),
        *(_pointer(read, rank, label, signature) for read, rank, label in _operands(cascade)),
        "  const u32 query_tile = shared_address(shared);",
        "  const u32 key_tile = query_tile + kBlock * pitch(kDepth);",
        "  const u32 value_tile = key_tile + kTile * pitch(kDepth);",
        "  int first, end;",
        f"  live_tiles<kKeys, kTile>({rank_list}low, high, first, end);",
        "",
        "  float sums[kFragments][kWidth / 2] = {};",
        "  float largest[kFragments][2], total[kFragments][2];",
        "  for (int i = 0; i < kFragments; ++i)",
        "    for (int half = 0; half < 2; ++half) {",
        "      largest[i][half] = -ein::infinity();",
        "      total[i][half] = 0.0f;",
        "    }",
        "  const int row = low + warp * kFragments * 16 + threadIdx.x % 32 / 4;",
        f"  load_rows<kDepth, kBlock>(query_tile, query_at, kRows - low, {_stride(cascade.query, block)});",
        *_load(cascade.keys, key, "key", "first", "  "),
        "  commit_copies();",
        "  for (int tile = first; tile < end; ++tile) {",
        "    wait_copies<0>();",
        "    __syncthreads();  // keys are there, and nobody reads the values of the tile before",
        *_load(cascade.values, key, "value", "tile", "    "),
        "    commit_copies();",
        "    float scores[kFragments][kTile / 2] = {};",
        "    multiply_rows(scores, query_tile + warp * kFragments * 16 * pitch(kDepth), key_tile);",
        "    const int from = tile * kTile;",
        f"    const bool whole = all_live<kKeys>({rank_list}low, high, from, from + kTile - 1);",
        "    u32 weights[kFragments][kTile / 16][4];",
        "#pragma unroll",
        "    for (int i = 0; i < kFragments; ++i) {",
        "      float correction[2];",
        "      if (whole)",
        f"        weigh<true>({weigh});",
        "      else",
        f"        weigh<false>({weigh});",
        "      rescale(sums[i], correction);",
        "      pack_weights(weights[i], scores[i]);",
        "    }",
        "    wait_copies<0>();",
        "    __syncthreads();  // values are there, and nobody reads the keys any more",
        "    if (tile + 1 < end)",
        *_load(cascade.keys, key, "key", "(tile + 1)", "      "),
        "    commit_copies();",
        "    multiply_weights(sums, weights, value_tile);",
        "  }",
        "  wait_copies<0>();",
        "#pragma unroll",
        "  for (int i = 0; i < kFragments; ++i)",
        f"    store_rows({result}, sums[i], total[i], row + i * 16{after});",
        "}",
        "",
    ]
    return "\n".join(lines)


def _operands(cascade: Streamed) -> tuple[tuple[Read, str, str], ...]:
    return (
        (cascade.query, cascade.block, "query"),
        (cascade.keys, cascade.key, "key"),
        (cascade.values, cascade.key, "value"),
    )


def _load(read: Read, rank: str, label: str, tile: str, indent: str) -> list[str]:
    stride = _stride(read, rank)
    extent = "kDepth" if label == "key" else "kWidth"
    return [
        f"{indent}load_rows<{extent}, kTile>(",
        f"{indent}    {label}_tile, {label}_at + static_cast<i64>({tile}) * kTile * {stride},",
        f"{indent}    kKeys - {tile} * kTile, {stride});",
    ]


def _stride(read: Read, rank: str) -> int:
    return stride_of(read.access, read.tensor.shape, rank)


def _pointer(read: Read, rank: str, label: str, signature: Signature) -> str:
    last = read.access.index[-1].plain
    skipped = [rank, last] if last is not None else [rank]
    offset = offset_text(read.access, read.tensor.shape, skip=skipped)
    start = f" + static_cast<i64>(low) * {_stride(read, rank)}" if label == "query" else ""
    return f"  const Element* const {label}_at = {signature.names[read.tensor]} + ({offset}){start};"


_LOAD = """\
// Bytes of a row in shared memory, and where one of its 16-byte pieces lies: they change places with the row.
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
// A thread's four sums of eight columns.
template <int N>
__device__ __forceinline__ float (&eighth(float (&sums)[N], int n))[4] {
  return *reinterpret_cast<float(*)[4]>(&sums[n * 4]);
}

// scores[row, key] += query[row, depth] keys[key, depth]
__device__ __forceinline__ void multiply_rows(float (&scores)[kFragments][kTile / 2], u32 query_tile,
                                              u32 key_tile) {
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
      const int key = n * 16 + lane % 8 + lane / 16 * 8;
      load_matrices(right, piece_at(key_tile, kDepth, key, k * 2 + lane / 8 % 2));
#pragma unroll
      for (int i = 0; i < kFragments; ++i) {
        multiply_add<Element>(eighth(scores[i], 2 * n), left[i], right[0], right[1]);
        multiply_add<Element>(eighth(scores[i], 2 * n + 1), left[i], right[2], right[3]);
      }
    }
  }
}

// sums[row, width] += weights[row, key] values[key, width]
__device__ __forceinline__ void multiply_weights(float (&sums)[kFragments][kWidth / 2],
                                                 const u32 (&weights)[kFragments][kTile / 16][4],
                                                 u32 value_tile) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k)
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      u32 right[4];
      load_matrices_transposed(right, piece_at(value_tile, kWidth, k * 16 + lane % 16, n * 2 + lane / 16));
#pragma unroll
      for (int i = 0; i < kFragments; ++i) {
        multiply_add<Element>(eighth(sums[i], 2 * n), weights[i][k], right[0], right[1]);
        multiply_add<Element>(eighth(sums[i], 2 * n + 1), weights[i][k], right[2], right[3]);
      }
    }
}
"""
