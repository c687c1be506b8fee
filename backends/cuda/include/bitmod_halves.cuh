// Tokens as halves in rows of whole groups, once for all blocks that multiply by them.
#pragma once
#include "bitmod.cuh"
#include "fold.cuh"

namespace bitmod {

// A block's token: row token * kParts of `halves`, and for float32 the row behind it what rounding left; zeros up to
// the end of the last group. `down`: what undoes the scale they have. x(k) is 0 where there is none.
template <int kParts, int kThreads, class X>
__device__ __forceinline__ void write_halves(f16* halves, float* down, int groups, float* partial, X x) {
    const int token = blockIdx.x;
    float largest = 0.0f;
    for (int k = threadIdx.x; k < groups * kGroup; k += kThreads) largest = fmaxf(largest, fabsf(x(k)));
    const Range range(fold::block<fold::max, kThreads>(largest, partial));
    const int pairs = groups * (kGroup / 2);
    u32* const row = reinterpret_cast<u32*>(halves) + static_cast<long long>(token) * kParts * pairs;
    for (int pair = threadIdx.x; pair < pairs; pair += kThreads) {
        const float first = x(pair * 2) * range.up, second = x(pair * 2 + 1) * range.up;
        const u32 high = packed<f16>(first, second);
        row[pair] = high;
        if (kParts == 2)
            row[pairs + pair] = packed<f16>(first - lower_half(high), second - lower_half(high >> 16));
    }
    if (threadIdx.x == 0) down[token] = range.down;
}

}  // namespace bitmod
