// Words of registers: pairs of 16-bit floats, and what the special-function units give.
#pragma once
#include "element.cuh"

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

// A number that the compiler is not to know anything of.
__device__ __forceinline__ int opaque(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

// Two numbers in one register, the first in the lower half.
template <typename T>
__device__ __forceinline__ u32 packed(float low, float high);
template <>
__device__ __forceinline__ u32 packed<bf16>(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
template <>
__device__ __forceinline__ u32 packed<f16>(float low, float high) {
  u32 pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// 2^x and log2 x on the special-function units: 2 ulp, denormals as zero.
__device__ __forceinline__ float exp2_fast(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
}
__device__ __forceinline__ float log2_fast(float x) {
  float logarithm;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(logarithm) : "f"(x));
  return logarithm;
}
__device__ __forceinline__ float reciprocal_fast(float x) {
  float inverse;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(x));
  return inverse;
}
// tanh from one power of two and one reciprocal: 2e-7 beside the true value.
__device__ __forceinline__ float tanh_fast(float x) {
  return 1.0f - 2.0f * reciprocal_fast(1.0f + exp2_fast(2.0f * kLog2E * x));
}

// Two neighbours, at an even place.
template <typename T>
__device__ __forceinline__ void store_pair(T* to, float low, float high) {
  *reinterpret_cast<u32*>(to) = packed<T>(low, high);
}
__device__ __forceinline__ void store_pair(float* to, float low, float high) {
  *reinterpret_cast<u64*>(to) = u64(__float_as_uint(high)) << 32 | __float_as_uint(low);
}
