// Copies from global to shared memory that run beside the computation (cp.async, sm_80 and later).
#pragma once
#include "words.cuh"

// 16 bytes; zeros where nothing is present, and then the source is not read.
__device__ __forceinline__ void copy_async(u32 shared, const void* global, bool present) {
  const u32 bytes = present ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(bytes) : "memory");
}
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until at most Left of this thread's groups are on their way; the others' threads need a barrier besides.
template <int Left>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory");
}
