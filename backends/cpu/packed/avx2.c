/* AVX2: eight rows at a time, levels by vpshufb from one 16-entry table in which the special value's place holds
   zero, as no level does; there each row's own is put in. vpmaddubsw multiplies bytes and adds pairs, exactly:
   a level is at most 32 and an activation 127, so four of its results fit 16 bits before they are widened. */
#if defined(__x86_64__)
#include "digits.h"
#include "levels.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))

enum { TOKENS = 2, HALF = PST_ROWS / 2 };

static const uint8_t fp4_levels[16] __attribute__((aligned(16))) = {PST_FP4(0)};
static const uint8_t fp3_levels[4][16] __attribute__((aligned(16))) = {
    {PST_FP3_0(0)}, {PST_FP3_1(0)}, {PST_FP3_2(0)}, {PST_FP3_3(0)}};
static const uint8_t fp4_specials[16] __attribute__((aligned(16))) = {PST_FP4_SPECIALS};
static const uint8_t fp3_specials[16] __attribute__((aligned(16))) = {PST_FP3_SPECIALS};

TARGET PST_INLINE __m256i table(const uint8_t *levels) {
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)levels));
}

/* The special levels of eight rows, four bytes each; `bits` has two a row. */
TARGET PST_INLINE __m256i specials(const uint8_t *packed, const uint8_t *levels) {
    uint16_t bits;
    memcpy(&bits, packed, sizeof bits);
    const __m256i shifts = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14), lowest = _mm256_set1_epi32(3);
    __m256i index = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(bits), shifts), lowest);
    return _mm256_shuffle_epi8(table(levels), _mm256_mullo_epi32(index, _mm256_set1_epi32(0x01010101)));
}

/* Indices, below 16, to levels. */
TARGET PST_INLINE __m256i look_up(__m256i levels, __m256i index, __m256i special) {
    __m256i found = _mm256_shuffle_epi8(levels, index);
    return _mm256_add_epi8(found, _mm256_and_si256(_mm256_cmpeq_epi8(found, _mm256_setzero_si256()), special));
}

/* Bits where `mask` is set from `a`, elsewhere from `b`. */
TARGET PST_INLINE __m256i pick(__m256i mask, __m256i a, __m256i b) {
    return _mm256_xor_si256(b, _mm256_and_si256(mask, _mm256_xor_si256(a, b)));
}

TARGET PST_INLINE __m256i nibble(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }

TARGET PST_INLINE void multiply(__m256i *sums, __m256i levels, const int8_t *const *values, int at, const int count) {
#pragma GCC unroll 2
    for (int t = 0; t < count; t++) {
        int32_t four;
        memcpy(&four, values[t] + at, sizeof four);
        sums[t] = _mm256_add_epi16(sums[t], _mm256_maddubs_epi16(levels, _mm256_set1_epi32(four)));
    }
}

/* Sixteen inputs of eight rows: four products to each 16-bit sum. */
TARGET PST_INLINE void quarter_fp4(const uint8_t *codes, __m256i special, const int8_t *const *values, int at,
                                   __m256i *sums, const int count) {
    const __m256i levels = table(fp4_levels);
#pragma GCC unroll 2
    for (int step = 0; step < 2; step++) {
        __m256i pairs = _mm256_load_si256((const __m256i *)(codes + step * 64));
        multiply(sums, look_up(levels, nibble(pairs), special), values, at + step * 8, count);
        multiply(sums, look_up(levels, nibble(_mm256_srli_epi16(pairs, 4)), special), values, at + step * 8 + 4, count);
    }
}

