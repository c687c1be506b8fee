// Blocks of matrix products on the tensor cores of sm_80 and later: cp.async, ldmatrix, mma.sync.
#pragma once
#include "async_copy.cuh"
#include "warp.cuh"

namespace matmul {

constexpr int kSlice = 64;                       // elements of the depth in shared memory at a time
constexpr int kPieces = kSlice / 8;              // 16-byte pieces of a row
constexpr int kPitch = kSlice * 2;               // bytes of a row

// Where a piece of a row lies: pieces change places with the row, so that eight rows meet no bank twice.
__device__ __forceinline__ u32 piece_at(u32 tile, int row, int piece) {
    return tile + row * kPitch + ((piece ^ (row & 7)) << 4);
}

// A block's tile of the product, kRows x kColumns, each warp's part of it kWarpRows x kWarpColumns.
template <class T, int kRows, int kColumns, int kWarpRows, int kWarpColumns, int kStages>
struct Tile {
    static constexpr int kAcross = kColumns / kWarpColumns;
    static constexpr int kThreads = 32 * kAcross * (kRows / kWarpRows);
    static constexpr int kStageBytes = (kRows + kColumns) * kPitch;
    static constexpr int kWidth = kColumns + 4;  // floats of a row of the result in shared memory

    float sums[kWarpRows / 16][kWarpColumns / 8][4];

    // Multiplies. Operands lie in runs of eight elements along the depth:
    //   left_row(row), right_row(column): offset of a row of the block's tile, -1 where there is none;
    //   left_depth(k), right_depth(k): what is added for the depth.
    template <class LeftRow, class RightRow, class LeftDepth, class RightDepth>
    __device__ __forceinline__ void multiply(unsigned char* shared, const T* left, const T* right, int depth,
                                             LeftRow left_row, RightRow right_row, LeftDepth left_depth,
                                             RightDepth right_depth) {
        long long from_left[kRows * kPieces / kThreads], from_right[kColumns * kPieces / kThreads];
        const int piece = threadIdx.x % kPieces, row = threadIdx.x / kPieces;
        constexpr int kStep = kThreads / kPieces;
#pragma unroll
        for (int i = 0; i < kRows / kStep; ++i) from_left[i] = left_row(row + i * kStep);
#pragma unroll
        for (int i = 0; i < kColumns / kStep; ++i) from_right[i] = right_row(row + i * kStep);
        const u32 tiles = shared_address(shared);
        const int slices = (depth + kSlice - 1) / kSlice;
        auto fill = [&](int slice) {
            const u32 tile = tiles + slice % kStages * kStageBytes;
            const int k = slice * kSlice + piece * 8;
            const long long at_left = left_depth(k), at_right = right_depth(k);
#pragma unroll
            for (int i = 0; i < kRows / kStep; ++i) {
                const bool present = from_left[i] >= 0 && k < depth;
                copy_async(piece_at(tile, row + i * kStep, piece), present ? left + from_left[i] + at_left : left,
                           present);
            }
#pragma unroll
            for (int i = 0; i < kColumns / kStep; ++i) {
                const bool present = from_right[i] >= 0 && k < depth;
                copy_async(piece_at(tile + kRows * kPitch, row + i * kStep, piece),
                           present ? right + from_right[i] + at_right : right, present);
            }
        };
        clear();
#pragma unroll
        for (int slice = 0; slice < kStages - 1; ++slice) {
            if (slice < slices) fill(slice);
            commit_copies();
        }
        for (int slice = 0; slice < slices; ++slice) {
            wait_copies<kStages - 2>();
            __syncthreads();  // this slice is there, and nobody reads the one before it any more
            if (slice + kStages - 1 < slices) fill(slice + kStages - 1);
            commit_copies();
            add_slice(tiles + slice % kStages * kStageBytes);
        }
        wait_copies<0>();
    }

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < kWarpRows / 16; ++i)
#pragma unroll
            for (int j = 0; j < kWarpColumns / 8; ++j)
#pragma unroll
                for (int k = 0; k < 4; ++k) sums[i][j][k] = 0.0f;
    }

    // Adds the product of a slice that lies in shared memory.
    __device__ __forceinline__ void add_slice(u32 tile) {
        const int lane = threadIdx.x % 32;
        const int first_row = first_of_rows(), first_column = first_of_columns();
#pragma unroll
        for (int k = 0; k < kSlice / 16; ++k) {
            u32 a[kWarpRows / 16][4];
#pragma unroll
            for (int i = 0; i < kWarpRows / 16; ++i)
                load_matrices(a[i], piece_at(tile, first_row + i * 16 + lane % 16, k * 2 + lane / 16));
#pragma unroll
            for (int j = 0; j < kWarpColumns / 16; ++j) {
                u32 b[4];
                const int column = first_column + j * 16 + lane % 8 + lane / 16 * 8;
                load_matrices(b, piece_at(tile + kRows * kPitch, column, k * 2 + lane / 8 % 2));
#pragma unroll
                for (int i = 0; i < kWarpRows / 16; ++i) {
                    multiply_add<T>(sums[i][2 * j], a[i], b[0], b[1]);
                    multiply_add<T>(sums[i][2 * j + 1], a[i], b[2], b[3]);
                }
            }
        }
    }

    __device__ __forceinline__ static int first_of_rows() { return threadIdx.x / 32 / kAcross * kWarpRows; }
    __device__ __forceinline__ static int first_of_columns() { return threadIdx.x / 32 % kAcross * kWarpColumns; }

    // Lays the sums out in shared memory, rows of kWidth floats, for all threads of the block.
    __device__ __forceinline__ void lay(float* result) const {
        const int lane = threadIdx.x % 32;
        __syncthreads();  // nobody reads operands there any more
#pragma unroll
        for (int i = 0; i < kWarpRows / 16; ++i)
#pragma unroll
            for (int j = 0; j < kWarpColumns / 8; ++j)
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const int row = first_of_rows() + i * 16 + half * 8 + lane / 4;
                    float* const place = result + row * kWidth + first_of_columns() + j * 8 + lane % 4 * 2;
                    place[0] = sums[i][j][half * 2];
                    place[1] = sums[i][j][half * 2 + 1];
                }
        __syncthreads();
    }
};

}  // namespace matmul
