/* Plain C: a group of a row is decoded to bytes, then multiplied. */
#include "digits.h"
#include "levels.h"

static const uint8_t fp4_levels[64] = {PST_FP4_ALL};
static const uint8_t fp3_levels[64] = {PST_FP3_ALL(PST_FP3_0)};
static const uint8_t fp3_sign[8] = {2, 0, 3, 1, 6, 4, 7, 5}; /* bit of the sign plane, by step */

static void decode_fp4(const uint8_t *codes, const uint8_t *levels, int row, uint8_t *out) {
    for (int step = 0; step < 16; step++)
        for (int i = 0; i < 4; i++) {
            uint8_t pair = codes[step * 64 + row * 4 + i];
            out[step * 8 + i] = levels[pair & 15];
            out[step * 8 + 4 + i] = levels[pair >> 4];
        }
}

static void decode_fp3(const uint8_t *codes, const uint8_t *levels, int row, uint8_t *out) {
    for (int chunk = 0; chunk < 4; chunk++)
        for (int step = 0; step < 8; step++)
            for (int i = 0; i < 4; i++) {
                const uint8_t *planes = codes + chunk * 192 + row * 4 + i;
                int magnitude = planes[step / 4 * 64] >> step % 4 * 2 & 3, sign = planes[128] >> fp3_sign[step] & 1;
                out[chunk * 32 + step * 4 + i] = levels[sign << 2 | magnitude];
            }
}

static int32_t dot(const uint8_t *levels, const int8_t *values) {
    int32_t sum = 0;
    for (int i = 0; i < PST_GROUP; i++) sum += levels[i] * values[i];
    return sum;
}

PST_INLINE void tile(const pst_bitmod_view *w, int64_t block, const pst_digits *d, int64_t first, int count,
                     float *sums, const int bits) {
    memset(sums, 0, (size_t)count * PST_ROWS * sizeof *sums);
    for (int64_t g = 0; g < w->groups; g++) {
        int64_t at = block * w->groups + g;
        for (int row = 0; row < PST_ROWS; row++) {
            int special = w->special[at * 4 + row / 4] >> row % 4 * 2 & 3;
            float scale = (float)w->scale[at * PST_ROWS + row];
            const uint8_t *codes = w->codes + at * w->group_bytes;
            uint8_t levels[PST_GROUP];
            if (bits == 4)
                decode_fp4(codes, fp4_levels + special * 16, row, levels);
            else
                decode_fp3(codes, fp3_levels + special * 16, row, levels);
            for (int t = 0; t < count; t++) {
                int64_t group = (first + t) * d->groups + g;
                int32_t sum = d->offset[group] + dot(levels, d->values + group * PST_GROUP);
                sums[t * PST_ROWS + row] += (float)sum * (scale * d->scale[group]);
            }
        }
    }
}

static void fp4(const pst_bitmod_view *w, int64_t block, const pst_digits *d, int64_t first, int count, float *sums) {
    tile(w, block, d, first, count, sums, 4);
}

static void fp3(const pst_bitmod_view *w, int64_t block, const pst_digits *d, int64_t first, int count, float *sums) {
    tile(w, block, d, first, count, sums, 3);
}

PST_QUANTIZE(quantize, )

const pst_variant pst_bitmod_portable = {fp4, fp3, quantize};
