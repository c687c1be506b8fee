// The first image: empty pages, or records streamed in passes as in sim/bolt/start.py.
#include "map.h"

#include <stdlib.h>
#include <string.h>

void pst_bolt_empty(pst_bolt *map, pst_event *trace) {
    map->index = -1;
    map->trace = trace;
    map->traced = 0;
    memset(map->body[0], 0, map->size.page_bytes);
    for (uint32_t bin = map->size.hbm_bins; bin < map->size.bins; bin++) pst_seal_page(map, bin, map->body[0]);
    map->trace = NULL;
}

// Seals records into pages of Z at an address, as their owner does.
void pst_bolt_lay(pst_bolt *map, uint64_t address, size_t count, const uint32_t *key, const uint8_t *values) {
    const uint32_t bytes = map->size.value_bytes, slots = map->size.slots;
    uint8_t nonce[12], extra[16], *body = map->body[0];
    for (size_t page = 0; page * slots < count; page++) {
        const size_t first = page * slots, held = count - first < slots ? count - first : slots;
        const uint64_t mask = held == 64 ? UINT64_MAX : ((uint64_t)1 << held) - 1;
        memset(body, 0, map->size.page_bytes);
        memcpy(body, &mask, 8);
        for (size_t i = 0; i < held; i++) {
            uint8_t *slot = body + 8 + i * pst_slot_bytes(map);
            memcpy(slot, key + first + i, 4);
            memcpy(slot + 4, values + (first + i) * bytes, bytes);
        }
        pst_header((uint32_t)page, 1, slots, nonce, extra);
        uint8_t *sealed = map->host + address + page * map->size.page_bytes;
        pst_gcm_seal(&map->input, nonce, extra, body, sealed, pst_body_bytes(map));
    }
}

// Where a record goes: its host bin, or UINT32_MAX when it stays on the card.
static uint32_t place(pst_bolt *map, uint32_t key, const uint8_t *value) {
    const pst_four words = pst_draw(map);
    pst_entry new = {.key = key};
    uint32_t bucket[2];
    pst_buckets(map, key, bucket);
    if (!pst_place(map, &new, pst_pair_of(words.word[2], words.word[3], map->size.bins), 1)) return UINT32_MAX;
    pst_entry *entry = pst_room(map, bucket);
    if (!entry) return UINT32_MAX;
    *entry = new;
    if (new.state == PST_HOST) return pst_bin_of(entry);
    pst_keep(map, entry, value);
    return UINT32_MAX;
}

static void append(pst_bolt *map, uint8_t *body, const uint8_t *record) {
    uint64_t mask;
    memcpy(&mask, body, 8);
    const uint32_t slot = pst_slot_bytes(map);
    memcpy(body + 8 + (size_t)__builtin_popcountll(mask) * slot, record, slot);
    mask = mask << 1 | 1;
    memcpy(body, &mask, 8);
}

// A pass over the sealed records: places them in the first, keeps those of the range, whose pages it fills.
static size_t pass(pst_bolt *map, uint64_t address, size_t count, uint32_t *bin, int places, uint32_t first,
                   uint32_t last, uint8_t *pages) {
    const uint32_t slots = map->size.slots, body_bytes = pst_body_bytes(map);
    uint8_t nonce[12], extra[16];
    size_t kept = 0;
    for (size_t page = 0; page * slots < count; page++) {
        const uint64_t at = address + page * map->size.page_bytes;
        if (map->trace) map->trace[map->traced++] = (pst_event){-1, at, map->size.page_bytes, 0};
        pst_header((uint32_t)page, 1, slots, nonce, extra);
        if (!pst_gcm_open(&map->input, nonce, extra, map->host + at, map->body[0], body_bytes)) {
            pst_bolt_stop(map, PST_BAD_INPUT, (uint32_t)page);
            return 0;
        }
        for (size_t i = 0; i < slots && page * slots + i < count; i++) {
            const uint8_t *record = map->body[0] + 8 + i * pst_slot_bytes(map);
            uint32_t key, *to = bin + page * slots + i;
            memcpy(&key, record, 4);
            if (places) *to = place(map, key, record + 4);
            if (map->fault) return 0;
            if (*to < first || *to >= last) continue;
            append(map, pages + (size_t)(*to - first) * body_bytes, record);
            kept++;
        }
    }
    return kept;
}

// range: the host bins of each pass, [passes + 1] ends. Fills the image, or stops the map.
int pst_bolt_stream(pst_bolt *map, uint64_t address, size_t count, size_t passes, const uint32_t *range,
                    uint64_t most, pst_event *trace, size_t *traced) {
    const size_t body_bytes = pst_body_bytes(map);
    uint32_t widest = 1;
    for (size_t at = 0; at < passes; at++)
        if (range[at + 1] - range[at] > widest) widest = range[at + 1] - range[at];
    uint32_t *bin = malloc((count ? count : 1) * sizeof *bin);
    uint8_t *pages = malloc(widest * body_bytes);
    if (!bin || !pages) {
        free(bin);
        free(pages);
        return -1;
    }
    map->index = -1;
    map->trace = trace;
    map->traced = 0;
    for (size_t at = 0; at < passes && !map->fault; at++) {
        memset(pages, 0, widest * body_bytes);
        const size_t kept = pass(map, address, count, bin, at == 0, range[at], range[at + 1], pages);
        if (!map->fault && kept > most) pst_bolt_stop(map, PST_PASS_FULL, (uint32_t)kept);
        for (uint32_t b = range[at]; b < range[at + 1] && !map->fault; b++)
            pst_seal_page(map, b, pages + (size_t)(b - range[at]) * body_bytes);
    }
    *traced = map->traced;
    map->trace = NULL;
    free(bin);
    free(pages);
    return map->fault;
}
