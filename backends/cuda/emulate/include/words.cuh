// Words of registers, as backends/cuda/include/words.cuh has them.
#pragma once
#include "element.cuh"

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

inline int opaque(int x) { return x; }

template <typename T>
inline u32 packed(float low, float high) {
  return u32(Narrow<T>::of(low).bits) | u32(Narrow<T>::of(high).bits) << 16;
}

template <typename T>
constexpr bool kIsHalf = false;
template <>
constexpr bool kIsHalf<f16> = true;

inline float exp2_fast(float x) { return exp2f(x); }
inline float log2_fast(float x) { return log2f(x); }
inline float reciprocal_fast(float x) { return 1.0f / x; }
inline float tanh_fast(float x) { return 1.0f - 2.0f * reciprocal_fast(1.0f + exp2_fast(2.0f * kLog2E * x)); }

// Two neighbours, at an even place.
template <typename T>
inline void store_pair(T* to, float low, float high) {
  *reinterpret_cast<u32*>(to) = packed<T>(low, high);
}
inline void store_pair(float* to, float low, float high) {
  *reinterpret_cast<u64*>(to) = u64(__float_as_uint(high)) << 32 | __float_as_uint(low);
}
