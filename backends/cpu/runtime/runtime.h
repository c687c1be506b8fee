/* What a generated program stands on: a team of threads, a barrier, and a place to look at every step. */
#ifndef PENSTOCK_RUNTIME_H
#define PENSTOCK_RUNTIME_H

#include <stdint.h>
#include <string.h>

/* The calls that led here, innermost first; `call` numbers the program's calls of layers. */
typedef struct pst_scope {
    const struct pst_scope *outer;
    int32_t call;
} pst_scope;

/* One thread of one run. */
typedef struct pst_thread {
    int64_t id, count;
    const char *weights; /* data of weights.safetensors */
    char *shared;        /* workspace of all threads */
    char *scratch;       /* workspace of this thread */
    int observed;        /* whether somebody looks at every step */
} pst_thread;

/* How the bytes behind a program's frame are divided. */
typedef struct pst_workspace {
    int64_t frame, shared, scratch;
} pst_workspace;

typedef void pst_body(pst_thread *thread, void *argument);

/* Runs body(thread 0 .. threads-1) on the persistent team; the caller is thread 0. One run at a time.
   Gives 0, or an errno when a thread cannot be started. */
int pst_run(int threads, pst_body *body, void *argument, const char *weights, char *arena, pst_workspace space);

/* Returns when every thread of the run has come here. Spins for some microseconds, then sleeps. */
void pst_barrier(const pst_thread *thread);

/* Called on thread 0 after a step, with its outputs still valid: the step, the layer calls around it
   (outermost first) and pointers to what it wrote. */
typedef void pst_probe(int32_t step, int32_t depth, const int32_t *calls, int32_t count, void *const *outputs);

typedef struct pst_record {
    int32_t step, call; /* call: the innermost layer call, or -1 */
    int64_t nanoseconds;
} pst_record;

/* What the next runs are observed by; NULL for nothing. `records` takes up to `capacity` steps per run. */
void penstock_observe(pst_probe *probe, pst_record *records, int64_t capacity);

/* Steps recorded by the last run. */
int64_t penstock_recorded(void);

int pst_observed(void);
void pst_observation_begins(void);
void pst_observe(const pst_thread *thread, const pst_scope *scope, int32_t step, int32_t count, void *const *outputs);

/* Ends a step. */
static inline void pst_after(const pst_thread *thread, const pst_scope *scope, int32_t step, int32_t count,
                             void *const *outputs) {
    if (__builtin_expect(thread->observed, 0)) pst_observe(thread, scope, step, count, outputs);
}

/* Copies, each thread its share. */
static inline void pst_copy(const pst_thread *thread, void *to, const void *from, int64_t bytes) {
    int64_t share = (bytes / thread->count + 63) / 64 * 64;
    int64_t start = share * thread->id < bytes ? share * thread->id : bytes;
    int64_t end = thread->id + 1 < thread->count && start + share < bytes ? start + share : bytes;
    memcpy((char *)to + start, (const char *)from + start, (size_t)(end - start));
}

#endif
