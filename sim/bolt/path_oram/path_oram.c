// Path ORAM (Stefanov et al., arXiv 1202.5150) as a map, not recursive: positions, stash, counters and keys are
// trusted, as the oblivious map's are; buckets of Z blocks lie sealed in host memory.
#include "gcm.h"

#include <stdlib.h>
#include <string.h>

enum { Z = 4, STASH = 512, LEVELS = 33, WORDS = 64 };
enum op { NOP, GET, PUT, DEL };

typedef struct {
    uint32_t key, leaf, live;  // live: 0 empty, 1 in use, 2 was in use
} position;

typedef struct {
    uint32_t levels, value_bytes, block_bytes, body_bytes, bucket_bytes;
    uint64_t leaves, places;
    pst_gcm bucket, drbg;
    uint8_t *host;      // [2 * leaves] buckets; that of number 0 is not used
    uint64_t *written;  // [2 * leaves] write counters
    position *table;    // [places], by linear probing
    uint8_t *stash;     // [STASH] blocks: key, leaf, value
    uint8_t *body;
    uint32_t held, most;
    uint64_t words[WORDS], drawn;
    int fault;
} oram;

static uint64_t draw(oram *m) {
    if (m->drawn % WORDS == 0) pst_aes_counter(&m->drbg, m->drawn / 2, (uint8_t *)m->words, WORDS / 2);
    return m->words[m->drawn++ % WORDS];
}

static uint64_t bucket_at(const oram *m, uint64_t leaf, uint32_t level) {
    return (m->leaves + leaf) >> (m->levels - 1 - level);
}

static void header(uint64_t bucket, uint64_t counter, uint8_t nonce[12], uint8_t extra[16]) {
    const uint32_t number = (uint32_t)bucket;
    memset(extra, 0, 16);
    memcpy(nonce, &number, 4);
    memcpy(nonce + 4, &counter, 8);
    memcpy(extra, nonce, 12);
}

static void seal(oram *m, uint64_t bucket, const uint8_t *body) {
    uint8_t nonce[12], extra[16];
    header(bucket, ++m->written[bucket], nonce, extra);
    pst_gcm_seal(&m->bucket, nonce, extra, body, m->host + bucket * m->bucket_bytes, m->body_bytes);
}

static int open_bucket(oram *m, uint64_t bucket) {
    uint8_t nonce[12], extra[16];
    header(bucket, m->written[bucket], nonce, extra);
    return pst_gcm_open(&m->bucket, nonce, extra, m->host + bucket * m->bucket_bytes, m->body, m->body_bytes);
}

static position *find(oram *m, uint32_t key, int insert) {
    uint64_t at = (key * 0x9e3779b97f4a7c15u >> 20) % m->places;
    position *free_one = NULL;
    for (uint64_t probe = 0; probe < m->places; probe++, at = at + 1 == m->places ? 0 : at + 1) {
        position *each = m->table + at;
        if (each->live == 1 && each->key == key) return each;
        if (each->live != 1 && !free_one) free_one = each;
        if (each->live == 0) break;
    }
    return insert ? free_one : NULL;
}

void pst_oram_close(oram *m) {
    if (!m) return;
    void *held[] = {m->written, m->table, m->stash, m->body};
    for (size_t at = 0; at < sizeof held / sizeof *held; at++) free(held[at]);
    free(m);
}

uint64_t pst_oram_bucket_bytes(uint32_t value_bytes) {
    return (8 + Z * (uint64_t)(8 + value_bytes) + 15) / 16 * 16 + 16;
}

// host: 2 * leaves buckets. The tree is empty; null without memory.
oram *pst_oram_open(uint64_t leaves, uint32_t value_bytes, const uint8_t keys[2][16], uint8_t *host) {
    oram *m = aligned_alloc(64, (sizeof *m + 63) / 64 * 64);
    if (!m) return NULL;
    memset(m, 0, sizeof *m);
    m->leaves = leaves;
    while (leaves >> m->levels) m->levels++;
    m->value_bytes = value_bytes;
    m->block_bytes = 8 + value_bytes;
    m->bucket_bytes = (uint32_t)pst_oram_bucket_bytes(value_bytes);
    m->body_bytes = m->bucket_bytes - 16;
    m->places = 4 * leaves;
    m->host = host;
    pst_gcm_key(&m->bucket, keys[0], 1);
    pst_gcm_key(&m->drbg, keys[1], 1);
    m->written = calloc(2 * leaves, sizeof *m->written);
    m->table = calloc(m->places, sizeof *m->table);
    m->stash = calloc(STASH, m->block_bytes);
    m->body = calloc(1, m->body_bytes);
    if (!m->written || !m->table || !m->stash || !m->body) {
        pst_oram_close(m);
        return NULL;
    }
    return m;
}

static uint32_t leaf_of(const uint8_t *block) {
    uint32_t leaf;
    memcpy(&leaf, block + 4, 4);
    return leaf;
}

