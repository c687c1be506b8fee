// Products of 64 x N x 16 by four warps, operands in swizzled shared memory (wgmma, sm_90a). The instruction itself,
// one specialisation per number of columns, is written into each kernel by backends/cuda/blocks/wgmma.py.
#pragma once
#include "warp.cuh"

// A matrix in shared memory whose rows are 128 bytes, swizzled by TMA in atoms of 8 rows (1024 bytes).
// `leading`: bytes from one column block of 64 elements to the next, where the rows are the summed rank.
// `stride`: bytes from 8 rows to the next 8.
__device__ __forceinline__ u64 matrix_descriptor(u32 address, u32 leading, u32 stride) {
  return u64((address & 0x3ffff) >> 4) | u64(leading >> 4) << 16 | u64(stride >> 4) << 32 | u64(1) << 62;
}

// Before the first product, and whenever registers of its operands were written.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Until at most Left groups are on their way.
template <int Left>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Left) : "memory");
}

// Keeps the compiler from moving uses of registers across products that are on their way.
template <int N>
__device__ __forceinline__ void hold(float (&sums)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}
template <int N>
__device__ __forceinline__ void hold(u32 (&pairs)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+r"(pairs[i])::"memory");
}

// sums[64 x 2 N] = or += a[64 x 16] b; a in shared memory, or as the registers of a fragment.
// Transposed: the rows of b in memory are the summed rank.
template <typename T, bool kTransposed, int N>
__device__ __forceinline__ void wgmma_shared(float (&sums)[N], u64 a, u64 b, bool add);
template <typename T, bool kTransposed, int N>
__device__ __forceinline__ void wgmma_registers(float (&sums)[N], const u32 (&a)[4], u64 b, bool add);
