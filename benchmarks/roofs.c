/* What a core's arithmetic can reach: multiply-adds on registers alone, at every vector width the processor has.
   Twelve independent sums hide the latency of the instruction; each ends as a number known beforehand. */
#include "runtime.h"

#include <immintrin.h>

enum { SUMS = 12 };

/* Adds `count` times the product of operands that are 1 to sums that begin at 0, 1, ... 11; gives all lanes' sum. */
typedef float loop(int64_t count, float one);

#define LOOP(NAME, TARGET, SUM, OPERAND, START, ONES, STEP)                                                            \
    __attribute__((target(TARGET))) static float NAME(int64_t count, float one) {                                      \
        OPERAND a = ONES, b = ONES;                                                                                    \
        SUM sums[SUMS];                                                                                                \
        _Pragma("GCC unroll 12") for (int i = 0; i < SUMS; i++) sums[i] = START;                                       \
        for (int64_t k = 0; k < count; k++) {                                                                          \
            _Pragma("GCC unroll 12") for (int i = 0; i < SUMS; i++) sums[i] = STEP;                                    \
        }                                                                                                              \
        float lanes[sizeof(SUM) / sizeof(float)], total = 0;                                                           \
        for (int i = 0; i < SUMS; i++) {                                                                               \
            memcpy(lanes, &sums[i], sizeof lanes);                                                                     \
            for (unsigned lane = 0; lane < sizeof lanes / sizeof *lanes; lane++) total += lanes[lane] - (float)i;      \
        }                                                                                                              \
        return total;                                                                                                  \
    }

LOOP(f32_128_mul_add, "sse2", __m128, __m128, _mm_set1_ps((float)i), _mm_set1_ps(one),
     _mm_add_ps(_mm_mul_ps(a, b), sums[i]))
LOOP(f32_128, "avx2,fma", __m128, __m128, _mm_set1_ps((float)i), _mm_set1_ps(one), _mm_fmadd_ps(a, b, sums[i]))
LOOP(f32_256, "avx2,fma", __m256, __m256, _mm256_set1_ps((float)i), _mm256_set1_ps(one),
     _mm256_fmadd_ps(a, b, sums[i]))
LOOP(f32_512, "avx512f", __m512, __m512, _mm512_set1_ps((float)i), _mm512_set1_ps(one), _mm512_fmadd_ps(a, b, sums[i]))
LOOP(bf16_128, "avx512f,avx512vl,avx512bf16", __m128, __m128bh, _mm_set1_ps((float)i),
     _mm_cvtne2ps_pbh(_mm_set1_ps(one), _mm_set1_ps(one)), _mm_dpbf16_ps(sums[i], a, b))
LOOP(bf16_256, "avx512f,avx512vl,avx512bf16", __m256, __m256bh, _mm256_set1_ps((float)i),
     _mm256_cvtne2ps_pbh(_mm256_set1_ps(one), _mm256_set1_ps(one)), _mm256_dpbf16_ps(sums[i], a, b))
LOOP(bf16_512, "avx512f,avx512vl,avx512bf16", __m512, __m512bh, _mm512_set1_ps((float)i),
     _mm512_cvtne2ps_pbh(_mm512_set1_ps(one), _mm512_set1_ps(one)), _mm512_dpbf16_ps(sums[i], a, b))

static loop *const LOOPS[] = {f32_128_mul_add, f32_128, f32_256, f32_512, bf16_128, bf16_256, bf16_512};

typedef struct {
    int which;
    int64_t count;
    float *totals;
} work;

static void body(pst_thread *thread, void *argument) {
    work *w = argument;
    w->totals[thread->id] = LOOPS[w->which](w->count, 1.0f);
}

/* Every thread runs loop `which` and leaves its total. Gives 0, or an errno. */
int roofs_run(int threads, int which, int64_t count, float *totals) {
    work w = {which, count, totals};
    return pst_run(threads, body, &w, NULL, NULL, (pst_workspace){0, 0, 0});
}
