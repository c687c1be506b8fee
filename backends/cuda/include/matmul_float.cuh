// Blocks of matrix products in float32 on the CUDA cores, each thread 4 x 4 of them; operands of any layout.
#pragma once
#include "element.cuh"

namespace matmul {

template <class Left, class Right, class Sum>
struct FloatTile {
    static constexpr int kRows = 64, kColumns = 64, kSlice = 16, kThreads = 256;
    static constexpr int kWidth = kColumns + 4;

    Sum sums[4][4];

    // left_row(row), right_row(column): offset of a row of the block's tile, -1 where there is none;
    // left_depth(k), right_depth(k): what is added for the depth.
    template <class LeftRow, class RightRow, class LeftDepth, class RightDepth>
    __device__ __forceinline__ void multiply(unsigned char* shared, const Left* left, const Right* right,
                                             int depth, LeftRow left_row, RightRow right_row,
                                             LeftDepth left_depth, RightDepth right_depth) {
        Sum* const a = reinterpret_cast<Sum*>(shared);
        Sum* const b = a + kSlice * kWidth;
        const int k_own = threadIdx.x % kSlice, row_own = threadIdx.x / kSlice;
        long long from_left[4], from_right[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            from_left[i] = left_row(row_own + i * 16);
            from_right[i] = right_row(row_own + i * 16);
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[i][j] = Sum(0);
        }
        const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
        for (int first = 0; first < depth; first += kSlice) {
            const int k = first + k_own;
            const long long at_left = k < depth ? left_depth(k) : 0, at_right = k < depth ? right_depth(k) : 0;
            __syncthreads();  // nobody reads the slice before any more
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const bool in_left = k < depth && from_left[i] >= 0, in_right = k < depth && from_right[i] >= 0;
                a[k_own * kWidth + row_own + i * 16] = in_left ? Sum(widen(left[from_left[i] + at_left])) : Sum(0);
                b[k_own * kWidth + row_own + i * 16] =
                    in_right ? Sum(widen(right[from_right[i] + at_right])) : Sum(0);
            }
            __syncthreads();
#pragma unroll
            for (int slice = 0; slice < kSlice; ++slice)
#pragma unroll
                for (int i = 0; i < 4; ++i)
#pragma unroll
                    for (int j = 0; j < 4; ++j)
                        sums[i][j] += a[slice * kWidth + row + i] * b[slice * kWidth + column + j];
        }
    }

    // Lays the sums out in shared memory, rows of kWidth, for all threads of the block.
    __device__ __forceinline__ void lay(Sum* result) const {
        const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) result[(row + i) * kWidth + column + j] = sums[i][j];
        __syncthreads();
    }
};

}  // namespace matmul
