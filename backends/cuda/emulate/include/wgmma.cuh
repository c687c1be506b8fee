// Products of a warpgroup, carried out when they are waited for.
#pragma once
#include "warp.cuh"

inline u64 matrix_descriptor(u32 address, u32 leading, u32 stride) {
  return u64((address & 0x3ffff) >> 4) | u64(leading >> 4) << 16 | u64(stride >> 4) << 32 | u64(1) << 62;
}
inline void wgmma_fence() { emulator::wgmma_fence(); }
inline void wgmma_commit() { emulator::wgmma_commit(); }
template <int Left>
inline void wgmma_wait() {
  emulator::wgmma_wait(Left);
}
template <int N>
inline void hold(float (&)[N]) {}
template <int N>
inline void hold(u32 (&)[N]) {}

// The instruction's texts (blocks/wgmma.py) have these names, ranks as template arguments.
template <typename T, bool kTransposed, int N>
inline void wgmma_shared(float (&sums)[N], u64 a, u64 b, bool add) {
  emulator::wgmma({sums, nullptr, a, b, 2 * N, kTransposed, add, kIsHalf<T>});
}
template <typename T, bool kTransposed, int N>
inline void wgmma_registers(float (&sums)[N], const u32 (&a)[4], u64 b, bool add) {
  emulator::wgmma({sums, a, 0, b, 2 * N, kTransposed, add, kIsHalf<T>});
}
