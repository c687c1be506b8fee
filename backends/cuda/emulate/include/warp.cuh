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

namespace emulator {

struct Matrices {
  u32* tiles;
  u32 address;
};

template <bool kTransposed>
inline void load_matrices(u32* tiles, u32 address) {
  if (address % 16 != 0) fail("ldmatrix at %u of shared memory, no multiple of 16", address);
  check_read(shared_place(address), 16);
  Matrices lane{tiles, address};
  together(32, kTransposed ? "ldmatrix.trans" : "ldmatrix", &lane, [](void* const* all, int) {
    for (int to = 0; to < 32; ++to)
      for (int tile = 0; tile < 4; ++tile) {
        u16 pair[2];
        for (int k = 0; k < 2; ++k) {
          const int row = kTransposed ? to % 4 * 2 + k : to / 4, column = kTransposed ? to / 4 : to % 4 * 2 + k;
          const u32 from = static_cast<Matrices*>(all[tile * 8 + row])->address;
          std::memcpy(&pair[k], shared_place(from) + column * 2, 2);
        }
        static_cast<Matrices*>(all[to])->tiles[tile] = u32(pair[0]) | u32(pair[1]) << 16;
      }
  });
}

struct Fragments {
  float* sums;
  const u32* a;
  u32 b[2];
};

template <typename T>
inline float half_of(u32 pair, int which) {
  return widen(T{u16(which ? pair >> 16 : pair)});
}

}  // namespace emulator

inline void load_matrices(u32 (&tiles)[4], u32 address) { emulator::load_matrices<false>(tiles, address); }
inline void load_matrices_transposed(u32 (&tiles)[4], u32 address) { emulator::load_matrices<true>(tiles, address); }

template <typename T>
inline void multiply_add(float (&sums)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  emulator::Fragments lane{sums, a, {b0, b1}};
  emulator::together(32, "mma.m16n8k16", &lane, [](void* const* all, int) {
    using emulator::Fragments;
    float left[16][16], right[16][8];
    for (int k = 0; k < 32; ++k) {
      const Fragments& one = *static_cast<Fragments*>(all[k]);
      for (int half = 0; half < 2; ++half)
        for (int which = 0; which < 4; ++which)
          left[k / 4 + which % 2 * 8][k % 4 * 2 + half + which / 2 * 8] = emulator::half_of<T>(one.a[which], half);
      for (int half = 0; half < 2; ++half)
        for (int which = 0; which < 2; ++which)
          right[k % 4 * 2 + half + which * 8][k / 4] = emulator::half_of<T>(one.b[which], half);
    }
    for (int k = 0; k < 32; ++k)
      for (int which = 0; which < 4; ++which) {
        const int row = k / 4 + which / 2 * 8, column = k % 4 * 2 + which % 2;
        float sum = 0.0f;
        for (int depth = 0; depth < 16; ++depth) sum += left[row][depth] * right[depth][column];
        static_cast<Fragments*>(all[k])->sums[which] += sum;
      }
  });
}
