/* A linear layer with BitMoD weights: y[t, n] = sum over d of x[t, d] * w[n, d], plus bias[n].

   An image holds the weights of 16 rows side by side, so that one 512-bit register carries four consecutive
   weights of each row, a vector lane never mixes rows, and nothing is summed across lanes. layout.py packs it
   and says where its bits are.

   Activations are int8, with one scale per token and group of 128: one to three digits in base 128, the highest first. A
   stored level is between -16 and 16; level + 16 is an unsigned byte, and 16 * (the sum of the activations) is
   taken off again. Integer sums are exact, and floats are added in one order, so every variant of the kernel
   gives the same bits. */
#ifndef PENSTOCK_BITMOD_H
#define PENSTOCK_BITMOD_H

#include "runtime.h"

enum { PST_GROUP = 128, PST_ROWS = 16, PST_OFFSET = 16, PST_DIGIT = 128, PST_MOST_DIGITS = 3, PST_TILE = 6 };

/* What an image begins with; its sections follow at multiples of 64 bytes, in the order of pst_bitmod_view. */
typedef struct pst_bitmod_header {
    int64_t magic, bits, rows, inputs, total_bytes, reserved[3];
} pst_bitmod_header;

#define PST_BITMOD_MAGIC 0x31444f4d54494250 /* PBITMOD1 */

typedef struct pst_bitmod_view {
    int64_t bits, rows, inputs, blocks, groups, group_bytes; /* group_bytes: codes of 16 rows and one group */
    const float *channel, *bias;    /* [blocks, 16] */
    const uint8_t *scale, *special; /* [blocks, groups, 16] and, two bits a row, [blocks, groups, 4] */
    const uint8_t *codes;           /* [blocks, groups, group_bytes] */
} pst_bitmod_view;

/* Activations as digits; a token has one to three of these rows. */
typedef struct pst_digits {
    int64_t groups;
    int8_t *values;  /* [rows, groups * 128] */
    float *scale;    /* [rows, groups], relative to the token's range */
    int32_t *offset; /* [rows, groups]: -16 * the sum of the group's values */
    float *range;    /* [rows]: a power of two; NaN for a token that is not finite */
} pst_digits;

/* Coordinates 0 .. extent-1 of tokens, inputs or channels, and their strides in x and y, in elements. */
typedef struct pst_axis {
    int64_t extent, x, y;
} pst_axis;

/* Where numbers lie: axes outermost first, the extents of those not in use 1. */
enum { PST_AXES = 4 };
typedef struct pst_places {
    pst_axis tokens[PST_AXES], inputs[PST_AXES], channels[PST_AXES];
} pst_places;

/* A call. Without places x is [tokens, inputs] and y [tokens, rows]; without a bias the image's counts. digits is 1
   to 3; isa one of pst_bitmod_isa, 0 for the best; shared has pst_bitmod_shared_bytes(...) bytes, aligned to 64. Where
   a token's inputs do not lie end to end, the thread's scratch has room for them. */
typedef struct pst_bitmod_call {
    const void *image;
    const float *x;
    float *y;
    void *shared;
    int64_t tokens;
    int32_t digits, isa;
    const float *bias;
    const pst_places *places;
} pst_bitmod_call;

enum pst_bitmod_isa { PST_BEST, PST_PORTABLE, PST_AVX2, PST_AVX512 };

/* Whether this machine runs that variant. */
int pst_bitmod_runs(int isa);

int64_t pst_bitmod_shared_bytes(int64_t inputs, int64_t tokens, int digits);

/* Every thread of a team calls this with the same call; it passes one barrier inside and none at its end. */
void pst_bitmod_linear(const pst_thread *thread, const pst_bitmod_call *call);

/* The same as a run of its own: 0, or an errno. */
int penstock_bitmod_run(int threads, pst_bitmod_call *call);

/* sums[i, r] of 16 rows of weights (block) and `count` <= PST_TILE rows of digits from `first` on:
   sum over groups of scale * (integer dot product), without the channel's scale. */
typedef void pst_tile(const pst_bitmod_view *weights, int64_t block, const pst_digits *digits, int64_t first,
                      int count, float *sums);

/* One token to one to three rows of digits, of which `row` is the first. */
typedef void pst_quantize(const pst_digits *digits, int64_t row, int count, const float *x, int64_t inputs);

typedef struct pst_variant {
    pst_tile *fp4, *fp3;
    pst_quantize *quantize;
} pst_variant;

extern const pst_variant pst_bitmod_portable;
#if defined(__x86_64__)
extern const pst_variant pst_bitmod_avx2, pst_bitmod_avx512;
#endif

#define PST_INLINE static inline __attribute__((always_inline))

#endif
