// The oblivious map without keys, values or ciphers: only which bin holds what, and how much awaits its flush.
//
// An access takes its key from its bin, flushes both candidate bins, draws two distinct bins and puts the key
// into the less loaded one. Random numbers: xoshiro256++ (Blackman and Vigna), which is enough for loads.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 16, LOADS = 65 };
enum pattern { UNIFORM, ROUND_ROBIN, SWEEP, HALF, HOT, ZIPF, STRIDE, SINGLE };

typedef struct {
    uint32_t x, y;  // candidate bins; bit 31 of x says that y holds the key
} pst_pair;

typedef struct {
    uint64_t keys, bins, hbm_bins, slots;
    uint64_t s[4];
    uint64_t time;
    uint64_t hbm, queued;
    uint64_t max_load, max_hbm, max_queue, stashed, touches;
    pst_pair *pair;
    uint8_t *load;
    uint8_t *pending;
} pst_bounds;

static inline uint64_t left(uint64_t word, int by) { return word << by | word >> (64 - by); }

static inline uint64_t draw(uint64_t s[4]) {
    const uint64_t result = left(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = left(s[3], 45);
    return result;
}

static inline uint64_t below(uint64_t word, uint64_t count) { return (word & 0xffffffff) * count >> 32; }

static inline uint64_t chosen(pst_bounds *m, enum pattern pattern) {
    const uint64_t n = m->keys, t = m->time++;
    switch (pattern) {
        case UNIFORM: return below(draw(m->s), n);
        case ROUND_ROBIN: return t % n;
        case SWEEP: return t / n % 2 ? n - 1 - t % n : t % n;
        case HALF: return below(draw(m->s), n / 2);
        case HOT: {  // nine accesses in ten to one key in a hundred
            const uint64_t word = draw(m->s), hot = n / 100 ? n / 100 : 1;
            return (word >> 32) * 10 >> 32 ? below(word, hot) : below(word, n);
        }
        case ZIPF: {  // N^u: rank k has probability log((k+1)/k) / log N
            const uint64_t rank = (uint64_t)exp2((double)(draw(m->s) >> 11) * 0x1p-53 * log2((double)n)) - 1;
            return rank < n ? rank : n - 1;
        }
        case STRIDE: return t * 2654435761u % n;
        default: return 0;
    }
}

static inline void flush(pst_bounds *m, uint64_t bin) {
    m->queued -= m->pending[bin];  // none in a bin of HBM
    m->pending[bin] = 0;
    m->touches += bin >= m->hbm_bins;
}

static inline void put(pst_bounds *m, uint64_t key) {
    const uint64_t word = draw(m->s);
    const uint64_t x = (word >> 32) * m->bins >> 32;
    uint64_t y = (word & 0xffffffff) * (m->bins - 1) >> 32;
    y += y >= x;
    const uint64_t second = m->load[y] < m->load[x];
    const uint64_t bin = second ? y : x;
    const uint64_t load = m->load[bin] + 1u;
    m->stashed += load > m->slots;  // counted, and let in: the bound is wrong if it is ever needed
    m->load[bin] = (uint8_t)load;
    const uint64_t host = bin >= m->hbm_bins;
    m->hbm += !host;
    m->queued += host;
    m->pending[bin] = (uint8_t)(m->pending[bin] + host);
    m->pair[key] = (pst_pair){(uint32_t)(x | second << 31), (uint32_t)y};
    if (load > m->max_load) m->max_load = load;
    if (m->hbm > m->max_hbm) m->max_hbm = m->hbm;
    if (m->queued > m->max_queue) m->max_queue = m->queued;
}

void pst_bounds_close(pst_bounds *m) {
    if (!m) return;
    free(m->pair);
    free(m->load);
    free(m->pending);
    free(m);
}

// A map filled with all its keys, each put as an access of an absent key; null without memory.
pst_bounds *pst_bounds_open(uint64_t keys, uint64_t bins, uint64_t hbm_bins, uint64_t slots, uint64_t seed) {
    pst_bounds *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    *m = (pst_bounds){.keys = keys, .bins = bins, .hbm_bins = hbm_bins, .slots = slots};
    m->pair = calloc(keys, sizeof *m->pair);
    m->load = calloc(bins, 1);
    m->pending = calloc(bins, 1);
    if (!m->pair || !m->load || !m->pending) {
        pst_bounds_close(m);
        return NULL;
    }
    for (int at = 0; at < 4; at++) {  // splitmix64
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        m->s[at] = z ^ z >> 31;
    }
    for (uint64_t key = 0; key < keys; key++) {
        const uint64_t word = draw(m->s), x = (word >> 32) * bins >> 32;
        uint64_t y = (word & 0xffffffff) * (bins - 1) >> 32;
        flush(m, x);
        flush(m, y + (y >= x));
        put(m, key);
    }
    m->touches = 0;
    return m;
}

// Accesses by a pattern. Keys are chosen a few accesses ahead, to fetch their pairs in time.
void pst_bounds_run(pst_bounds *m, uint64_t accesses, int pattern) {
    uint64_t ahead[AHEAD];
    for (int at = 0; at < AHEAD; at++) ahead[at] = chosen(m, (enum pattern)pattern);
    for (uint64_t t = 0; t < accesses; t++) {
        const uint64_t key = ahead[t % AHEAD];
        const uint64_t next = ahead[t % AHEAD] = chosen(m, (enum pattern)pattern);
        __builtin_prefetch(&m->pair[next], 1);
        const pst_pair old = m->pair[key];
        const uint64_t x = old.x & 0x7fffffff, y = old.y, bin = old.x >> 31 ? y : x;
        m->load[bin]--;
        m->hbm -= bin < m->hbm_bins;
        flush(m, x);
        flush(m, y);
        put(m, key);
    }
}

// {max_load, max_hbm, max_queue, stashed, touches}, and how many bins have each load.
void pst_bounds_read(const pst_bounds *m, uint64_t found[5], uint64_t loads[LOADS]) {
    const uint64_t values[5] = {m->max_load, m->max_hbm, m->max_queue, m->stashed, m->touches};
    memcpy(found, values, sizeof values);
    memset(loads, 0, LOADS * sizeof *loads);
    for (uint64_t bin = 0; bin < m->bins; bin++) loads[m->load[bin] < LOADS ? m->load[bin] : LOADS - 1]++;
}
