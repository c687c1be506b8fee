/* The team: threads that stay, started at the first run that needs them. A run's word (number and thread
   count in one) tells each whether it takes part; a barrier of one counter and one generation joins them.
   Waiting spins briefly, since steps are short, and then sleeps on a futex, since cores may be shared. */
#define _GNU_SOURCE
#include "runtime.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_THREADS = 255, SPINS = 20000 };

typedef struct {
    _Alignas(64) _Atomic uint32_t value;
    _Alignas(64) _Atomic int32_t sleepers;
} word;

static struct {
    pthread_mutex_t lock; /* held for a whole run */
    int started;          /* workers 1 .. started exist */
    long processors;      /* online at the first run: to ask costs reads of files */
    _Atomic int spins;
    word job;        /* number << 8 | threads */
    word generation; /* of the barrier */
    _Alignas(64) _Atomic int32_t arrived;
    pst_body *body;
    void *argument;
    int apart; /* workers keep off this processor, the caller's; -1: they run anywhere */
    pthread_t handles[MOST_THREADS];
    pst_thread threads[MOST_THREADS];
} team = {.lock = PTHREAD_MUTEX_INITIALIZER, .apart = -1};

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void change(word *at, uint32_t to) {
    atomic_store(&at->value, to);
    if (atomic_load(&at->sleepers)) syscall(SYS_futex, &at->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static uint32_t await_change(word *at, uint32_t from) {
    uint32_t now;
    int spins = atomic_load_explicit(&team.spins, memory_order_relaxed);
    for (int spin = 0; spin < spins; spin++) {
        if ((now = atomic_load_explicit(&at->value, memory_order_acquire)) != from) return now;
        relax();
    }
    atomic_fetch_add(&at->sleepers, 1);
    while ((now = atomic_load(&at->value)) == from)
        syscall(SYS_futex, &at->value, FUTEX_WAIT_PRIVATE, from, NULL, NULL, 0);
    atomic_fetch_sub(&at->sleepers, 1);
    return now;
}

void pst_barrier(const pst_thread *thread) {
    int64_t count = thread->count; /* read before arriving: afterwards the next run may already set it */
    if (count == 1) return;
    uint32_t generation = atomic_load(&team.generation.value);
    if (atomic_fetch_add(&team.arrived, 1) + 1 == count) {
        atomic_store(&team.arrived, 0);
        change(&team.generation, generation + 1);
    } else {
        await_change(&team.generation, generation);
    }
}

static void *work(void *argument) {
    pst_thread *me = argument;
    uint32_t number = 0;
    int64_t id = me - team.threads;
    for (;;) {
        number = await_change(&team.job, number);
        if (id >= (int64_t)(number & 255)) continue;
        team.body(me, team.argument);
        pst_barrier(me);
    }
    return NULL;
}

/* A forked child has the memory and none of the threads. */
static void forget(void) {
    team.started = 0;
    team.apart = -1;
    atomic_store(&team.job.value, 0);
    atomic_store(&team.job.sleepers, 0);
    atomic_store(&team.generation.sleepers, 0);
    atomic_store(&team.arrived, 0);
    pthread_mutex_init(&team.lock, NULL);
}

static void prepare(void) {
    pthread_atfork(NULL, NULL, forget);
    team.processors = sysconf(_SC_NPROCESSORS_ONLN);
}

/* A worker woken from a long sleep is put on its waker's processor, where the two would take turns until the
   scheduler moves one, milliseconds later. So workers may run wherever this process may, but not there. */
static void spread(int threads) {
    cpu_set_t allowed;
    int here = sched_getcpu();
    if (here < 0 || sched_getaffinity(0, sizeof allowed, &allowed)) return;
    if (threads > CPU_COUNT(&allowed)) here = -1;
    if (here == team.apart) return;
    if (here >= 0) CPU_CLR(here, &allowed);
    for (int id = 1; id <= team.started; id++) pthread_setaffinity_np(team.handles[id], sizeof allowed, &allowed);
    team.apart = here;
}

static int grow(int threads) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
    while (team.started < threads - 1) {
        int id = team.started + 1;
        int status = pthread_create(&team.handles[id], NULL, work, &team.threads[id]);
        if (status) return status;
        pthread_detach(team.handles[id]);
        team.started = id;
        team.apart = -1;
    }
    return 0;
}

int pst_run(int threads, pst_body *body, void *argument, const char *weights, char *arena, pst_workspace space) {
    if (threads < 1 || threads > MOST_THREADS) return EINVAL;
    pthread_mutex_lock(&team.lock);
    int status = grow(threads);
    if (status == 0) {
        team.spins = threads <= team.processors ? SPINS : 0;
        team.body = body;
        team.argument = argument;
        char *shared = arena + space.frame, *scratch = shared + space.shared;
        for (int id = 0; id < threads; id++)
            team.threads[id] =
                (pst_thread){id, threads, weights, shared, scratch + id * space.scratch, pst_observed()};
        pst_observation_begins();
        uint32_t last = atomic_load(&team.job.value);
        if (threads > 1) spread(threads);
        if (threads > 1) change(&team.job, ((last >> 8) + 1) << 8 | (uint32_t)threads);
        body(&team.threads[0], argument);
        pst_barrier(&team.threads[0]);
    }
    pthread_mutex_unlock(&team.lock);
    return status;
}
