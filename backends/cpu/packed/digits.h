/* Activations to int8 digits. Inlined into each variant, so that the compiler vectorizes for its instructions. */
#ifndef PENSTOCK_DIGITS_H
#define PENSTOCK_DIGITS_H

#include "bitmod.h"

#include <math.h>

/* Groups whose largest magnitude is below this count as zero: its reciprocal would not be finite. */
#define PST_LEAST 0x1p-100f

/* Largest magnitude of a group, by its bits: those of Inf and NaN are the largest. */
PST_INLINE float pst_largest(const float *x) {
    int32_t most = 0, bits[PST_GROUP];
    memcpy(bits, x, sizeof bits);
    for (int i = 0; i < PST_GROUP; i++) {
        int32_t magnitude = bits[i] & 0x7fffffff;
        most = magnitude > most ? magnitude : most;
    }
    float largest;
    memcpy(&largest, &most, sizeof largest);
    return largest;
}

/* Digits of one group, given its largest magnitude; gives its scale. Adding and taking off 1.5 * 2^23 rounds to the
   nearest integer, ties to even. */
PST_INLINE float pst_quantize_group(const float *x, float largest, int count, int8_t *high, int8_t *low, int32_t *sums) {
    const float top = count == 2 ? 127.0f * PST_DIGIT : 127.0f, round = 0x1.8p23f;
    float factor = largest < PST_LEAST ? 0.0f : top / largest;
    int32_t high_sum = 0, low_sum = 0;
    for (int i = 0; i < PST_GROUP; i++) {
        int32_t value = (int32_t)((x[i] * factor + round) - round);
        int32_t upper = count == 2 ? (value + PST_DIGIT / 2) >> 7 : value;
        int32_t lower = value - upper * PST_DIGIT;
        high[i] = (int8_t)upper;
        high_sum += upper;
        if (count == 2) {
            low[i] = (int8_t)lower;
            low_sum += lower;
        }
    }
    sums[0] = high_sum;
    sums[1] = low_sum;
    return largest < PST_LEAST ? 0.0f : largest / top;
}

PST_INLINE void pst_quantize_token(const pst_digits *to, int64_t row, const int count, const float *x,
                                   int64_t inputs) {
    int64_t groups = to->groups, padded = groups * PST_GROUP;
    int8_t *high = to->values + row * padded, *low = high + (count - 1) * padded;
    float *scale = to->scale + row * groups, most = 0.0f, rest[PST_GROUP];
    int32_t *offset = to->offset + row * groups;
    for (int64_t g = 0; g < groups; g++) {
        const float *from = x + g * PST_GROUP;
        if ((g + 1) * PST_GROUP > inputs) {
            memset(rest, 0, sizeof rest);
            memcpy(rest, from, (size_t)(inputs - g * PST_GROUP) * sizeof *rest);
            from = rest;
        }
        int32_t sums[2];
        float largest = pst_largest(from);
        if (!isfinite(largest)) {
            memset(to->values + row * padded, 0, (size_t)(count * padded));
            memset(scale, 0, (size_t)(count * groups) * sizeof *scale);
            memset(offset, 0, (size_t)(count * groups) * sizeof *offset);
            for (int i = 0; i < count; i++) to->range[row + i] = NAN;
            return;
        }
        scale[g] = pst_quantize_group(from, largest, count, high + g * PST_GROUP, low + g * PST_GROUP, sums);
        for (int i = 0; i < count; i++) offset[i * groups + g] = -PST_OFFSET * sums[i];
        most = scale[g] > most ? scale[g] : most;
    }
    /* Scales relative to a power of two stay exact, and the largest activation cannot overflow a sum. */
    int exponent = most > 0.0f ? ilogbf(most) : 0;
    float down = ldexpf(1.0f, -exponent);
    for (int64_t g = 0; g < groups; g++) {
        float relative = scale[g] * down;
        scale[g] = count == 2 ? relative * PST_DIGIT : relative;
        if (count == 2) scale[groups + g] = relative;
    }
    for (int i = 0; i < count; i++) to->range[row + i] = ldexpf(1.0f, exponent);
}

#define PST_QUANTIZE(NAME, TARGET)                                                                              \
    TARGET static void NAME(const pst_digits *to, int64_t row, int count, const float *x, int64_t inputs) {     \
        if (count == 2)                                                                                         \
            pst_quantize_token(to, row, 2, x, inputs);                                                          \
        else                                                                                                    \
            pst_quantize_token(to, row, 1, x, inputs);                                                          \
    }

#endif
