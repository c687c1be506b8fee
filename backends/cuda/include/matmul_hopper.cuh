// Blocks of matrix products on Hopper: one warpgroup copies by TMA, the others multiply by wgmma.
#pragma once
#include "tma.cuh"
#include "wgmma.cuh"

namespace matmul {

// A block's tile of the product, 64 rows for each of kConsumers warpgroups by kColumns, kStages slices of 64 of the
// depth in shared memory at a time, in 128-byte rows swizzled by TMA.
template <class T, int kConsumers, int kColumns, int kStages>
struct HopperTile {
    static constexpr int kRows = 64 * kConsumers, kSlice = 64;
    static constexpr int kThreads = 128 * (kConsumers + 1);
    static constexpr int kLeftBytes = kRows * 128, kRightBytes = kColumns * 128;
    static constexpr int kStageBytes = kLeftBytes + kRightBytes;
    static constexpr int kWidth = kColumns + 4;  // floats of a row of the result in shared memory

    float sums[kColumns / 2];

    __device__ __forceinline__ static u32 full(u32 shared, int stage) {
        return shared + kStages * kStageBytes + stage * 8;
    }
    __device__ __forceinline__ static u32 empty(u32 shared, int stage) { return full(shared, kStages + stage); }

    // Multiplies rows row_first … of `left` by rows column_first … of `right`; what lies outside is zero. False in the
    // threads that copied: they have few registers left, and are to return.
    __device__ __forceinline__ bool multiply(unsigned char* memory, const CUtensorMap& left,
                                             const CUtensorMap& right, int depth, int row_first,
                                             int column_first) {
        const u32 shared = shared_address(memory);
        const int group = threadIdx.x / 128, slices = (depth + kSlice - 1) / kSlice;
        if (threadIdx.x == 0) {
            for (int stage = 0; stage < kStages; ++stage) {
                mbarrier_init(full(shared, stage), 1);
                mbarrier_init(empty(shared, stage), kConsumers * 4);  // one arrival a warp
            }
            fence_mbarrier_init();
        }
        __syncthreads();
        if (group == kConsumers) {
            lower_registers<40>();
            if (threadIdx.x % 128 == 0) copy(shared, left, right, slices, row_first, column_first);
            return false;
        }
        raise_registers<232>();
        consume(shared, group, slices);
        return true;
    }

    __device__ __forceinline__ static void copy(u32 shared, const CUtensorMap& left, const CUtensorMap& right,
                                                int slices, int row_first, int column_first) {
#pragma unroll 1
        for (int slice = 0; slice < slices; ++slice) {
            const int stage = slice % kStages;
            const u32 tile = shared + stage * kStageBytes;
            mbarrier_wait(empty(shared, stage), (slice / kStages & 1) ^ 1);
            mbarrier_expect(full(shared, stage), kStageBytes);
            tma_load(tile, left, full(shared, stage), slice * kSlice, row_first);
            tma_load(tile + kLeftBytes, right, full(shared, stage), slice * kSlice, column_first);
        }
    }

    __device__ __forceinline__ void consume(u32 shared, int group, int slices) {
#pragma unroll
        for (int i = 0; i < kColumns / 2; ++i) sums[i] = 0.0f;
#pragma unroll 1
        for (int slice = 0; slice < slices; ++slice) {
            const int stage = slice % kStages;
            const u32 left = shared + stage * kStageBytes + group * 64 * 128;
            const u32 right = shared + stage * kStageBytes + kLeftBytes;
            mbarrier_wait(full(shared, stage), slice / kStages & 1);
            hold(sums);
            wgmma_fence();
#pragma unroll
            for (int k = 0; k < kSlice / 16; ++k)
                wgmma_shared<T, false>(sums, matrix_descriptor(left + k * 32, 16, 1024),
                                       matrix_descriptor(right + k * 32, 16, 1024), true);
            wgmma_commit();
            if (slice > 0) {
                wgmma_wait<1>();  // the slice before is read
                if (threadIdx.x % 32 == 0) mbarrier_arrive(empty(shared, (slice - 1) % kStages));
            }
        }
        wgmma_wait<0>();
        hold(sums);
    }

    // Lays the sums out in shared memory, rows of kWidth floats, for all threads that multiplied.
    __device__ __forceinline__ void lay(float* result) const {
        barrier_sync(1, 128 * kConsumers);  // nobody reads operands there any more
        const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
#pragma unroll
        for (int i = 0; i < kColumns / 2; ++i)
            result[(row + i / 2 % 2 * 8) * kWidth + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
        barrier_sync(1, 128 * kConsumers);
    }
};

}  // namespace matmul
