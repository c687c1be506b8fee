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

/* The `count` digits of one group, given its largest magnitude; digit i goes to values + i * stride, its sum to
   sums[i]. Gives the group's scale. Adding and taking off 1.5 * 2^23 rounds to the nearest integer, ties to even. */
PST_INLINE float pst_quantize_group(const float *x, float largest, const int count, int8_t *values, int64_t stride,
                                    int32_t *sums) {
    const int32_t whole = count == 3 ? PST_DIGIT * PST_DIGIT : count == 2 ? PST_DIGIT : 1;
    const float top = 127.0f * (float)whole, round = 0x1.8p23f;
    float factor = largest < PST_LEAST ? 0.0f : top / largest;
    int32_t rest[PST_GROUP];
    for (int i = 0; i < PST_GROUP; i++) rest[i] = (int32_t)((x[i] * factor + round) - round);
    for (int place = count - 1; place >= 0; place--) {
        int8_t *to = values + place * stride;
        int32_t sum = 0;
        for (int i = 0; i < PST_GROUP; i++) {
            int32_t upper = place ? (rest[i] + PST_DIGIT / 2) >> 7 : 0, digit = rest[i] - upper * PST_DIGIT;
            to[i] = (int8_t)digit;
            sum += digit;
            rest[i] = upper;
        }
        sums[place] = sum;
    }
    return largest < PST_LEAST ? 0.0f : largest / top;
}

PST_INLINE void pst_quantize_token(const pst_digits *to, int64_t row, const int count, const float *x,
                                   int64_t inputs) {
    int64_t groups = to->groups, padded = groups * PST_GROUP;
    int8_t *values = to->values + row * padded;
    float *scale = to->scale + row * groups, most = 0.0f, rest[PST_GROUP];
    int32_t *offset = to->offset + row * groups;
    for (int64_t g = 0; g < groups; g++) {
        const float *from = x + g * PST_GROUP;
        if ((g + 1) * PST_GROUP > inputs) {
            memset(rest, 0, sizeof rest);
            memcpy(rest, from, (size_t)(inputs - g * PST_GROUP) * sizeof *rest);
            from = rest;
        }
        int32_t sums[PST_MOST_DIGITS];
        float largest = pst_largest(from);
        if (!isfinite(largest)) {
            memset(values, 0, (size_t)(count * padded));
            memset(scale, 0, (size_t)(count * groups) * sizeof *scale);
            memset(offset, 0, (size_t)(count * groups) * sizeof *offset);
            for (int i = 0; i < count; i++) to->range[row + i] = NAN;
            return;
        }
        scale[g] = pst_quantize_group(from, largest, count, values + g * PST_GROUP, padded, sums);
        for (int i = 0; i < count; i++) offset[i * groups + g] = -PST_OFFSET * sums[i];
        most = scale[g] > most ? scale[g] : most;
    }
    /* Scales relative to a power of two stay exact, and the largest activation cannot overflow a sum. */
    int exponent = most > 0.0f ? ilogbf(most) : 0;
    float down = ldexpf(1.0f, -exponent);
    for (int64_t g = 0; g < groups; g++) {
        float relative = scale[g] * down;
        for (int i = count - 1; i >= 0; i--) {
            scale[i * groups + g] = relative;
            relative *= PST_DIGIT;
        }
    }
    for (int i = 0; i < count; i++) to->range[row + i] = ldexpf(1.0f, exponent);
}

#define PST_QUANTIZE(NAME, TARGET)                                                                              \
    TARGET static void NAME(const pst_digits *to, int64_t row, int count, const float *x, int64_t inputs) {     \
        if (count == 3)                                                                                         \
            pst_quantize_token(to, row, 3, x, inputs);                                                          \
        else if (count == 2)                                                                                    \
            pst_quantize_token(to, row, 2, x, inputs);                                                          \
        else                                                                                                    \
            pst_quantize_token(to, row, 1, x, inputs);                                                          \
    }

#endif