TARGET PST_INLINE void quarter_fp3(const uint8_t *planes, int half, __m256i special, const int8_t *const *values,
                                   int at, __m256i *sums, const int count) {
    const __m256i low = _mm256_set1_epi8(3), high = _mm256_set1_epi8(12);
    __m256i magnitudes = _mm256_load_si256((const __m256i *)(planes + half * 64));
    __m256i signs = _mm256_load_si256((const __m256i *)(planes + 128)), shifted = _mm256_srli_epi16(magnitudes, 4);
    __m256i rest = nibble(half ? _mm256_srli_epi16(signs, 4) : signs);
    multiply(sums, look_up(table(fp3_levels[0]), pick(low, magnitudes, rest), special), values, at, count);
    multiply(sums, look_up(table(fp3_levels[1]), pick(high, magnitudes, rest), special), values, at + 4, count);
    multiply(sums, look_up(table(fp3_levels[2]), pick(low, shifted, rest), special), values, at + 8, count);
    multiply(sums, look_up(table(fp3_levels[3]), pick(high, shifted, rest), special), values, at + 12, count);
}

TARGET PST_INLINE void tile(const pst_bitmod_view *w, int64_t block, int half, const pst_digits *d, int64_t first,
                            float *out, const int bits, const int count) {
    const __m256i ones = _mm256_set1_epi16(1);
    int64_t groups = w->groups;
    __m256 sums[TOKENS];
    const int8_t *values[TOKENS];
#pragma GCC unroll 2
    for (int t = 0; t < count; t++) {
        sums[t] = _mm256_setzero_ps();
        values[t] = d->values + (first + t) * groups * PST_GROUP;
    }
    for (int64_t g = 0; g < groups; g++) {
        int64_t at = block * groups + g;
        const uint8_t *codes = w->codes + at * w->group_bytes + half * 32;
        __m256i special = specials(w->special + at * 4 + half * 2, bits == 4 ? fp4_specials : fp3_specials);
        __m256i wide[TOKENS];
#pragma GCC unroll 2
        for (int t = 0; t < count; t++) wide[t] = _mm256_set1_epi32(d->offset[(first + t) * groups + g]);
        for (int quarter = 0; quarter < 8; quarter++) {
            __m256i narrow[TOKENS];
#pragma GCC unroll 2
            for (int t = 0; t < count; t++) narrow[t] = _mm256_setzero_si256();
            if (bits == 4)
                quarter_fp4(codes + quarter * 128, special, values, quarter * 16, narrow, count);
            else
                quarter_fp3(codes + quarter / 2 * 192, quarter % 2, special, values, quarter * 16, narrow, count);
#pragma GCC unroll 2
            for (int t = 0; t < count; t++) wide[t] = _mm256_add_epi32(wide[t], _mm256_madd_epi16(narrow[t], ones));
        }
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(w->scale + at * PST_ROWS + half * HALF));
        __m256 scale = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
#pragma GCC unroll 2
        for (int t = 0; t < count; t++) {
            __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(d->scale[(first + t) * groups + g]));
            sums[t] = _mm256_add_ps(sums[t], _mm256_mul_ps(_mm256_cvtepi32_ps(wide[t]), factor));
            values[t] += PST_GROUP;
        }
    }
#pragma GCC unroll 2
    for (int t = 0; t < count; t++) _mm256_storeu_ps(out + t * PST_ROWS + half * HALF, sums[t]);
}

#define TILE(NAME, BITS)                                                                                        \
    TARGET static void NAME(const pst_bitmod_view *w, int64_t block, const pst_digits *d, int64_t first,        \
                            int count, float *sums) {                                                           \
        for (int half = 0; half < 2; half++)                                                                    \
            for (int t = 0; t < count; t += TOKENS) {                                                           \
                float *out = sums + t * PST_ROWS;                                                               \
                if (count - t == 1)                                                                             \
                    tile(w, block, half, d, first + t, out, BITS, 1);                                           \
                else                                                                                            \
                    tile(w, block, half, d, first + t, out, BITS, 2);                                           \
            }                                                                                                   \
    }

TILE(fp4, 4)
TILE(fp3, 3)
PST_QUANTIZE(quantize, TARGET)

const pst_variant pst_bitmod_avx2 = {fp4, fp3, quantize};
#endif
