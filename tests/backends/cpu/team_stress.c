/* Many short runs of changing thread counts, many barriers each: every thread must see what all wrote. */
#include <stdio.h>

#include "runtime.h"

enum { ROUNDS = 200, RUNS = 400 };

static int64_t cells[8], wrong;

static void body(pst_thread *thread, void *argument) {
    (void)argument;
    int64_t count = thread->count;
    for (int64_t round = 0; round < ROUNDS; round++) {
        cells[thread->id] = round + thread->id;
        pst_barrier(thread);
        int64_t sum = 0;
        for (int64_t id = 0; id < count; id++) sum += cells[id];
        if (sum != round * count + count * (count - 1) / 2) __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
        pst_barrier(thread);
    }
}

int main(void) {
    static const int counts[] = {2, 1, 4, 3, 2, 4, 1, 3};
    char arena[1024];
    for (int run = 0; run < RUNS; run++)
        if (pst_run(counts[run % 8], body, NULL, NULL, arena, (pst_workspace){0, 0, 64})) return 2;
    printf("%lld\n", (long long)wrong);
    return wrong != 0;
}
