// Element types of tensors that C++ lacks, and what stands for them in arithmetic.
#pragma once

#if !defined(__CUDACC__)  // on the host: the emulator's own builtins, and the C library's functions
#include <cmath>
#endif

struct bf16 {
    unsigned short bits;
};

struct f16 {
    unsigned short bits;
};

__device__ inline float widen(float x) { return x; }
__device__ inline double widen(double x) { return x; }
__device__ inline long long widen(long long x) { return x; }
__device__ inline int widen(int x) { return x; }
__device__ inline short widen(short x) { return x; }
__device__ inline signed char widen(signed char x) { return x; }
__device__ inline unsigned char widen(unsigned char x) { return x; }
__device__ inline bool widen(bool x) { return x; }
__device__ inline float widen(bf16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }

#if defined(__CUDACC__)
__device__ inline float widen(f16 x) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
    return wide;
}
#else
inline float widen(f16 x) {
    _Float16 half;
    __builtin_memcpy(&half, &x.bits, sizeof half);
    return static_cast<float>(half);
}
#endif

/* The conversion of a value to a tensor's element, to nearest, ties to even. */
template <class To>
struct Narrow {
    template <class From>
    __device__ static To of(From x) {
        return static_cast<To>(x);
    }
};

template <>
struct Narrow<bf16> {
    __device__ static bf16 of(float x) {
#if defined(__CUDACC__)
        bf16 y;
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
#else
        const unsigned bits = __float_as_uint(x);
        if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
        return {static_cast<unsigned short>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
#endif
    }
};

template <>
struct Narrow<f16> {
    __device__ static f16 of(float x) {
#if defined(__CUDACC__)
        f16 y;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
#else
        const _Float16 half = static_cast<_Float16>(x);
        f16 y;
        __builtin_memcpy(&y.bits, &half, sizeof half);
        return y;
#endif
    }
};

/* A value as it is after having been stored as an element of type To. */
template <class To, class From>
__device__ inline auto rounded(From x) {
    return widen(Narrow<To>::of(x));
}
