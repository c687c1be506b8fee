// Parts of the oblivious map: its memory, position map, random words, frames and pages.
#include "map.h"

#include <stdlib.h>
#include <string.h>

void pst_bolt_close(pst_bolt *map) {
    if (!map) return;
    void *held[] = {map->bucket,    map->load,        map->pending,     map->written, map->free_frames, map->next,
                    map->frame_key, map->frame_value, map->stash_value, map->body[0], map->body[1],     map->old_value};
    for (size_t at = 0; at < sizeof held / sizeof *held; at++) free(held[at]);
    free(map);
}

static void *zeros(size_t count, size_t size) {
    const size_t bytes = (count * size + 63) / 64 * 64 + 64;
    void *found = aligned_alloc(64, bytes);
    if (found) memset(found, 0, bytes);
    return found;
}

// keys: page, PRF, DRBG and input, 16 bytes each. Null without memory.
pst_bolt *pst_bolt_open(const pst_sizes *size, const uint8_t keys[4][16], uint8_t *host) {
    pst_bolt *map = aligned_alloc(64, (sizeof *map + 63) / 64 * 64);
    if (!map) return NULL;
    memset(map, 0, sizeof *map);
    const uint32_t host_bins = size->bins - size->hbm_bins, frames = size->frames, bytes = size->value_bytes;
    map->size = *size;
    map->host = host;
    pst_gcm_key(&map->page, keys[0], (int)size->fast);
    memcpy(map->prf, keys[1], 16);  // little endian, as is the machine
    pst_gcm_key(&map->drbg, keys[2], (int)size->fast);
    pst_gcm_key(&map->input, keys[3], (int)size->fast);
    map->bucket = zeros(size->buckets, PST_WAYS * sizeof *map->bucket);
    map->load = zeros(size->bins, 1);
    map->pending = zeros(host_bins, sizeof *map->pending);
    map->written = zeros(host_bins, sizeof *map->written);
    map->free_frames = zeros(frames, sizeof *map->free_frames);
    map->next = zeros(frames, sizeof *map->next);
    map->frame_key = zeros(frames, sizeof *map->frame_key);
    map->frame_value = zeros(frames, bytes);
    map->stash_value = zeros(PST_STASH, bytes);
    map->old_value = zeros(1, bytes);
    for (int at = 0; at < 2; at++) map->body[at] = zeros(1, size->page_bytes);
    if (!map->bucket || !map->load || !map->pending || !map->written || !map->free_frames || !map->next ||
        !map->frame_key || !map->frame_value || !map->stash_value || !map->old_value || !map->body[0] ||
        !map->body[1]) {
        pst_bolt_close(map);
        return NULL;
    }
    map->free_count = frames;
    for (uint32_t at = 0; at < frames; at++) map->free_frames[at] = at;
    return map;
}

// Sticky: keys and plaintext are gone, and with them what the card held.
int pst_bolt_stop(pst_bolt *map, int fault, uint32_t at) {
    map->fault = fault;
    map->fault_at = at;
    memset(&map->page, 0, sizeof map->page);
    memset(&map->input, 0, sizeof map->input);
    memset(&map->drbg, 0, sizeof map->drbg);
    memset(map->prf, 0, sizeof map->prf);
    memset(map->words, 0, sizeof map->words);
    memset(map->frame_value, 0, (size_t)map->size.frames * map->size.value_bytes);
    memset(map->stash_value, 0, (size_t)PST_STASH * map->size.value_bytes);
    memset(map->old_value, 0, map->size.value_bytes);
    for (int i = 0; i < 2; i++) memset(map->body[i], 0, map->size.page_bytes);
    return fault;
}

static inline uint64_t left(uint64_t word, int by) { return word << by | word >> (64 - by); }

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = left(v[1], 13) ^ v[0];
    v[0] = left(v[0], 32);
    v[2] += v[3];
    v[3] = left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = left(v[1], 17) ^ v[2];
    v[2] = left(v[2], 32);
}

// SipHash-2-4 of the key's four bytes: one block.
void pst_buckets(const pst_bolt *map, uint32_t key, uint32_t bucket[2]) {
    const uint64_t block = key | (uint64_t)4 << 56, count = map->size.buckets;
    uint64_t v[4] = {map->prf[0] ^ 0x736f6d6570736575u, map->prf[1] ^ 0x646f72616e646f6du,
                     map->prf[0] ^ 0x6c7967656e657261u, map->prf[1] ^ 0x7465646279746573u ^ block};
    sip_round(v);
    sip_round(v);
    v[0] ^= block;
    v[2] ^= 0xff;
    for (int round = 0; round < 4; round++) sip_round(v);
    const uint64_t hashed = v[0] ^ v[1] ^ v[2] ^ v[3];
    const uint64_t first = (hashed & 0xffffffff) * count >> 32;
    bucket[0] = (uint32_t)first;
    bucket[1] = (uint32_t)((first + 1 + ((hashed >> 32) * (count - 1) >> 32)) % count);
}

pst_entry *pst_find(pst_bolt *map, uint32_t key, const uint32_t bucket[2]) {
    for (int i = 0; i < 2; i++) {
        pst_entry *entry = map->bucket + (size_t)bucket[i] * PST_WAYS;
        for (int way = 0; way < PST_WAYS; way++)
            if (entry[way].state != PST_EMPTY && entry[way].key == key) return entry + way;
    }
    for (int at = 0; map->cam_used && at < PST_CAM; at++)
        if (map->cam[at].state != PST_EMPTY && map->cam[at].key == key) return map->cam + at;
    return NULL;
}

