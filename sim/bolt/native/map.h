// The oblivious map of sim/bolt/model.py at native speed: the same responses, trace and image, bit for bit.
#ifndef PENSTOCK_BOLT_MAP_H
#define PENSTOCK_BOLT_MAP_H

#include "gcm.h"

enum { PST_WAYS = 4, PST_CAM = 16, PST_STASH = 32, PST_MOST_SLOTS = 64 };
enum pst_op { PST_NOP, PST_GET, PST_PUT, PST_DEL };
// PENDING and HOST are one: the list and the page of a key's bin are both scanned anyway.
enum pst_state { PST_EMPTY, PST_HBM, PST_HOST, PST_STASHED };
enum pst_fault { PST_FINE, PST_BAD_PAGE, PST_NO_FRAME, PST_NO_STASH, PST_NO_CAM, PST_BAD_INPUT, PST_PASS_FULL, PST_TOLD };

typedef struct {
    uint64_t base;  // of the pages in host memory
    uint32_t bins, hbm_bins, slots, value_bytes, frames, buckets, page_bytes, fast;
} pst_sizes;

typedef struct {
    int64_t index;
    uint64_t address;
    uint32_t length;
    uint8_t direction;  // 0 reads, 1 writes
} pst_event;

typedef struct {
    uint32_t key, x, y;
    uint32_t state : 2, which : 1, frame : 29;
} pst_entry;

typedef struct {
    uint32_t head, tail, length;
} pst_list;

typedef struct {
    uint64_t accesses, hits, host_reads, host_writes;
    uint64_t max_load, max_hbm, max_queue, max_stash, max_cam;
} pst_counters;

enum { PST_WORDS = 64 };

typedef struct {
    pst_sizes size;
    pst_gcm page, input, drbg;
    uint64_t prf[2];
    uint64_t words[PST_WORDS], drawn;  // random words drawn ahead, and how many were used in all
    uint8_t *host;                     // host memory from address 0
    pst_entry *bucket;                 // [buckets][PST_WAYS]
    pst_entry cam[PST_CAM];
    uint8_t *load;          // [bins]
    pst_list *pending;      // [host bins]
    uint64_t *written;      // [host bins] write counters
    uint32_t *free_frames;  // ring
    uint32_t free_head, free_count;
    uint32_t *next, *frame_key;  // [frames]
    uint8_t *frame_value;        // [frames][value_bytes]
    uint32_t stash_used;         // bit by entry
    uint8_t *stash_value;        // [PST_STASH][value_bytes]
    uint8_t *body[2];            // plaintext of the access's pages
    uint8_t *old_value;
    uint64_t hbm, queued, cam_used;
    pst_event *trace;
    size_t traced;
    int64_t index;  // of events
    int fault;
    uint32_t fault_at;
    pst_counters count;
} pst_bolt;

typedef struct {
    uint64_t word[4];
} pst_four;

typedef struct {
    uint32_t x, y;
} pst_pair;

void pst_bolt_close(pst_bolt *map);
int pst_bolt_stop(pst_bolt *map, int fault, uint32_t at);
void pst_buckets(const pst_bolt *map, uint32_t key, uint32_t bucket[2]);
pst_entry *pst_find(pst_bolt *map, uint32_t key, const uint32_t bucket[2]);
// A free place for a key in its emptier bucket or the CAM; null, and a fault, without.
pst_entry *pst_room(pst_bolt *map, const uint32_t bucket[2]);
pst_four pst_draw(pst_bolt *map);
pst_pair pst_pair_of(uint64_t first, uint64_t second, uint64_t bins);
// Fills in where a key goes: bin, frame or place of the stash; 0, and a fault, without room.
int pst_place(pst_bolt *map, pst_entry *entry, pst_pair pair, int streamed);
void pst_keep(pst_bolt *map, const pst_entry *entry, const uint8_t *value);
int pst_open_page(pst_bolt *map, uint32_t bin, uint8_t *body);
void pst_seal_page(pst_bolt *map, uint32_t bin, uint8_t *body);
void pst_header(uint32_t bin, uint64_t counter, uint32_t slots, uint8_t nonce[12], uint8_t extra[16]);

static inline uint32_t pst_slot_bytes(const pst_bolt *map) { return 4 + map->size.value_bytes; }
static inline uint32_t pst_body_bytes(const pst_bolt *map) { return map->size.page_bytes - 16; }
static inline int pst_is_host(const pst_bolt *map, uint32_t bin) { return bin >= map->size.hbm_bins; }
static inline uint32_t pst_bin_of(const pst_entry *entry) { return entry->which ? entry->y : entry->x; }

#endif
