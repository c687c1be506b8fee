// One access after the other, each as sim/bolt/model.py has it; batches look ahead only to fetch memory early.
#include "map.h"

#include <string.h>

enum { AHEAD = 16, HASHED = 12, LOOKED_UP = 6 };

static void release(pst_bolt *map, uint32_t frame) {
    const uint64_t at = (uint64_t)map->free_head + map->free_count++;
    map->free_frames[at < map->size.frames ? at : at - map->size.frames] = frame;
}

// A page with what awaited it, without the target, compact. The target's value goes to map->old_value.
static void merge(pst_bolt *map, uint32_t bin, uint8_t *body, uint32_t target, int wanted) {
    const uint32_t slot = pst_slot_bytes(map), bytes = map->size.value_bytes;
    uint64_t mask;
    memcpy(&mask, body, 8);
    const int before = __builtin_popcountll(mask);
    int count = 0;
    for (int at = 0; at < before; at++) {
        const uint8_t *from = body + 8 + (size_t)at * slot;
        uint32_t key;
        memcpy(&key, from, 4);
        if (wanted && key == target) {
            memcpy(map->old_value, from + 4, bytes);
        } else {
            if (count != at) memcpy(body + 8 + (size_t)count * slot, from, slot);
            count++;
        }
    }
    pst_list *list = map->pending + (bin - map->size.hbm_bins);
    map->queued -= list->length;
    for (; list->length; list->length--) {
        const uint32_t frame = list->head;
        const uint8_t *value = map->frame_value + (size_t)frame * bytes;
        list->head = map->next[frame];
        if (wanted && map->frame_key[frame] == target) {
            memcpy(map->old_value, value, bytes);
        } else {
            uint8_t *to = body + 8 + (size_t)count++ * slot;
            memcpy(to, &map->frame_key[frame], 4);
            memcpy(to + 4, value, bytes);
        }
        release(map, frame);
    }
    if (count < before) memset(body + 8 + (size_t)count * slot, 0, (size_t)(before - count) * slot);
    mask = count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;
    memcpy(body, &mask, 8);
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static void note(pst_bolt *map, int hit, int pages) {
    pst_counters *count = &map->count;
    count->accesses++;
    count->hits += (uint64_t)hit;
    count->host_reads += (uint64_t)pages;
    count->host_writes += (uint64_t)pages;
    count->max_hbm = larger(count->max_hbm, map->hbm);
    count->max_queue = larger(count->max_queue, map->queued);
    count->max_stash = larger(count->max_stash, (uint64_t)__builtin_popcount(map->stash_used));
    count->max_cam = larger(count->max_cam, map->cam_used);
}

static int one(pst_bolt *map, enum pst_op op, uint32_t key, const uint8_t *value, const uint32_t bucket[2],
               const pst_four *tape, uint8_t *found, uint8_t *answer) {
    const pst_four drawn = pst_draw(map), words = tape ? *tape : drawn;
    const uint32_t bytes = map->size.value_bytes, bins = map->size.bins;
    pst_entry *entry = op == PST_NOP ? NULL : pst_find(map, key, bucket);
    const pst_entry old = entry ? *entry : (pst_entry){.state = PST_EMPTY};
    const pst_pair pair = entry ? (pst_pair){old.x, old.y} : pst_pair_of(words.word[0], words.word[1], bins);
    const int stores = op == PST_PUT || (op == PST_GET && entry);
    if (old.state == PST_HBM || old.state == PST_HOST) map->load[pst_bin_of(&old)]--;
    if (stores) {
        pst_entry new = {.key = key};
        if (!pst_place(map, &new, pst_pair_of(words.word[2], words.word[3], bins), 0)) return map->fault;
        if (!entry && !(entry = pst_room(map, bucket))) return map->fault;
        *entry = new;
    } else if (op == PST_DEL && entry) {
        map->cam_used -= entry >= map->cam && entry < map->cam + PST_CAM;
        entry->state = PST_EMPTY;
    }
    const uint32_t touched[2] = {pair.x, pair.y};
    map->index = (int64_t)map->count.accesses;
    for (int i = 0; i < 2; i++)
        if (pst_is_host(map, touched[i]) && !pst_open_page(map, touched[i], map->body[i])) return map->fault;
    if (old.state == PST_HBM) {
        memcpy(map->old_value, map->frame_value + (size_t)old.frame * bytes, bytes);
        release(map, old.frame);
        map->hbm--;
    } else if (old.state == PST_STASHED) {
        memcpy(map->old_value, map->stash_value + (size_t)old.frame * bytes, bytes);
        map->stash_used &= ~(1u << old.frame);
    }
    int pages = 0;
    for (int i = 0; i < 2; i++)
        if (pst_is_host(map, touched[i])) {
            merge(map, touched[i], map->body[i], key, old.state == PST_HOST);
            pages++;
        }
    if (stores) pst_keep(map, entry, op == PST_PUT ? value : map->old_value);
    for (int i = 0; i < 2; i++)
        if (pst_is_host(map, touched[i])) pst_seal_page(map, touched[i], map->body[i]);
    *found = old.state != PST_EMPTY;
    if (*found && op != PST_PUT)
        memcpy(answer, map->old_value, bytes);
    else
        memset(answer, 0, bytes);
    note(map, *found, pages);
    return PST_FINE;
}

// Hints only: what they look up may have moved when its turn comes.
static void fetch_buckets(const pst_bolt *map, const uint32_t bucket[2]) {
    for (int i = 0; i < 2; i++) __builtin_prefetch(map->bucket + (size_t)bucket[i] * PST_WAYS, 1);
}

static void fetch_pages(pst_bolt *map, uint32_t key, const uint32_t bucket[2]) {
    const pst_entry *entry = pst_find(map, key, bucket);
    if (!entry) return;
    const uint32_t touched[2] = {entry->x, entry->y};
    for (int i = 0; i < 2; i++) {
        if (!pst_is_host(map, touched[i])) continue;
        const uint64_t at = touched[i] - map->size.hbm_bins;
        const uint8_t *page = map->host + map->size.base + at * map->size.page_bytes;
        for (uint32_t byte = 0; byte < map->size.page_bytes && byte < 512; byte += 64) __builtin_prefetch(page + byte, 1);
        __builtin_prefetch(map->pending + at, 1);
        __builtin_prefetch(map->written + at, 1);
    }
}

// Accesses in order. Stops at a fault, returned with how many were answered before it in `done`.
// values: [count][value_bytes], read for PUT. tape: four words an access, or null. trace: room for 4 events each.
int pst_bolt_run(pst_bolt *map, size_t count, const uint8_t *op, const uint32_t *key, const uint8_t *values,
                 const pst_four *tape, uint8_t *found, uint8_t *answers, pst_event *trace, size_t *traced,
                 size_t *done) {
    const uint32_t bytes = map->size.value_bytes;
    uint32_t bucket[AHEAD][2];
    map->trace = trace;
    map->traced = *done = 0;
    for (size_t at = 0; at < count + HASHED && !map->fault; at++) {
        if (at < count) {
            pst_buckets(map, key[at], bucket[at % AHEAD]);
            fetch_buckets(map, bucket[at % AHEAD]);
        }
        const size_t looked = at - (HASHED - LOOKED_UP);
        if (at >= HASHED - LOOKED_UP && looked < count) fetch_pages(map, key[looked], bucket[looked % AHEAD]);
        if (at < HASHED) continue;
        const size_t now = at - HASHED;
        if (!one(map, (enum pst_op)op[now], key[now], values ? values + now * bytes : NULL, bucket[now % AHEAD],
                 tape ? tape + now : NULL, found + now, answers + now * bytes))
            ++*done;
    }
    *traced = map->traced;
    map->trace = NULL;
    return map->fault;
}

// What a fault must have wiped, for tests: the page cipher and the frames' values. Returns its bytes.
size_t pst_bolt_secrets(const pst_bolt *map, uint8_t *out) {
    const size_t values = (size_t)map->size.frames * map->size.value_bytes;
    if (out) {
        memcpy(out, &map->page, sizeof map->page);
        memcpy(out + sizeof map->page, map->frame_value, values);
    }
    return sizeof map->page + values;
}

// {fault, its bin, drawn words, frames in use, HBM keys, queued}, and what was counted.
void pst_bolt_state(const pst_bolt *map, uint64_t state[6], pst_counters *count) {
    const uint64_t values[6] = {(uint64_t)map->fault, map->fault_at, map->drawn, map->size.frames - map->free_count,
                                map->hbm, map->queued};
    memcpy(state, values, sizeof values);
    *count = map->count;
}

// Loads of all bins and write counters of those on the host, for tests.
void pst_bolt_bins(const pst_bolt *map, uint8_t *load, uint64_t *written) {
    memcpy(load, map->load, map->size.bins);
    memcpy(written, map->written, (map->size.bins - map->size.hbm_bins) * sizeof *written);
}
