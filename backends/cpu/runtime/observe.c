/* Looking at a run step by step: a probe sees every step's outputs, records take every step's time. */
#define _GNU_SOURCE
#include "runtime.h"

#include <time.h>

enum { DEEPEST = 32 };

static struct {
    pst_probe *probe;
    pst_record *records;
    int64_t capacity, recorded;
    int64_t before; /* when the last step ended */
} observer;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void penstock_observe(pst_probe *probe, pst_record *records, int64_t capacity) {
    observer.probe = probe;
    observer.records = records;
    observer.capacity = records ? capacity : 0;
}

int64_t penstock_recorded(void) { return observer.recorded; }

int pst_observed(void) { return observer.probe || observer.records; }

void pst_observation_begins(void) {
    observer.recorded = 0;
    observer.before = now();
}

static void record(const pst_scope *scope, int32_t step) {
    if (observer.recorded < observer.capacity)
        observer.records[observer.recorded++] = (pst_record){step, scope ? scope->call : -1, now() - observer.before};
}

static void show(const pst_scope *scope, int32_t step, int32_t count, void *const *outputs) {
    int32_t calls[DEEPEST], depth = 0;
    for (const pst_scope *at = scope; at && depth < DEEPEST; at = at->outer) depth++;
    int32_t place = depth;
    for (const pst_scope *at = scope; at && place > 0; at = at->outer) calls[--place] = at->call;
    observer.probe(step, depth, calls, count, outputs);
}

void pst_observe(const pst_thread *thread, const pst_scope *scope, int32_t step, int32_t count, void *const *outputs) {
    pst_barrier(thread); /* the step is complete */
    if (thread->id == 0) {
        record(scope, step);
        if (observer.probe) show(scope, step, count, outputs);
        observer.before = now();
    }
    pst_barrier(thread); /* nothing is overwritten while it is looked at */
}