static int used(const pst_entry *bucket) {
    int count = 0;
    for (int way = 0; way < PST_WAYS; way++) count += bucket[way].state != PST_EMPTY;
    return count;
}

pst_entry *pst_room(pst_bolt *map, const uint32_t bucket[2]) {
    pst_entry *first = map->bucket + (size_t)bucket[0] * PST_WAYS;
    pst_entry *second = map->bucket + (size_t)bucket[1] * PST_WAYS;
    pst_entry *place = used(second) < used(first) ? second : first;
    if (used(place) == PST_WAYS) {
        if (map->cam_used == PST_CAM) {
            pst_bolt_stop(map, PST_NO_CAM, 0);
            return NULL;
        }
        map->cam_used++;
        place = map->cam;
    }
    while (place->state != PST_EMPTY) place++;
    return place;
}

pst_four pst_draw(pst_bolt *map) {
    const uint64_t at = map->drawn % PST_WORDS;
    pst_four four;
    if (at == 0) {
        uint8_t *out = (uint8_t *)map->words;
        pst_aes_counter(&map->drbg, map->drawn / 2, out, PST_WORDS / 2);
        for (int i = 0; i < PST_WORDS; i++) map->words[i] = __builtin_bswap64(map->words[i]);
    }
    memcpy(&four, map->words + at, sizeof four);
    map->drawn += 4;
    return four;
}

pst_pair pst_pair_of(uint64_t first, uint64_t second, uint64_t bins) {
    const uint64_t x = (uint64_t)((unsigned __int128)first * bins >> 64);
    const uint64_t y = (uint64_t)((unsigned __int128)second * (bins - 1) >> 64);
    return (pst_pair){(uint32_t)x, (uint32_t)(y + (y >= x))};
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

int pst_place(pst_bolt *map, pst_entry *entry, pst_pair pair, int streamed) {
    const int which = map->load[pair.y] < map->load[pair.x];
    const uint32_t bin = which ? pair.y : pair.x;
    uint32_t state = pst_is_host(map, bin) ? PST_HOST : PST_HBM, frame = 0;
    if (map->load[bin] >= map->size.slots) {
        if (map->stash_used == UINT32_MAX) return pst_bolt_stop(map, PST_NO_STASH, 0), 0;
        state = PST_STASHED;
        frame = (uint32_t)__builtin_ctz(~map->stash_used);
    } else {
        map->load[bin]++;
        map->count.max_load = larger(map->count.max_load, map->load[bin]);
    }
    if (state == PST_HBM || (state == PST_HOST && !streamed)) {
        if (!map->free_count) return pst_bolt_stop(map, PST_NO_FRAME, 0), 0;
        frame = map->free_frames[map->free_head];
        map->free_head = map->free_head + 1 == map->size.frames ? 0 : map->free_head + 1;
        map->free_count--;
    }
    entry->x = pair.x;
    entry->y = pair.y;
    entry->which = (uint32_t)which & 1;
    entry->state = state & 3;
    entry->frame = frame & 0x1fffffff;
    return 1;
}

void pst_keep(pst_bolt *map, const pst_entry *entry, const uint8_t *value) {
    const uint32_t frame = entry->frame, bytes = map->size.value_bytes;
    if (entry->state == PST_STASHED) {
        map->stash_used |= 1u << frame;
        memcpy(map->stash_value + (size_t)frame * bytes, value, bytes);
        return;
    }
    map->frame_key[frame] = entry->key;
    memcpy(map->frame_value + (size_t)frame * bytes, value, bytes);
    if (entry->state == PST_HBM) {
        map->hbm++;
        return;
    }
    pst_list *list = map->pending + (pst_bin_of(entry) - map->size.hbm_bins);
    if (list->length++)
        map->next[list->tail] = frame;
    else
        list->head = frame;
    list->tail = frame;
    map->queued++;
}

static void put_big(uint8_t *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

void pst_header(uint32_t bin, uint64_t counter, uint32_t slots, uint8_t nonce[12], uint8_t extra[16]) {
    put_big(nonce, bin, 4);
    put_big(nonce + 4, counter, 8);
    memcpy(extra, nonce, 12);
    put_big(extra + 12, slots, 4);
}

static uint8_t *page_at(pst_bolt *map, uint32_t bin, uint8_t direction) {
    const uint64_t address = map->size.base + (uint64_t)(bin - map->size.hbm_bins) * map->size.page_bytes;
    if (map->trace) map->trace[map->traced++] = (pst_event){map->index, address, map->size.page_bytes, direction};
    return map->host + address;
}

int pst_open_page(pst_bolt *map, uint32_t bin, uint8_t *body) {
    uint8_t nonce[12], extra[16];
    pst_header(bin, map->written[bin - map->size.hbm_bins], map->size.slots, nonce, extra);
    if (pst_gcm_open(&map->page, nonce, extra, page_at(map, bin, 0), body, pst_body_bytes(map))) return 1;
    pst_bolt_stop(map, PST_BAD_PAGE, bin);
    return 0;
}

void pst_seal_page(pst_bolt *map, uint32_t bin, uint8_t *body) {
    uint8_t nonce[12], extra[16];
    pst_header(bin, ++map->written[bin - map->size.hbm_bins], map->size.slots, nonce, extra);
    pst_gcm_seal(&map->page, nonce, extra, body, page_at(map, bin, 1), pst_body_bytes(map));
}
