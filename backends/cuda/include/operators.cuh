// The map and reduce operators of Einsums, named as in the notation (docs/cascades.md).
#pragma once

#include "element.cuh"

namespace ein {

__device__ inline float infinity() { return __uint_as_float(0x7f800000u); }
__device__ inline float nan() { return __uint_as_float(0x7fc00000u); }

// Of one operand.

template <class T> __device__ inline T id(T x) { return x; }
template <class T> __device__ inline T neg(T x) { return -x; }
template <class T> __device__ inline T abs(T x) { return x < T(0) ? -x : x == T(0) ? T(0) : x; }
__device__ inline float exp(float x) { return expf(x); }
__device__ inline double exp(double x) { return ::exp(x); }
__device__ inline float expm1(float x) { return expm1f(x); }
__device__ inline double expm1(double x) { return ::expm1(x); }
__device__ inline float log(float x) { return logf(x); }
__device__ inline double log(double x) { return ::log(x); }
__device__ inline float log1p(float x) { return log1pf(x); }
__device__ inline double log1p(double x) { return ::log1p(x); }
__device__ inline float sqrt(float x) { return sqrtf(x); }
__device__ inline double sqrt(double x) { return ::sqrt(x); }
template <class T> __device__ inline T rsqrt(T x) { return T(1) / ein::sqrt(x); }
template <class T> __device__ inline T recip(T x) { return T(1) / x; }
__device__ inline float tanh(float x) { return tanhf(x); }
__device__ inline double tanh(double x) { return ::tanh(x); }
__device__ inline float erf(float x) { return erff(x); }
__device__ inline double erf(double x) { return ::erf(x); }
__device__ inline float sin(float x) { return sinf(x); }
__device__ inline double sin(double x) { return ::sin(x); }
__device__ inline float cos(float x) { return cosf(x); }
__device__ inline double cos(double x) { return ::cos(x); }
__device__ inline float floor(float x) { return floorf(x); }
__device__ inline double floor(double x) { return ::floor(x); }
__device__ inline float ceil(float x) { return ceilf(x); }
__device__ inline double ceil(double x) { return ::ceil(x); }
__device__ inline float round(float x) { return rintf(x); }
__device__ inline double round(double x) { return ::rint(x); }
__device__ inline float power(float x, float y) { return powf(x, y); }
__device__ inline double power(double x, double y) { return ::pow(x, y); }

template <class T> __device__ inline T sigmoid(T x) {
    const T e = ein::exp(-ein::abs(x));  // both branches are finite
    return x >= T(0) ? T(1) / (T(1) + e) : e / (T(1) + e);
}
template <class T> __device__ inline T max(T a, T b) { return a > b || a != a ? a : b; }  // NaN stays
template <class T> __device__ inline T min(T a, T b) { return a < b || a != a ? a : b; }
template <class T> __device__ inline T relu(T x) { return ein::max(x, T(0)); }
template <class T> __device__ inline T gelu(T x) {
    return T(0.5) * x * (T(1) + ein::erf(x * T(0.70710678118654752)));
}
template <class T> __device__ inline T gelu_tanh(T x) {
    return T(0.5) * x * (T(1) + ein::tanh(T(0.79788456080286536) * (x + T(0.044715) * x * x * x)));
}
template <class T> __device__ inline T silu(T x) { return x * ein::sigmoid(x); }
template <class T> __device__ inline T softplus(T x) {
    return ein::max(x, T(0)) + ein::log1p(ein::exp(-ein::abs(x)));
}
template <class T> __device__ inline T square(T x) { return x * x; }
template <class T> __device__ inline T sign(T x) { return x != x ? x : T((x > T(0)) - (x < T(0))); }
template <class T> __device__ inline bool is_nan(T x) { return x != x; }

// Of two.

template <class T> __device__ inline T add(T a, T b) { return a + b; }
template <class T> __device__ inline T sub(T a, T b) { return a - b; }
template <class T> __device__ inline T mul(T a, T b) { return a * b; }
template <class T> __device__ inline T div(T a, T b) { return a / b; }
template <class T> __device__ inline T exp_sub(T a, T b) { return ein::exp(a - b); }

/* Absent, and so 0, where the left operand is −∞. */
__device__ inline float exp_sub_left(float a, float b) { return a == -infinity() ? 0.0f : ein::exp(a - b); }
__device__ inline double exp_sub_left(double a, double b) {
    return a == -static_cast<double>(infinity()) ? 0.0 : ein::exp(a - b);
}
/* Absent, and so 0, where the left operand is 0. */
template <class T> __device__ inline T div_left(T a, T b) { return a == T(0) ? T(0) : a / b; }

__device__ inline float floordiv(float a, float b) { return floorf(a / b); }
__device__ inline double floordiv(double a, double b) { return ::floor(a / b); }
__device__ inline long long floordiv(long long a, long long b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
template <class T> __device__ inline T mod(T a, T b) { return a - ein::floordiv(a, b) * b; }
template <class T> __device__ inline T leaky_relu(T x, T slope) { return x >= T(0) ? x : x * slope; }

template <class T> __device__ inline T where(bool condition, T a, T b) { return condition ? a : b; }

}  // namespace ein
