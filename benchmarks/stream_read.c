/* Reads memory from front to back and nothing else: what a kernel that reads its weights once can reach. */
#include "runtime.h"

typedef uint64_t line __attribute__((vector_size(64)));

/* How: left to the processor's prefetcher; both halves of a thread's share at once; asked for far ahead, into the
   second-level cache. */
enum { PLAIN, HALVES, AHEAD };

typedef struct {
    const line *lines;
    int64_t count; /* a multiple of 8 */
    int how;
    uint64_t sum;
} stream;

enum { NEAR = 32, FAR = 192 }; /* lines asked for in advance */

__attribute__((target_clones("default", "avx2", "avx512f"))) static uint64_t sum_of(const line *lines, int64_t count,
                                                                                    int how) {
    line sums[4] = {{0}};
    int streams = how == HALVES ? 2 : 1;
    int64_t part = count / streams;
    for (int64_t i = 0; i < part; i += 4)
        for (int s = 0; s < streams; s++)
            for (int j = 0; j < 4; j++) {
                const line *at = lines + s * part + i + j;
                if (how == HALVES) __builtin_prefetch(at + NEAR);
                if (how == AHEAD) __builtin_prefetch(at + FAR, 0, 2);
                sums[j] += *at;
            }
    line all = sums[0] + sums[1] + sums[2] + sums[3];
    return all[0] + all[1] + all[2] + all[3] + all[4] + all[5] + all[6] + all[7];
}

static void body(pst_thread *thread, void *argument) {
    stream *s = argument;
    int64_t pieces = s->count / 8;
    int64_t begin = pieces * thread->id / thread->count, end = pieces * (thread->id + 1) / thread->count;
    uint64_t sum = sum_of(s->lines + begin * 8, (end - begin) * 8, s->how);
    __atomic_fetch_add(&s->sum, sum, __ATOMIC_RELAXED);
}

uint64_t stream_read(int threads, const void *lines, int64_t count, int how) {
    stream s = {lines, count, how, 0};
    pst_run(threads, body, &s, NULL, NULL, (pst_workspace){0, 0, 0});
    return s.sum;
}
