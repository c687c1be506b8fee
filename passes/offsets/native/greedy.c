// First fit and best fit over a segment tree of time.
#include "greedy.h"

#include <stdlib.h>

typedef struct {
  int32_t *item;
  int32_t count, room;
} bag;

typedef struct {
  int64_t bottom, top;
} place;

// A node of the tree stands for a range of sections. `whole` has the buffers whose spans were cut into this node,
// `within` those that were cut into it or a node below: what is live in a node's range is within it, or whole in a
// node above.
typedef struct {
  int32_t leaves;
  bag *whole, *within;
} tree;

static int add(bag *b, int32_t item) {
  if (b->count == b->room) {
    const int32_t room = b->room ? 2 * b->room : 4;
    int32_t *larger = realloc(b->item, (size_t)room * sizeof *larger);
    if (!larger) return 0;
    b->item = larger;
    b->room = room;
  }
  b->item[b->count++] = item;
  return 1;
}

// The nodes that together stand for the sections [from, to); at most 62.
static int cover(const tree *t, int32_t from, int32_t to, int32_t *nodes) {
  int count = 0;
  for (int32_t low = from + t->leaves, high = to + t->leaves; low < high; low /= 2, high /= 2) {
    if (low & 1) nodes[count++] = low++;
    if (high & 1) nodes[count++] = --high;
  }
  return count;
}

static int insert(tree *t, int32_t buffer, int32_t from, int32_t to) {
  int32_t nodes[64];
  const int count = cover(t, from, to, nodes);
  for (int i = 0; i < count; i++) {
    if (!add(&t->whole[nodes[i]], buffer)) return 0;
    for (int32_t node = nodes[i]; node; node /= 2) {
      bag *b = &t->within[node];
      if (b->count && b->item[b->count - 1] == buffer) break;
      if (!add(b, buffer)) return 0;
    }
  }
  return 1;
}

// Merge sort by bottom, from runs that insertion has sorted: this is where the time goes, and the library's sort
// calls a function for every comparison. Returns which of the two arrays holds the result.
static place *sort_by_bottom(place *from, place *to, int32_t count) {
  enum { RUN = 12 };
  for (int32_t low = 0; low < count; low += RUN) {
    const int32_t high = low + RUN < count ? low + RUN : count;
    for (int32_t i = low + 1; i < high; i++) {
      const place moved = from[i];
      int32_t j = i;
      for (; j > low && from[j - 1].bottom > moved.bottom; j--) from[j] = from[j - 1];
      from[j] = moved;
    }
  }
  for (int32_t run = RUN; run < count; run *= 2) {
    for (int32_t low = 0; low < count; low += 2 * run) {
      const int32_t middle = low + run < count ? low + run : count;
      const int32_t high = middle + run < count ? middle + run : count;
      int32_t i = low, j = middle;
      for (int32_t k = low; k < high; k++)
        to[k] = i < middle && (j >= high || from[i].bottom <= from[j].bottom) ? from[i++] : from[j++];
    }
    place *other = from;
    from = to;
    to = other;
  }
  return from;
}

static int64_t round_up(int64_t x, int64_t align) { return (x + align - 1) / align * align; }

static int64_t gap(const place *taken, int32_t count, int64_t size, int64_t align, int32_t tightest) {
  int64_t floor = 0, best = -1, best_room = INT64_MAX;
  for (int32_t i = 0; i < count; i++) {
    const int64_t room = taken[i].bottom - floor;
    if (room >= size && room < best_room) {
      best = floor;
      best_room = room;
      if (!tightest) return best;
    }
    const int64_t top = round_up(taken[i].top, align);
    floor = top > floor ? top : floor;
  }
  return best < 0 ? floor : best;
}

static void collect(const bag *b, int32_t buffer, int32_t *seen, const int64_t *size, const int64_t *offsets,
                    place *taken, int32_t *count) {
  for (int32_t i = 0; i < b->count; i++) {
    const int32_t other = b->item[i];
    if (seen[other] == buffer + 1) continue;
    seen[other] = buffer + 1;
    taken[(*count)++] = (place){offsets[other], offsets[other] + size[other]};
  }
}

int pst_greedy(int32_t count, int32_t sections, const int32_t *order, const int32_t *span_at, const int32_t *spans,
               const int64_t *size, const int64_t *align, const int64_t *given, int32_t tightest,
               const volatile int32_t *stop, int64_t *offsets) {
  tree t = {1, NULL, NULL};
  while (t.leaves < sections) t.leaves *= 2;
  t.whole = calloc(2 * (size_t)t.leaves, sizeof *t.whole);
  t.within = calloc(2 * (size_t)t.leaves, sizeof *t.within);
  int32_t *seen = calloc((size_t)count + 1, sizeof *seen);
  place *taken = malloc(((size_t)count + 1) * sizeof *taken);
  place *spare = malloc(((size_t)count + 1) * sizeof *spare);
  int result = t.whole && t.within && seen && taken && spare ? 0 : 2;
  for (int32_t i = 0; i < count && !result; i++) {
    const int32_t b = order[i];
    if (given[b] >= 0) {
      offsets[b] = given[b];
    } else {
      int32_t met = 0;
      for (int32_t s = span_at[b]; s < span_at[b + 1]; s++) {
        int32_t nodes[64];
        const int covered = cover(&t, spans[2 * s], spans[2 * s + 1], nodes);
        for (int n = 0; n < covered; n++) {
          collect(&t.within[nodes[n]], b, seen, size, offsets, taken, &met);
          for (int32_t node = nodes[n] / 2; node; node /= 2)
            collect(&t.whole[node], b, seen, size, offsets, taken, &met);
        }
      }
      offsets[b] = gap(sort_by_bottom(taken, spare, met), met, size[b], align[b], tightest);
    }
    for (int32_t s = span_at[b]; s < span_at[b + 1]; s++)
      if (!insert(&t, b, spans[2 * s], spans[2 * s + 1])) result = 2;
    if (*stop) result = 1;
  }
  for (int32_t node = 0; node < 2 * t.leaves; node++) {
    if (t.whole) free(t.whole[node].item);
    if (t.within) free(t.within[node].item);
  }
  free(t.whole), free(t.within), free(seen), free(taken), free(spare);
  return result;
}
