/* AVX-512 with VBMI and VNNI. All four special values and all codes make one 64-byte table, so vpermb turns 64
   codes of 16 rows into levels, whatever special value each row has; vpdpbusd multiplies them by four activations,
   broadcast from memory, and adds up in each row's lane. */
#if defined(__x86_64__)
#include "digits.h"
#include "levels.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")))

/* Bytes ahead of the codes being read that are asked for, into the second-level cache: asked into the first, they
   would wait for its few miss buffers. With one row of digits the processor's own prefetcher keeps up. */
enum { AHEAD = 12288 };

TARGET PST_INLINE void ask(const uint8_t *codes, const int count) {
    if (count > 1) _mm_prefetch((const char *)codes + AHEAD, _MM_HINT_T1);
}

static const uint8_t fp4_levels[64] __attribute__((aligned(64))) = {PST_FP4_ALL};
static const uint8_t fp3_levels[4][64] __attribute__((aligned(64))) = {
    {PST_FP3_ALL(PST_FP3_0)}, {PST_FP3_ALL(PST_FP3_1)}, {PST_FP3_ALL(PST_FP3_2)}, {PST_FP3_ALL(PST_FP3_3)}};

/* Bits where `mask` is set from `a`, elsewhere from `b`. */
TARGET PST_INLINE __m512i pick(__m512i mask, __m512i a, __m512i b) {
    return _mm512_ternarylogic_epi32(mask, a, b, 0xCA);
}

/* Each row's two bits of special value to bits 5:4 of its four bytes; the other bits are anything. */
TARGET PST_INLINE __m512i specials(const uint8_t *packed) {
    int32_t bits;
    memcpy(&bits, packed, sizeof bits);
    const __m512i shifts = _mm512_set_epi32(
        0x1a1a1a1a, 0x18181818, 0x16161616, 0x14141414, 0x12121212, 0x10101010, 0x0e0e0e0e, 0x0c0c0c0c, 0x0a0a0a0a,
        0x08080808, 0x06060606, 0x04040404, 0x02020202, 0x00000000, 0x3e3e3e3e, 0x3c3c3c3c);
    return _mm512_multishift_epi64_epi8(shifts, _mm512_set1_epi32(bits));
}

/* Four activations times the levels of every row, added to each token's sums. */
TARGET PST_INLINE void multiply(__m512i *sums, __m512i levels, const int8_t *const *values, int at, const int count) {
#pragma GCC unroll 6
    for (int t = 0; t < count; t++) {
        int32_t four;
        memcpy(&four, values[t] + at, sizeof four);
        sums[t] = _mm512_dpbusd_epi32(sums[t], levels, _mm512_set1_epi32(four));
    }
}

TARGET PST_INLINE void group_fp4(const uint8_t *codes, __m512i special, const int8_t *const *values, __m512i *even,
                                 __m512i *odd, const int count) {
    const __m512i table = _mm512_load_si512(fp4_levels), nibble = _mm512_set1_epi8(15);
#pragma GCC unroll 16
    for (int step = 0; step < 16; step++) {
        __m512i pairs = _mm512_load_si512(codes + step * 64);
        ask(codes + step * 64, count);
        __m512i low = pick(nibble, pairs, special), high = pick(nibble, _mm512_srli_epi16(pairs, 4), special);
        multiply(even, _mm512_permutexvar_epi8(low, table), values, step * 8, count);
        multiply(odd, _mm512_permutexvar_epi8(high, table), values, step * 8 + 4, count);
    }
}

