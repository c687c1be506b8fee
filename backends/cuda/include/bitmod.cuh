// Products with BitMoD weights read as they are stored, 4.1 or 3.1 bits each, on the tensor cores.
//
// Every level of the two grids, doubled, is a whole number of at most four significant bits: the upper byte of its
// f16 says all of it. So a code is decoded by picking a byte from a table in registers, the group's special value in
// it, and a zero byte beside it makes the f16. Sums of a group are exact products in float32; then comes its scale.
#pragma once
#include "warp.cuh"

namespace bitmod {

constexpr int kGroup = 128;  // inputs with one scale
constexpr int kSteps = kGroup / 16;

struct alignas(16) Quad {
    u32 word[4];
};
struct alignas(8) Pair {
    u32 word[2];
};

// Four bytes of eight, as the low four nibbles of the selector say.
__device__ __forceinline__ u32 permute(u32 low, u32 high, u32 selector) {
#if defined(__CUDACC__)
    return __byte_perm(low, high, selector);
#else
    const u64 bytes = u64(high) << 32 | low;
    u32 picked = 0;
    for (int i = 0; i < 4; ++i) picked |= u32(bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
    return picked;
#endif
}

// Two f16 from their upper bytes.
__device__ __forceinline__ u32 first_halves(u32 bytes) { return permute(bytes, 0, 0x1404); }
__device__ __forceinline__ u32 last_halves(u32 bytes) { return permute(bytes, 0, 0x3424); }

// What a lane holds of 16 rows and a group: rows lane/4 and lane/4 + 8, in the order of mma.sync's left operand.
// A nibble of a word is a code: the row's four of a step, then those of the row eight below.
template <int kBits>
struct Codes;

template <>
struct Codes<4> {
    static constexpr int kWords = 256;  // of 16 rows and a group: [half of the steps][lane][step]
    Quad half[2];

    __device__ __forceinline__ void load(const u32* group, int lane) {
        half[0] = reinterpret_cast<const Quad*>(group)[lane];
        half[1] = reinterpret_cast<const Quad*>(group)[32 + lane];
    }
    // Four codes of a row as the upper bytes of f16; magnitudes 0 1 2 3 4 6 8 12, and code 8 the special value.
    __device__ __forceinline__ static u32 decode(u32 magnitudes, u32 table, u32 special) {
        const u32 positive = permute(0x42403c00u, 0x4a484644u, magnitudes);
        const u32 negative = permute(0xc2c0bc00u | special, 0xcac8c6c4u, magnitudes);
        return permute(positive, negative, table);
    }
    __device__ __forceinline__ void step(int number, u32 special, u32 special_below, u32 (&a)[4]) const {
        const u32 codes = half[number / 4].word[number % 4];
        const u32 magnitudes = codes & 0x77777777u, table = (codes >> 1 & 0x44444444u) | 0x32103210u;
        const u32 row = decode(magnitudes, table, special);
        const u32 below = decode(magnitudes >> 16, table >> 16, special_below);
        a[0] = first_halves(row), a[1] = first_halves(below);
        a[2] = last_halves(row), a[3] = last_halves(below);
    }
};

template <>
struct Codes<3> {
    static constexpr int kWords = 192;  // magnitudes [lane][step / 2], two steps a nibble; signs [lane][step / 4]
    Quad magnitude;
    Pair sign;

    __device__ __forceinline__ void load(const u32* group, int lane) {
        magnitude = reinterpret_cast<const Quad*>(group)[lane];
        sign = reinterpret_cast<const Pair*>(group + 128)[lane];
    }
    // Magnitudes 0 2 4 8, and −0 the special value.
    __device__ __forceinline__ static u32 decode(u32 codes, u32 special) {
        return permute(0x48444000u, 0xc8c4c000u | special, codes);
    }
    __device__ __forceinline__ void step(int number, u32 special, u32 special_below, u32 (&a)[4]) const {
        const u32 magnitudes = magnitude.word[number / 2] >> number % 2 * 2;
        const u32 word = sign.word[number / 4];
        const int place = number % 4;
        const u32 signs = place < 2 ? word << (2 - place) : word >> (place - 2);
        const u32 codes = (magnitudes & 0x33333333u) | (signs & 0x44444444u);
        const u32 row = decode(codes, special), below = decode(codes >> 16, special_below);
        a[0] = first_halves(row), a[1] = first_halves(below);
        a[2] = last_halves(row), a[3] = last_halves(below);
    }
};

// Scale and special value of both rows that a lane decodes: bytes scale, special, scale below, special below.
struct Marks {
    u32 word;
    __device__ __forceinline__ u32 special() const { return word >> 8 & 0xff; }
    __device__ __forceinline__ u32 special_below() const { return word >> 24; }
    __device__ __forceinline__ float scale() const { return static_cast<float>(word & 0xff); }
    __device__ __forceinline__ float scale_below() const { return static_cast<float>(word >> 16 & 0xff); }
};

// A power of two that brings the largest magnitude to 2^14 … 2^15, and its inverse; 1 where that is infinite.
struct Range {
    float up, down;
    __device__ __forceinline__ explicit Range(float largest) {
        const u32 exponent = __float_as_uint(largest) >> 23 & 0xff;
        const u32 held = exponent < 15 ? 15 : exponent;
        up = exponent == 255 ? 1.0f : __uint_as_float((268 - held) << 23);
        down = exponent == 255 ? 1.0f : __uint_as_float((held - 14) << 23);
    }
};

__device__ __forceinline__ float lower_half(u32 pair) {
    f16 x;
    x.bits = static_cast<u16>(pair);
    return widen(x);
}

// A few tokens by all rows: a block has kRowBlocks x 16 rows, its warps take turns at the groups of the depth.
//   kParts: halves that stand for a number: 2 for float32 (22 bits and more), 1 for bf16.
//   kTokens: as many as shared memory holds; every eight columns of them are a fragment.
template <int kBits, int kParts, int kTokens, int kWarps, int kRowBlocks>
struct Stream {
    static constexpr int kColumns = kParts * kTokens;
    static constexpr int kThreads = 32 * kWarps, kRows = 16 * kRowBlocks;
    static constexpr int kFragments = (kColumns + 7) / 8;

    // sums[warp][row][token] in shared memory, behind the tokens as halves; every warp's scales of tokens come
    // last. x(token, k) is 0 where there is none.
    template <class X>
    __device__ __forceinline__ static float* run(unsigned char* shared, const u32* codes, const u32* marks,
                                                 int groups, int row_block, int row_blocks, X x) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        u32* const halves = reinterpret_cast<u32*>(shared);
        float* const results = reinterpret_cast<float*>(halves + groups * kColumns * (kGroup / 2));
        float* const down = results + kWarps * kRows * kTokens + warp * kTokens;
#pragma unroll 1
        for (int token = 0; token < kTokens; ++token) {
            const float undo = halve(halves, groups, token, x);
            if (lane == 0) down[token] = undo;
        }
        __syncwarp();

        float total[kRowBlocks][kFragments][4] = {};
        Codes<kBits> next[kRowBlocks];
        Marks next_marks[kRowBlocks];
        auto fetch = [&](int group) {
#pragma unroll
            for (int r = 0; r < kRowBlocks; ++r) {
                const int block = min(row_block + r, row_blocks - 1);
                const long long at = static_cast<long long>(block) * groups + group;
                next[r].load(codes + at * Codes<kBits>::kWords, lane);
                next_marks[r].word = marks[at * 8 + lane / 4];
            }
        };
        if (warp < groups) fetch(warp);
        for (int group = warp; group < groups; group += kWarps) {
            Codes<kBits> own[kRowBlocks];
            Marks own_marks[kRowBlocks];
#pragma unroll
            for (int r = 0; r < kRowBlocks; ++r) own[r] = next[r], own_marks[r] = next_marks[r];
            if (group + kWarps < groups) fetch(group + kWarps);  // on its way while this one is multiplied
            float sums[kRowBlocks][kFragments][4] = {};
            const u32* const column = halves + (group * kColumns + lane / 4) * (kGroup / 2);
#pragma unroll
            for (int two = 0; two < kSteps / 2; ++two) {
                Quad b[kFragments] = {};
#pragma unroll
                for (int f = 0; f < kFragments; ++f)
                    if (f * 8 + lane / 4 < kColumns)
                        b[f] = reinterpret_cast<const Quad*>(column + f * 8 * (kGroup / 2))[two * 4 + lane % 4];
#pragma unroll
                for (int one = 0; one < 2; ++one)
#pragma unroll
                    for (int r = 0; r < kRowBlocks; ++r) {
                        u32 a[4];
                        own[r].step(two * 2 + one, own_marks[r].special(), own_marks[r].special_below(), a);
#pragma unroll
                        for (int f = 0; f < kFragments; ++f)
                            multiply_add<f16>(sums[r][f], a, b[f].word[one * 2], b[f].word[one * 2 + 1]);
                    }
            }
#pragma unroll
            for (int r = 0; r < kRowBlocks; ++r) {
                const float scale = own_marks[r].scale(), below = own_marks[r].scale_below();
#pragma unroll
                for (int f = 0; f < kFragments; ++f) {
                    total[r][f][0] += scale * sums[r][f][0], total[r][f][1] += scale * sums[r][f][1];
                    total[r][f][2] += below * sums[r][f][2], total[r][f][3] += below * sums[r][f][3];
                }
            }
        }
        lay(results + warp * kRows * kTokens, total, down);
        __syncthreads();
        return results;
    }

    // This warp's groups of a token as halves in the order of mma.sync's right operand; what undoes their scale.
    template <class X>
    __device__ __forceinline__ static float halve(u32* halves, int groups, int token, X x) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        float largest = 0.0f;
        for (int group = warp; group < groups; group += kWarps)
#pragma unroll
            for (int i = 0; i < 4; ++i) largest = fmaxf(largest, fabsf(x(token, group * kGroup + i * 32 + lane)));
#pragma unroll
        for (int step = 16; step > 0; step /= 2) largest = fmaxf(largest, shuffle_xor(largest, step));
        const Range range(largest);
        for (int group = warp; group < groups; group += kWarps)
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const int pair = i * 32 + lane, step = pair / 8;
                const int place = (step / 2 * 4 + pair % 4) * 4 + step % 2 * 2 + pair / 4 % 2;
                u32* const at = halves + (group * kColumns + token * kParts) * (kGroup / 2) + place;
                const float first = x(token, group * kGroup + pair * 2) * range.up;
                const float second = x(token, group * kGroup + pair * 2 + 1) * range.up;
                const u32 high = packed<f16>(first, second);
                at[0] = high;
                if (kParts == 2)
                    at[kGroup / 2] = packed<f16>(first - lower_half(high), second - lower_half(high >> 16));
            }
        return range.down;
    }

    // A warp's sums by row and token; the parts of a number come together.
    __device__ __forceinline__ static void lay(float* results, const float (&total)[kRowBlocks][kFragments][4],
                                               const float* down) {
        const int lane = threadIdx.x % 32;
        constexpr int kEach = 2 / kParts;  // tokens in two columns
#pragma unroll
        for (int r = 0; r < kRowBlocks; ++r)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float* const row = results + (r * 16 + half * 8 + lane / 4) * kTokens;
#pragma unroll
                for (int f = 0; f < kFragments; ++f)
#pragma unroll
                    for (int i = 0; i < kEach; ++i) {
                        const int token = (f * 4 + lane % 4) * kEach + i;
                        const float(&own)[4] = total[r][f];
                        const float sum = kParts == 2 ? own[half * 2] + own[half * 2 + 1] : own[half * 2 + i];
                        if (token < kTokens) row[token] = sum * down[token];
                    }
            }
    }

    // The sum of all warps.
    __device__ __forceinline__ static float sum(const float* results, int row, int token) {
        float sum = 0.0f;
#pragma unroll
        for (int warp = 0; warp < kWarps; ++warp) sum += results[(warp * kRows + row) * kTokens + token];
        return sum;
    }
};

}  // namespace bitmod