// Records put as deep as they go on the path of a random leaf, then every bucket sealed once. 0, or 1 for a
// full stash, -1 without memory.
int pst_oram_fill(oram *m, size_t count, const uint32_t *key, const uint8_t *values) {
    uint8_t *bodies = calloc(2 * m->leaves, m->body_bytes);
    if (!bodies) return -1;
    for (size_t at = 0; at < count && !m->fault; at++) {
        const uint32_t leaf = (uint32_t)(draw(m) % m->leaves);
        position *place = find(m, key[at], 1);
        *place = (position){key[at], leaf, 1};
        uint8_t *block = NULL;
        for (uint32_t level = m->levels; level-- && !block;) {
            uint8_t *body = bodies + bucket_at(m, leaf, level) * m->body_bytes;
            if (body[0] < Z) block = body + 8 + body[0]++ * m->block_bytes;
        }
        if (!block && m->held < STASH) block = m->stash + m->held++ * m->block_bytes;
        if (!block) {
            m->fault = 1;
            break;
        }
        memcpy(block, key + at, 4);
        memcpy(block + 4, &leaf, 4);
        memcpy(block + 8, values + at * m->value_bytes, m->value_bytes);
    }
    for (uint64_t bucket = 1; bucket < 2 * m->leaves; bucket++) seal(m, bucket, bodies + bucket * m->body_bytes);
    free(bodies);
    return m->fault;
}

static int read_path(oram *m, uint64_t leaf) {
    for (uint32_t level = 0; level < m->levels; level++) {
        if (!open_bucket(m, bucket_at(m, leaf, level))) return 0;
        const uint32_t count = m->body[0];
        if (m->held + count > STASH) return 0;
        memcpy(m->stash + m->held * m->block_bytes, m->body + 8, count * m->block_bytes);
        m->held += count;
    }
    return 1;
}

// Greedy: blocks by the depth to which their path is this one's, the deepest first, fill buckets from the leaf.
static void write_path(oram *m, uint64_t leaf) {
    uint32_t depth[STASH], order[STASH], first[LEVELS + 1] = {0}, next = 0;
    uint8_t placed[STASH] = {0};
    for (uint32_t at = 0; at < m->held; at++) {
        const uint64_t differs = leaf_of(m->stash + at * m->block_bytes) ^ leaf;
        const uint32_t bits = differs ? 64 - (uint32_t)__builtin_clzll(differs) : 0;
        depth[at] = m->levels - 1 - bits;
        first[m->levels - depth[at]]++;
    }
    for (uint32_t level = 1; level <= m->levels; level++) first[level] += first[level - 1];
    for (uint32_t at = 0; at < m->held; at++) order[first[m->levels - 1 - depth[at]]++] = at;
    for (uint32_t level = m->levels; level--;) {
        memset(m->body, 0, m->body_bytes);
        while (m->body[0] < Z && next < m->held && depth[order[next]] >= level) {
            placed[order[next]] = 1;
            memcpy(m->body + 8 + m->body[0]++ * m->block_bytes, m->stash + order[next++] * m->block_bytes,
                   m->block_bytes);
        }
        seal(m, bucket_at(m, leaf, level), m->body);
    }
    uint32_t kept = 0;
    for (uint32_t at = 0; at < m->held; at++) {
        if (placed[at]) continue;
        if (kept != at) memcpy(m->stash + kept * m->block_bytes, m->stash + at * m->block_bytes, m->block_bytes);
        kept++;
    }
    m->held = kept;
    if (kept > m->most) m->most = kept;
}

static int one(oram *m, enum op op, uint32_t key, const uint8_t *value, uint8_t *found, uint8_t *answer) {
    position *place = op == NOP ? NULL : find(m, key, 0);
    const uint64_t fresh = draw(m) % m->leaves, leaf = place ? place->leaf : fresh;
    const uint32_t remapped = (uint32_t)(draw(m) % m->leaves);
    if (!read_path(m, leaf)) return m->fault = 1;
    uint8_t *block = NULL;
    for (uint32_t at = 0; place && at < m->held; at++) {
        uint8_t *each = m->stash + at * m->block_bytes;
        if (memcmp(each, &key, 4) == 0) block = each;
    }
    *found = block != NULL;
    memset(answer, 0, m->value_bytes);
    if (block && op != PUT) memcpy(answer, block + 8, m->value_bytes);
    if (block && op == DEL) {
        place->live = 2;
        memmove(block, m->stash + --m->held * m->block_bytes, m->block_bytes);
    }
    if (!block && op == PUT) {
        if (m->held == STASH) return m->fault = 1;
        place = find(m, key, 1);
        *place = (position){key, remapped, 1};
        block = m->stash + m->held++ * m->block_bytes;
        memcpy(block, &key, 4);
    }
    if (block && op != DEL) {
        place->leaf = remapped;
        memcpy(block + 4, &remapped, 4);
        if (op == PUT) memcpy(block + 8, value, m->value_bytes);
    }
    write_path(m, leaf);
    return 0;
}

int pst_oram_run(oram *m, size_t count, const uint8_t *op, const uint32_t *key, const uint8_t *values,
                 uint8_t *found, uint8_t *answers) {
    for (size_t at = 0; at < count && !m->fault; at++)
        one(m, (enum op)op[at], key[at], values ? values + at * m->value_bytes : NULL, found + at,
            answers + at * m->value_bytes);
    return m->fault;
}

uint32_t pst_oram_most_stashed(const oram *m) { return m->most; }
