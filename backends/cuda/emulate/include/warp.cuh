// The fragments of backends/cuda/include/warp.cuh, carried out element by element.
#pragma once
#include "words.cuh"

constexpr u32 kAllLanes = 0xffffffffu;

inline u32 shared_address(const void* place) { return emulator::shared_address(place); }

inline float shuffle_xor(float x, int mask) { return emulator::shuffle(x, mask, true); }

inline float row_maximum(float x) {
  x = fmaxf(x, shuffle_xor(x, 1));
  return fmaxf(x, shuffle_xor(x, 2));
}
inline float row_sum(float x) {
  x += shuffle_xor(x, 1);
  return x + shuffle_xor(x, 2);
}

inline void load_matrices(u32 (&tiles)[4], u32 address) { emulator::load_matrices(tiles, address, false); }
inline void load_matrices_transposed(u32 (&tiles)[4], u32 address) { emulator::load_matrices(tiles, address, true); }

template <typename T>
inline void multiply_add(float (&sums)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  emulator::multiply_add(sums, a, b0, b1, kIsHalf<T>);
}
