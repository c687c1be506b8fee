// Blocks of products with BitMoD weights for many tokens: cp.async, ldmatrix, mma.sync (sm_80 and later).
//
// Codes go from memory into the registers of the warp that multiplies them, as they lie: they are stored in the order
// of mma.sync's left operand. Tokens come as halves (bitmod_halves.cuh), a group of 128 at a time, into shared memory.
#pragma once
#include "async_copy.cuh"
#include "bitmod.cuh"

namespace bitmod {

constexpr int kPieces = kGroup / 8;      // 16-byte pieces of a column of a group
constexpr int kColumnBytes = kGroup * 2;

// Where a piece of a column lies: pieces change places with the column, so that eight columns meet no bank twice.
__device__ __forceinline__ u32 piece_at(u32 tile, int column, int piece) {
    return tile + column * kColumnBytes + ((piece ^ (column & 7)) << 4);
}

// Codes and marks of a warp's rows, the next group's on their way while one is multiplied.
template <int kBits, int kRowBlocks>
struct Ahead {
    Codes<kBits> codes[kRowBlocks];
    Marks marks[kRowBlocks];

    // `block`: of 16 rows, the first; those behind `blocks` are read as the last.
    __device__ __forceinline__ void fetch(const u32* all_codes, const u32* all_marks, int block, int blocks,
                                          int groups, int group) {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int r = 0; r < kRowBlocks; ++r) {
            const long long at = static_cast<long long>(min(block + r, blocks - 1)) * groups + group;
            codes[r].load(all_codes + at * Codes<kBits>::kWords, lane);
            marks[r].word = all_marks[at * 8 + lane / 4];
        }
    }
};

// A group's sums, times its scales, added to the totals; of a fragment's four the last two are eight rows below.
template <int N>
__device__ __forceinline__ void add_scaled(float (&total)[N], const float (&sums)[N], Marks marks) {
    const float scale = marks.scale(), below = marks.scale_below();
#pragma unroll
    for (int i = 0; i < N; ++i) total[i] += (i % 4 < 2 ? scale : below) * sums[i];
}

// A thread's totals of 16 rows and N / 4 fragments, laid out as [token][row]; the parts of a number come together.
template <int kParts, int kPitch, int N>
__device__ __forceinline__ void lay_fragments(float* results, const float (&total)[N], int row_first, int column_first) {
    const int lane = threadIdx.x % 32;
    constexpr int kEach = 2 / kParts;  // tokens in two columns
#pragma unroll
    for (int f = 0; f < N / 4; ++f)
#pragma unroll
        for (int half = 0; half < 2; ++half)
#pragma unroll
            for (int i = 0; i < kEach; ++i) {
                const int token = (column_first + f * 8 + lane % 4 * 2) / kParts + i;
                const float sum = kParts == 2 ? total[f * 4 + half * 2] + total[f * 4 + half * 2 + 1]
                                              : total[f * 4 + half * 2 + i];
                results[token * kPitch + row_first + half * 8 + lane / 4] = sum;
            }
}

// Floats from one token to the next, so that a warp that lays fragments out meets no bank twice.
__host__ __device__ constexpr int pitch(int rows, int parts) { return rows + 4 * parts; }

// A block's tile: kDown x kAcross warps, each 16 * kRowBlocks rows by kColumns / kAcross columns of halves.
template <int kBits, int kParts, int kColumns, int kDown, int kAcross, int kRowBlocks, int kStages>
struct Tile {
    static constexpr int kThreads = 32 * kDown * kAcross, kRows = 16 * kRowBlocks * kDown;
    static constexpr int kWarpColumns = kColumns / kAcross, kFragments = kWarpColumns / 8;
    static constexpr int kStageBytes = kColumns * kColumnBytes, kPitch = pitch(kRows, kParts);

    // Sums as [token][row], kPitch floats from one token to the next, in shared memory.
    __device__ __forceinline__ static const float* run(unsigned char* shared, const u32* codes, const u32* marks,
                                                       int groups, int row_block, int row_blocks,
                                                       const f16* halves, int column_first, int columns) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int own_block = row_block + warp / kAcross * kRowBlocks, own_column = warp % kAcross * kWarpColumns;
        const u32 tiles = shared_address(shared);
        auto fill = [&](int group) {
            const int piece = threadIdx.x % kPieces;
            const u32 tile = tiles + group % kStages * kStageBytes;
#pragma unroll
            for (int i = 0; i < kColumns * kPieces / kThreads; ++i) {
                const int column = threadIdx.x / kPieces + i * (kThreads / kPieces);
                const bool present = column_first + column < columns;
                const long long at = (static_cast<long long>(column_first + column) * groups + group) * kGroup;
                copy_async(piece_at(tile, column, piece), present ? halves + at + piece * 8 : halves, present);
            }
        };
        float total[kRowBlocks][kFragments * 4] = {};
        Ahead<kBits, kRowBlocks> next;
        next.fetch(codes, marks, own_block, row_blocks, groups, 0);
#pragma unroll
        for (int group = 0; group < kStages - 1; ++group) {
            if (group < groups) fill(group);
            commit_copies();
        }
#pragma unroll 1
        for (int group = 0; group < groups; ++group) {
            const Ahead<kBits, kRowBlocks> own = next;
            if (group + 1 < groups) next.fetch(codes, marks, own_block, row_blocks, groups, group + 1);
            wait_copies<kStages - 2>();
            __syncthreads();  // this group is there, and nobody reads the one before it any more
            if (group + kStages - 1 < groups) fill(group + kStages - 1);
            commit_copies();
            const u32 tile = tiles + group % kStages * kStageBytes;
            const int reader = opaque(lane);  // addresses are made anew in every round, not kept in registers
            float sums[kRowBlocks][kFragments * 4] = {};
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
                u32 a[kRowBlocks][4];
#pragma unroll
                for (int r = 0; r < kRowBlocks; ++r)
                    own.codes[r].step(step, own.marks[r].special(), own.marks[r].special_below(), a[r]);
#pragma unroll
                for (int f = 0; f < kFragments; f += 2) {
                    u32 b[4];
                    const int column = own_column + f * 8 + reader % 8 + reader / 16 * 8;
                    load_matrices(b, piece_at(tile, column, step * 2 + reader / 8 % 2));
#pragma unroll
                    for (int r = 0; r < kRowBlocks; ++r) {
                        multiply_add<f16>(fragment(sums[r], f), a[r], b[0], b[1]);
                        multiply_add<f16>(fragment(sums[r], f + 1), a[r], b[2], b[3]);
                    }
                }
            }
#pragma unroll
            for (int r = 0; r < kRowBlocks; ++r) add_scaled(total[r], sums[r], own.marks[r]);
        }
        wait_copies<0>();
        __syncthreads();  // nobody reads tokens there any more
        float* const results = reinterpret_cast<float*>(shared);
#pragma unroll
        for (int r = 0; r < kRowBlocks; ++r)
            lay_fragments<kParts, kPitch>(results, total[r], (warp / kAcross * kRowBlocks + r) * 16, own_column);
        __syncthreads();
        return results;
    }

    __device__ __forceinline__ static float (&fragment(float (&sums)[kFragments * 4], int number))[4] {
        return reinterpret_cast<float(&)[4]>(sums[number * 4]);
    }
};

}  // namespace bitmod
