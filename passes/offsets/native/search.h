// Exact search for offsets of buffers with fixed lifetimes, in one arena of a given capacity.
#pragma once
#include <stdint.h>

// A problem, in grains (a common divisor of sizes and alignments) and sections (spans of time between two
// events, in which the live set does not change). Buffers are numbered in the static order of the search.
typedef struct {
  int32_t count;               // buffers to place
  int32_t sections;
  const int32_t *size;         // [count] above zero
  const int32_t *align;        // [count] one or more
  const int32_t *span_at;      // [count + 1] where a buffer's spans begin in `spans`
  const int32_t *spans;        // pairs of sections [from, to) in which it is live, ascending
  const int32_t *neighbour_at; // [count + 1]
  const int32_t *neighbours;   // buffers live together with this one, ascending
  const int32_t *twin;         // [count] the previous buffer equal to this one in all but number, or -1
  int32_t pins;                // obstacles: buffers whose offset is given
  const int32_t *pin_bottom;   // [pins] descending
  const int32_t *pin_top;      // [pins]
  const int32_t *pin_span_at;  // [pins + 1]
  const int32_t *pin_spans;    // as `spans`
  const int32_t *fence_at;     // [count + 1] where a buffer's obstacles begin in `fences`
  const int32_t *fences;       // pins live together with this buffer, by ascending bottom
} pst_problem;

// What the search may leave out. Each rule alone and all of them together keep one solution where there is one.
enum {
  PST_CANONICAL = 1,   // offsets never fall from one placement to the next, ties in static order
  PST_DOMINANCE = 2,   // nothing is placed at or above the lowest top an unplaced buffer could have
  PST_SECTIONS = 4,    // in every section the unplaced bytes fit above the lowest unplaced bottom
  PST_MONOTONIC = 8,   // nothing is placed below the last placement any more (with PST_CANONICAL)
  PST_HATLESS = 16,    // a buffer that meets no unplaced one is placed at once, without alternatives
  PST_DECOMPOSE = 32,  // spans of time no unplaced buffer crosses are searched apart
  PST_THRESHOLDS = 64, // PST_SECTIONS above every unplaced bottom, not only above the lowest
  PST_PASSED = 128,    // a buffer passed over must be lifted by a neighbour first (with PST_CANONICAL)
  PST_TWINS = 256,     // equal buffers are placed in static order
  PST_NOGOODS = 512,   // states that failed are remembered
};

enum { PST_FOUND = 0, PST_NONE = 1, PST_LIMIT = 2, PST_STOPPED = 3, PST_MEMORY = 4 };

typedef struct pst_search pst_search;

// A static order: buffers by descending keys, one key after the other. The key of number `load_key` (-1: none) is
// the most unplaced bytes of a section in the buffer's life, taken anew where a part of the problem splits off.
typedef struct {
  int32_t keys, load_key;
  const int64_t *key; // [keys][count], the load's row not read
} pst_order;

// A search of a problem in an order, which must outlive it; NULL when there is no memory.
pst_search *pst_search_open(const pst_problem *problem, const pst_order *order, int32_t rules, int32_t nogood_bits);
void pst_search_close(pst_search *search);

// Searches from the root, with what was learnt before at the same capacity; at most `node_limit` nodes. `highest`
// [count] are the highest offsets, at most capacity - size and below it by less than a grain's rounding.
// On PST_FOUND writes offsets [count]. `stop` may be set from another thread.
int pst_search_run(pst_search *search, int32_t capacity, const int32_t *highest, int64_t node_limit,
                   const volatile int32_t *stop, int32_t *offsets);

// Nodes visited so far, all runs together.
int64_t pst_search_nodes(const pst_search *search);
