// Blocks of products with BitMoD weights on Hopper: a warpgroup copies tokens by TMA, two decode codes into registers
// and multiply by wgmma, each 64 rows: while one decodes, the tensor cores have the other's products.
#pragma once
#include "bitmod_tiles.cuh"
#include "tma.cuh"
#include "wgmma.cuh"

namespace bitmod {

template <int kBits, int kParts, int kColumns, int kStages>
struct HopperTile {
    static constexpr int kConsumers = 2, kRows = 64 * kConsumers;
    static constexpr int kSliceBytes = kColumns * 128;  // 64 of the depth: a row of the swizzle
    static constexpr int kStageBytes = 2 * kSliceBytes, kPitch = pitch(kRows, kParts);

    __device__ __forceinline__ static u32 full(u32 shared, int stage) {
        return shared + kStages * kStageBytes + stage * 8;
    }
    __device__ __forceinline__ static u32 empty(u32 shared, int stage) { return full(shared, kStages + stage); }

    // Sums as [token][row] in shared memory; null in the threads that copied, which are to return.
    __device__ __forceinline__ static const float* run(unsigned char* memory, const u32* codes, const u32* marks,
                                                       int groups, int row_block, int row_blocks,
                                                       const CUtensorMap& halves, int column_first) {
        const u32 shared = shared_address(memory);
        const int warpgroup = threadIdx.x / 128;
        if (threadIdx.x == 0) {
            for (int stage = 0; stage < kStages; ++stage) {
                mbarrier_init(full(shared, stage), 1);
                mbarrier_init(empty(shared, stage), kConsumers * 4);  // one arrival a warp
            }
            fence_mbarrier_init();
        }
        __syncthreads();
        if (warpgroup == kConsumers) {
            lower_registers<40>();
            if (threadIdx.x % 128 == 0) copy(shared, halves, groups, column_first);
            return nullptr;
        }
        raise_registers<232>();
        float total[kColumns / 2] = {};
        consume(total, shared, codes, marks, groups, row_block + threadIdx.x / 32, row_blocks);
        barrier_sync(1, 128 * kConsumers);  // nobody reads tokens there any more
        float* const results = reinterpret_cast<float*>(memory);
        lay_fragments<kParts, kPitch>(results, total, threadIdx.x / 32 * 16, 0);
        barrier_sync(1, 128 * kConsumers);
        return results;
    }

    __device__ __forceinline__ static void copy(u32 shared, const CUtensorMap& halves, int groups,
                                                int column_first) {
#pragma unroll 1
        for (int group = 0; group < groups; ++group) {
            const int stage = group % kStages;
            mbarrier_wait(empty(shared, stage), (group / kStages & 1) ^ 1);
            mbarrier_expect(full(shared, stage), kStageBytes);
#pragma unroll
            for (int slice = 0; slice < 2; ++slice)
                tma_load(shared + stage * kStageBytes + slice * kSliceBytes, halves, full(shared, stage),
                         group * kGroup + slice * 64, column_first);
        }
    }

    __device__ __forceinline__ static void consume(float (&total)[kColumns / 2], u32 shared, const u32* codes,
                                                   const u32* marks, int groups, int block, int blocks) {
        float sums[kColumns / 2];
        Ahead<kBits, 1> next;
        next.fetch(codes, marks, block, blocks, groups, 0);
#pragma unroll 1
        for (int group = 0; group < groups; ++group) {
            const int stage = group % kStages;
            u32 a[kSteps][4];
            const Marks own = next.marks[0];
#pragma unroll
            for (int step = 0; step < kSteps; ++step)
                next.codes[0].step(step, own.special(), own.special_below(), a[step]);
            if (group + 1 < groups) next.fetch(codes, marks, block, blocks, groups, group + 1);
            mbarrier_wait(full(shared, stage), group / kStages & 1);
            hold(sums);
#pragma unroll
            for (int step = 0; step < kSteps; ++step) hold(a[step]);
            wgmma_fence();
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
                const u32 tokens = shared + stage * kStageBytes + step / 4 * kSliceBytes + step % 4 * 32;
                wgmma_registers<f16, false>(sums, a[step], matrix_descriptor(tokens, 16, 1024), step > 0);
            }
            wgmma_commit();
            wgmma_wait<0>();
            hold(sums);
            if (threadIdx.x % 32 == 0) mbarrier_arrive(empty(shared, stage));
            add_scaled(total, sums, own);
        }
    }
};

}  // namespace bitmod
