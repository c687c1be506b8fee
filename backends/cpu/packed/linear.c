/* The layer: quantizes the activations, hands out rows to threads, and picks the kernel for the machine. */
#include "bitmod.h"

#include <stdatomic.h>

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/* Bytes of activations that stay in a second-level cache while all of a thread's weights pass by. */
enum { NEAR_BYTES = 1 << 20 };

/* Pieces of the rows for each thread; who is done takes the next one, since cores may be shared with others. */
enum { PIECES = 16 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static pst_bitmod_view view(const void *image) {
    const pst_bitmod_header *header = image;
    pst_bitmod_view w = {.bits = header->bits, .rows = header->rows, .inputs = header->inputs};
    w.blocks = (w.rows + PST_ROWS - 1) / PST_ROWS;
    w.groups = (w.inputs + PST_GROUP - 1) / PST_GROUP;
    w.group_bytes = PST_GROUP * PST_ROWS / 8 * w.bits;
    const char *at = (const char *)image + aligned(sizeof *header);
    w.channel = (const float *)at;
    at += w.blocks * PST_ROWS * 4;
    w.bias = (const float *)at;
    at += w.blocks * PST_ROWS * 4;
    w.scale = (const uint8_t *)at;
    at += aligned(w.blocks * w.groups * PST_ROWS);
    w.special = (const uint8_t *)at;
    at += aligned(w.blocks * w.groups * 4);
    w.codes = (const uint8_t *)at;
    return w;
}

/* The shared memory of a call: a counter of the work taken, then the digits. */
static int64_t lay_out(pst_digits *digits, uintptr_t shared, int64_t inputs, int64_t rows) {
    int64_t groups = (inputs + PST_GROUP - 1) / PST_GROUP, at = aligned(sizeof(_Atomic int64_t));
    digits->groups = groups;
    digits->values = (int8_t *)(shared + at);
    at += rows * groups * PST_GROUP;
    digits->scale = (float *)(shared + at);
    at += aligned(rows * groups * 4);
    digits->offset = (int32_t *)(shared + at);
    at += aligned(rows * groups * 4);
    digits->range = (float *)(shared + at);
    return at + aligned(rows * 4);
}

int64_t pst_bitmod_shared_bytes(int64_t inputs, int64_t tokens, int digits) {
    pst_digits unused;
    return lay_out(&unused, 0, inputs, tokens * digits);
}

int pst_bitmod_runs(int isa) {
    if (isa == PST_BEST || isa == PST_PORTABLE) return 1;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (isa == PST_AVX2) return __builtin_cpu_supports("avx2") != 0;
    if (isa == PST_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
#endif
    return 0;
}

static const pst_variant *variant(int isa) {
#if defined(__x86_64__)
    static _Atomic int best;
    if (isa == PST_BEST) {
        if (!best) best = pst_bitmod_runs(PST_AVX512) ? PST_AVX512 : pst_bitmod_runs(PST_AVX2) ? PST_AVX2 : PST_PORTABLE;
        isa = best;
    }
    if (isa == PST_AVX512) return &pst_bitmod_avx512;
    if (isa == PST_AVX2) return &pst_bitmod_avx2;
#endif
    return &pst_bitmod_portable;
}

static pst_places in_order(int64_t tokens, int64_t inputs, int64_t rows) {
    const pst_axis one = {1, 0, 0};
    return (pst_places){{one, one, one, {tokens, inputs, rows}}, {one, one, one, {inputs, 1, 0}},
                        {one, one, one, {rows, 0, 1}}};
}

static int64_t in_x(const pst_axis *axes, int64_t number) {
    int64_t at = 0;
    for (int i = PST_AXES - 1; i >= 0; number /= axes[i--].extent) at += number % axes[i].extent * axes[i].x;
    return at;
}

static int64_t in_y(const pst_axis *axes, int64_t number) {
    int64_t at = 0;
    for (int i = PST_AXES - 1; i >= 0; number /= axes[i--].extent) at += number % axes[i].extent * axes[i].y;
    return at;
}

/* A token's inputs, end to end. */
static const float *gathered(const float *x, const pst_axis *axes, int64_t inputs, float *to) {
    const pst_axis *last = &axes[PST_AXES - 1];
    if (last->extent == inputs && last->x == 1) return x;
    for (int64_t d = 0; d < inputs; d += last->extent) {
        const float *from = x + in_x(axes, d);
        for (int64_t i = 0; i < last->extent; i++) to[d + i] = from[i * last->x];
    }
    return to;
}

/* y of some tokens and one block of rows, from the sums of their digits. */
static void finish(const pst_bitmod_view *w, int64_t block, const pst_digits *d, int64_t first, int count,
                   const pst_bitmod_call *call, const pst_places *places, const float *sums) {
    const pst_axis *last = &places->channels[PST_AXES - 1];
    int64_t n = block * PST_ROWS;
    int rows = w->rows - n < PST_ROWS ? (int)(w->rows - n) : PST_ROWS;
    const float *channel = w->channel + n, *bias = (call->bias ? call->bias : w->bias) + n;
    for (int i = 0; i < count; i += call->digits) {
        const float *of = sums + i * PST_ROWS;
        float range = d->range[first + i], out[PST_ROWS];
        for (int r = 0; r < rows; r++) {
            float sum = of[r];
            for (int digit = 1; digit < call->digits; digit++) sum += of[digit * PST_ROWS + r];
            out[r] = sum * channel[r] * range + bias[r];
        }
        float *y = call->y + in_y(places->tokens, (first + i) / call->digits);
        if (last->extent == w->rows && last->y == 1)
            memcpy(y + n, out, (size_t)rows * sizeof *out);
        else
            for (int r = 0; r < rows; r++) y[in_y(places->channels, n + r)] = out[r];
    }
}

void pst_bitmod_linear(const pst_thread *thread, const pst_bitmod_call *call) {
    pst_bitmod_view w = view(call->image);
    const pst_variant *kernels = variant(call->isa);
    pst_tile *tile = w.bits == 4 ? kernels->fp4 : kernels->fp3;
    pst_places ordered = in_order(call->tokens, w.inputs, w.rows);
    const pst_places *places = call->places ? call->places : &ordered;
    pst_digits digits;
    int64_t rows = call->tokens * call->digits;
    lay_out(&digits, (uintptr_t)call->shared, w.inputs, rows);
    for (int64_t t = thread->id; t < call->tokens; t += thread->count) {
        const float *x = call->x + in_x(places->tokens, t);
        x = gathered(x, places->inputs, w.inputs, (float *)thread->scratch);
        kernels->quantize(&digits, t * call->digits, call->digits, x, w.inputs);
    }
    _Atomic int64_t *taken = call->shared;
    if (thread->id == 0) atomic_store(taken, 0);
    pst_barrier(thread);

    int64_t near = least(rows, NEAR_BYTES / (w.groups * PST_GROUP) / PST_TILE * PST_TILE);
    if (near < PST_TILE) near = PST_TILE;
    int64_t piece = w.blocks / (thread->count * PIECES) + 1, pieces = (w.blocks + piece - 1) / piece;
    for (;;) {
        int64_t number = atomic_fetch_add(taken, 1);
        int64_t from = number / pieces * near, begin = number % pieces * piece;
        if (from >= rows) return;
        int64_t to = least(from + near, rows), end = least(begin + piece, w.blocks);
        for (int64_t block = begin; block < end; block++)
            for (int64_t first = from; first < to; first += PST_TILE) {
                int count = (int)least(to - first, PST_TILE);
                float sums[PST_TILE * PST_ROWS];
                tile(&w, block, &digits, first, count, sums);
                finish(&w, block, &digits, first, count, call, places, sums);
            }
    }
}

static void body(pst_thread *thread, void *call) { pst_bitmod_linear(thread, call); }

int penstock_bitmod_run(int threads, pst_bitmod_call *call) {
    return pst_run(threads, body, call, NULL, NULL, (pst_workspace){0, 0, 0});
}