TARGET PST_INLINE void group_fp3(const uint8_t *codes, __m512i special, const int8_t *const *values, __m512i *even,
                                 __m512i *odd, const int count) {
    const __m512i nibble = _mm512_set1_epi8(15), low = _mm512_set1_epi8(3), high = _mm512_set1_epi8(12);
    __m512i tables[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) tables[i] = _mm512_load_si512(fp3_levels[i]);
#pragma GCC unroll 4
    for (int chunk = 0; chunk < 4; chunk++) {
        const uint8_t *planes = codes + chunk * 192;
        __m512i signs = _mm512_load_si512(planes + 128);
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) ask(planes + i * 64, count);
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            __m512i magnitudes = _mm512_load_si512(planes + half * 64), shifted = _mm512_srli_epi16(magnitudes, 4);
            __m512i rest = pick(nibble, half ? _mm512_srli_epi16(signs, 4) : signs, special);
            int at = chunk * 32 + half * 16;
            multiply(even, _mm512_permutexvar_epi8(pick(low, magnitudes, rest), tables[0]), values, at, count);
            multiply(odd, _mm512_permutexvar_epi8(pick(high, magnitudes, rest), tables[1]), values, at + 4, count);
            multiply(even, _mm512_permutexvar_epi8(pick(low, shifted, rest), tables[2]), values, at + 8, count);
            multiply(odd, _mm512_permutexvar_epi8(pick(high, shifted, rest), tables[3]), values, at + 12, count);
        }
    }
}

TARGET PST_INLINE void tile(const pst_bitmod_view *w, int64_t block, const pst_digits *d, int64_t first, float *out,
                            const int bits, const int count) {
    int64_t groups = w->groups, at = block * groups;
    const uint8_t *codes = w->codes + at * w->group_bytes, *scales = w->scale + at * PST_ROWS;
    const uint8_t *special = w->special + at * 4;
    __m512 sums[PST_TILE];
    const int8_t *values[PST_TILE];
#pragma GCC unroll 6
    for (int t = 0; t < count; t++) {
        sums[t] = _mm512_setzero_ps();
        values[t] = d->values + (first + t) * groups * PST_GROUP;
    }
    for (int64_t g = 0; g < groups; g++) {
        __m512i even[PST_TILE], odd[PST_TILE];
#pragma GCC unroll 6
        for (int t = 0; t < count; t++) {
            even[t] = _mm512_set1_epi32(d->offset[(first + t) * groups + g]);
            odd[t] = _mm512_setzero_si512();
        }
        if (bits == 4)
            group_fp4(codes, specials(special), values, even, odd, count);
        else
            group_fp3(codes, specials(special), values, even, odd, count);
        __m512 scale = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)scales)));
#pragma GCC unroll 6
        for (int t = 0; t < count; t++) {
            __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(even[t], odd[t]));
            __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(d->scale[(first + t) * groups + g]));
            sums[t] = _mm512_add_ps(sums[t], _mm512_mul_ps(sum, factor));
            values[t] += PST_GROUP;
        }
        codes += bits * PST_GROUP * PST_ROWS / 8;
        scales += PST_ROWS;
        special += 4;
    }
#pragma GCC unroll 6
    for (int t = 0; t < count; t++) _mm512_storeu_ps(out + t * PST_ROWS, sums[t]);
}

#define TILE(NAME, BITS)                                                                                        \
    TARGET static void NAME(const pst_bitmod_view *w, int64_t block, const pst_digits *d, int64_t first,        \
                            int count, float *sums) {                                                           \
        switch (count) {                                                                                        \
        case 1: tile(w, block, d, first, sums, BITS, 1); break;                                                 \
        case 2: tile(w, block, d, first, sums, BITS, 2); break;                                                 \
        case 3: tile(w, block, d, first, sums, BITS, 3); break;                                                 \
        case 4: tile(w, block, d, first, sums, BITS, 4); break;                                                 \
        case 5: tile(w, block, d, first, sums, BITS, 5); break;                                                 \
        default: tile(w, block, d, first, sums, BITS, 6); break;                                                \
        }                                                                                                       \
    }

TILE(fp4, 4)
TILE(fp3, 3)
PST_QUANTIZE(quantize, TARGET)

const pst_variant pst_bitmod_avx512 = {fp4, fp3, quantize};
#endif
