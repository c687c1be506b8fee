// Depth-first search for offsets, bottom up: every buffer lies on the floor, an obstacle or another buffer.
#include "search.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int32_t buffer, before; // its lowest offset before the change; -1: the buffer was placed
} change;

struct pst_search {
  const pst_problem *p;
  const pst_order *by;
  int32_t rules, capacity;
  int64_t nodes, limit;
  const volatile int32_t *stop;
  const int32_t *highest;
  int32_t *low;      // [count] lowest offset above the placed neighbours, aligned, clear of obstacles
  int32_t *bound;    // [count] lowest offset still possible in the current node
  int32_t *offset;   // [count] of placed buffers, -1 of the others
  int32_t *hats;     // [count] unplaced neighbours
  int32_t *rank;     // [count] place in the static order
  int64_t *heaviest; // [count] scratch: the load key
  int32_t *load;     // [sections] scratch
  int32_t *crossing; // [sections + 1] scratch
  change *trail;
  size_t trail_used, trail_size;
  int32_t *pool; // stack of the nodes' lists, while a run lasts
  size_t pool_used;
  uint64_t *nogoods;
  uint64_t nogood_mask, salt;
};

// The last placement: what lies before it in (offset, rank) has been passed over.
typedef struct {
  int32_t offset, rank;
} cursor;

static int has(const pst_search *s, int32_t rule) { return (s->rules & rule) != 0; }

static int passed(const pst_search *s, int32_t b, cursor at) {
  return has(s, PST_CANONICAL) && (s->low[b] < at.offset || (s->low[b] == at.offset && s->rank[b] < at.rank));
}

static int32_t round_up(int32_t x, int32_t align) { return align == 1 ? x : (x + align - 1) / align * align; }

static int32_t lifted(const pst_problem *p, int32_t b, int32_t from) {
  int32_t at = round_up(from, p->align[b]);
  for (int32_t i = p->fence_at[b]; i < p->fence_at[b + 1]; i++) {
    const int32_t pin = p->fences[i];
    if (at < p->pin_top[pin] && at + p->size[b] > p->pin_bottom[pin]) at = round_up(p->pin_top[pin], p->align[b]);
  }
  return at;
}

static void place(pst_search *s, int32_t b) {
  const pst_problem *p = s->p;
  const int32_t top = s->low[b] + p->size[b];
  s->offset[b] = s->low[b];
  for (int32_t i = p->neighbour_at[b]; i < p->neighbour_at[b + 1]; i++) {
    const int32_t c = p->neighbours[i];
    s->hats[c]--;
    if (s->offset[c] >= 0 || s->low[c] >= top) continue;
    s->trail[s->trail_used++] = (change){c, s->low[c]};
    s->low[c] = lifted(p, c, top);
  }
  s->trail[s->trail_used++] = (change){b, -1};
}

static void undo(pst_search *s, size_t mark) {
  const pst_problem *p = s->p;
  while (s->trail_used > mark) {
    const change last = s->trail[--s->trail_used];
    if (last.before >= 0) {
      s->low[last.buffer] = last.before;
      continue;
    }
    s->offset[last.buffer] = -1;
    for (int32_t i = p->neighbour_at[last.buffer]; i < p->neighbour_at[last.buffer + 1]; i++)
      s->hats[p->neighbours[i]]++;
  }
}

// The lowest offset of a buffer passed over: on the lowest top one of its unplaced neighbours can have.
static int32_t relifted(const pst_search *s, int32_t b, cursor at) {
  const pst_problem *p = s->p;
  int32_t lowest = INT_MAX;
  for (int32_t i = p->neighbour_at[b]; i < p->neighbour_at[b + 1]; i++) {
    const int32_t c = p->neighbours[i];
    if (s->offset[c] >= 0) continue;
    const int32_t top = (s->low[c] > at.offset ? s->low[c] : at.offset) + p->size[c];
    if (top < lowest) lowest = top;
  }
  return lowest == INT_MAX ? INT_MAX / 2 : round_up(lowest, p->align[b]);
}

// Sets `bound` of the listed buffers; false where one cannot be placed any more.
static int bounds(pst_search *s, const int32_t *list, int32_t count, cursor at) {
  const pst_problem *p = s->p;
  for (int32_t i = 0; i < count; i++) {
    const int32_t b = list[i];
    int32_t bound = s->low[b];
    if (has(s, PST_MONOTONIC) && has(s, PST_CANONICAL) && bound < at.offset) bound = at.offset;
    if (has(s, PST_PASSED) && passed(s, b, at)) bound = relifted(s, b, at);
    const int32_t twin = p->twin[b];
    if (has(s, PST_TWINS) && twin >= 0 && s->offset[twin] < 0 && bound < s->bound[twin] + p->size[twin])
      bound = s->bound[twin] + p->size[twin];
    if (bound > s->highest[b]) return 0;
    s->bound[b] = bound;
  }
  return 1;
}

static int add_load(int32_t *load, const int32_t *spans, int32_t from, int32_t to, int32_t size, int32_t room) {
  int32_t most = 0;
  for (int32_t i = from; i < to; i++)
    for (int32_t at = spans[2 * i]; at < spans[2 * i + 1]; at++) {
      load[at] += size;
      most = load[at] > most ? load[at] : most;
    }
  return most <= room;
}

// Whether the bytes that must lie above a bottom fit there, section by section; `order` by descending bound.
static int fits(pst_search *s, const int32_t *order, int32_t count, int32_t first, int32_t last) {
  const pst_problem *p = s->p;
  int32_t pin = 0;
  if (p->pins) first = 0, last = p->sections;
  memset(s->load + first, 0, (size_t)(last - first) * sizeof *s->load);
  for (int32_t i = 0; i < count; i++) {
    const int32_t b = order[i], bound = s->bound[b];
    for (; pin < p->pins && p->pin_bottom[pin] >= bound; pin++)
      add_load(s->load, p->pin_spans, p->pin_span_at[pin], p->pin_span_at[pin + 1],
               p->pin_top[pin] - p->pin_bottom[pin], INT_MAX);
    if (!add_load(s->load, p->spans, p->span_at[b], p->span_at[b + 1], p->size[b], s->capacity - bound)) return 0;
  }
  return 1;
}

// PST_SECTIONS alone: the lowest bound of a section and its whole load.
static int fits_above_lowest(pst_search *s, const int32_t *order, int32_t count, int32_t first, int32_t last) {
  const pst_problem *p = s->p;
  memset(s->load + first, 0, (size_t)(last - first) * sizeof *s->load);
  int32_t *lowest = s->crossing;
  for (int32_t i = 0; i < count; i++) { // descending, so the last to write a section is its lowest
    const int32_t b = order[i];
    for (int32_t j = p->span_at[b]; j < p->span_at[b + 1]; j++)
      for (int32_t at = p->spans[2 * j]; at < p->spans[2 * j + 1]; at++)
        s->load[at] += p->size[b], lowest[at] = s->bound[b];
  }
  for (int32_t at = first; at < last; at++)
    if (s->load[at] && s->load[at] > s->capacity - lowest[at]) return 0;
  return 1;
}

static void sort_by_bound(const pst_search *s, int32_t *order, int32_t count) {
  for (int32_t i = 1; i < count; i++) {
    const int32_t b = order[i], bound = s->bound[b];
    int32_t j = i;
    for (; j > 0 && s->bound[order[j - 1]] < bound; j--) order[j] = order[j - 1];
    order[j] = b;
  }
}

static int32_t first_section(const pst_problem *p, int32_t b) { return p->spans[2 * p->span_at[b]]; }
static int32_t end_section(const pst_problem *p, int32_t b) { return p->spans[2 * p->span_at[b + 1] - 1]; }

static int consistent(pst_search *s, const int32_t *list, int32_t *order, int32_t count, cursor at) {
  const pst_problem *p = s->p;
  if (!bounds(s, list, count, at)) return 0;
  if (!has(s, PST_SECTIONS | PST_THRESHOLDS)) return 1;
  int32_t first = p->sections, last = 0;
  for (int32_t i = 0; i < count; i++) {
    const int32_t from = first_section(p, list[i]), to = end_section(p, list[i]);
    first = from < first ? from : first;
    last = to > last ? to : last;
  }
  sort_by_bound(s, order, count);
  return has(s, PST_THRESHOLDS) ? fits(s, order, count, first, last)
                                : fits_above_lowest(s, order, count, first, last);
}

static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// What the subtree of a node depends on: who is unplaced, above what, and who has been passed over.
static uint64_t state(const pst_search *s, const int32_t *list, int32_t count, cursor at) {
  uint64_t key = s->salt;
  for (int32_t i = 0; i < count; i++) {
    const int32_t b = list[i];
    key += mix(((uint64_t)(uint32_t)b << 33) ^ ((uint64_t)(uint32_t)s->low[b] << 1) ^ (uint64_t)passed(s, b, at));
  }
  return mix(key);
}

static int32_t *take(pst_search *s, int32_t count) {
  int32_t *list = s->pool + s->pool_used;
  s->pool_used += (size_t)count;
  return list;
}


static int visit(pst_search *s, const int32_t *list, const int32_t *order, int32_t count, cursor at);

static int by_key(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

// Tries, one after the other, who comes next; `list` in static order, consistent, one component.
static int branch(pst_search *s, int32_t *list, int32_t *order, int32_t count, cursor at) {
  const pst_problem *p = s->p;
  int32_t lowest_top = INT_MAX;
  for (int32_t i = 0; i < count; i++) {
    const int32_t top = s->low[list[i]] + p->size[list[i]];
    lowest_top = top < lowest_top ? top : lowest_top;
  }
  int64_t *next = (int64_t *)take(s, 2 * count + 1); // (offset, place in the list), ascending
  next = (int64_t *)(((uintptr_t)next + 7) & ~(uintptr_t)7);
  int32_t choices = 0;
  for (int32_t i = 0; i < count; i++) {
    const int32_t b = list[i];
    if (passed(s, b, at) || (has(s, PST_DOMINANCE) && s->low[b] >= lowest_top)) continue;
    if (has(s, PST_TWINS) && p->twin[b] >= 0 && s->offset[p->twin[b]] < 0) continue;
    next[choices++] = ((int64_t)s->low[b] << 32) | i;
  }
  qsort(next, (size_t)choices, sizeof *next, by_key);
  int32_t *rest = take(s, count), *rest_order = take(s, count);
  for (int32_t i = 0; i < choices; i++) {
    const int32_t b = list[(int32_t)next[i]];
    const cursor here = {s->low[b], s->rank[b]};
    if (i && has(s, PST_PASSED) && !consistent(s, list, order, count, here)) return PST_NONE;
    int32_t kept = 0;
    for (int32_t j = 0; j < count; j++)
      if (list[j] != b) rest[kept++] = list[j];
    kept = 0;
    for (int32_t j = 0; j < count; j++)
      if (order[j] != b) rest_order[kept++] = order[j];
    const size_t mark = s->trail_used;
    place(s, b);
    const int status = visit(s, rest, rest_order, count - 1, here);
    if (status != PST_NONE) return status;
    undo(s, mark);
  }
  return PST_NONE;
}

// One component: prunes, looks up what failed before, branches.
static int expand(pst_search *s, int32_t *list, int32_t *order, int32_t count, cursor at) {
  if (!consistent(s, list, order, count, at)) return PST_NONE;
  if (!has(s, PST_NOGOODS) || !s->nogoods) return branch(s, list, order, count, at);
  const uint64_t key = state(s, list, count, at);
  uint64_t *slot = s->nogoods + (mix(key) & s->nogood_mask);
  if (*slot == key) return PST_NONE;
  const int status = branch(s, list, order, count, at);
  if (status == PST_NONE) *slot = key;
  return status;
}

// Numbers the components of time in `crossing`, by section.
static int32_t components(pst_search *s, const int32_t *list, int32_t count) {
  const pst_problem *p = s->p;
  const size_t bytes = (size_t)(p->sections + 1) * sizeof *s->crossing;
  int32_t *begin = s->crossing, *end = s->load;
  memset(begin, 0, bytes);
  memset(end, 0, bytes);
  for (int32_t i = 0; i < count; i++) {
    begin[first_section(p, list[i])]++;
    end[end_section(p, list[i])]++;
  }
  int32_t parts = 0, open = 0;
  for (int32_t section = 0; section < p->sections; section++) {
    open -= end[section];
    if (!open && begin[section]) parts++;
    open += begin[section];
    s->crossing[section] = parts - 1;
  }
  return parts;
}

static int before(const pst_search *s, int32_t a, int32_t b) {
  const pst_order *by = s->by;
  for (int32_t i = 0; i < by->keys; i++) {
    const int64_t *key = i == by->load_key ? s->heaviest : by->key + (size_t)i * (size_t)s->p->count;
    if (key[a] != key[b]) return key[a] > key[b];
  }
  return a < b;
}

static void merge_sort(const pst_search *s, int32_t *list, int32_t count, int32_t *scratch) {
  if (count < 2) return;
  const int32_t half = count / 2;
  merge_sort(s, list, half, scratch);
  merge_sort(s, list + half, count - half, scratch);
  memcpy(scratch, list, (size_t)count * sizeof *list);
  for (int32_t i = 0, j = half, k = 0; k < count; k++)
    list[k] = j >= count || (i < half && before(s, scratch[i], scratch[j])) ? scratch[i++] : scratch[j++];
}

// Puts unplaced buffers in the static order of the problem they are on their own.
static void arrange(pst_search *s, int32_t *list, int32_t count) {
  const pst_problem *p = s->p;
  if (s->by->load_key >= 0) {
    memset(s->load, 0, (size_t)p->sections * sizeof *s->load);
    for (int32_t i = 0; i < count; i++)
      add_load(s->load, p->spans, p->span_at[list[i]], p->span_at[list[i] + 1], p->size[list[i]], INT_MAX);
    for (int32_t i = 0; i < count; i++) {
      int64_t most = 0;
      for (int32_t j = p->span_at[list[i]]; j < p->span_at[list[i] + 1]; j++)
        for (int32_t at = p->spans[2 * j]; at < p->spans[2 * j + 1]; at++)
          if (s->load[at] > most) most = s->load[at];
      s->heaviest[list[i]] = most;
    }
  }
  const size_t mark = s->pool_used;
  merge_sort(s, list, count, take(s, count));
  s->pool_used = mark;
  for (int32_t i = 0; i < count; i++) s->rank[list[i]] = i;
}

// The parts of a node one after the other, each in an order of its own.
static int apart(pst_search *s, const int32_t *list, const int32_t *order, int32_t count, int32_t parts) {
  const pst_problem *p = s->p;
  int32_t *part_of = take(s, p->sections); // the scratch is used by what is below
  memcpy(part_of, s->crossing, (size_t)p->sections * sizeof *part_of);
  int32_t *part = take(s, count), *part_order = take(s, count), *ranks = take(s, count);
  for (int32_t i = 0; i < count; i++) ranks[i] = s->rank[list[i]];
  int status = PST_FOUND;
  for (int32_t number = 0; number < parts && status == PST_FOUND; number++) {
    int32_t size = 0, ordered = 0;
    for (int32_t i = 0; i < count; i++) {
      if (part_of[first_section(p, list[i])] == number) part[size++] = list[i];
      if (part_of[first_section(p, order[i])] == number) part_order[ordered++] = order[i];
    }
    arrange(s, part, size);
    const size_t mark = s->pool_used;
    status = expand(s, part, part_order, size, (cursor){0, -1});
    s->pool_used = mark;
  }
  for (int32_t i = 0; i < count; i++) s->rank[list[i]] = ranks[i];
  return status;
}

// A node: what is left to place after a placement. On success the placements stay on the trail.
static int visit(pst_search *s, const int32_t *given, const int32_t *given_order, int32_t count, cursor at) {
  if (*s->stop) return PST_STOPPED;
  if (s->nodes >= s->limit) return PST_LIMIT;
  s->nodes++;
  const size_t pool_mark = s->pool_used, mark = s->trail_used;
  int32_t *list = take(s, count), *order = take(s, count);
  int32_t left = 0;
  for (int32_t i = 0; i < count; i++) {
    const int32_t b = given[i];
    if (!has(s, PST_HATLESS) || s->hats[b]) {
      list[left++] = b;
    } else if (s->low[b] > s->highest[b]) {
      undo(s, mark);
      s->pool_used = pool_mark;
      return PST_NONE;
    } else {
      place(s, b);
    }
  }
  for (int32_t i = 0, j = 0; i < count; i++)
    if (s->offset[given_order[i]] < 0) order[j++] = given_order[i];
  int status = PST_FOUND;
  const int32_t parts = has(s, PST_DECOMPOSE) ? components(s, list, left) : 1;
  if (parts <= 1) {
    if (left) status = expand(s, list, order, left, at);
  } else {
    status = apart(s, list, order, left, parts);
  }
  if (status != PST_FOUND) undo(s, mark);
  s->pool_used = pool_mark;
  return status;
}

static void *zeroed(size_t count, size_t size) { return calloc(count ? count : 1, size); }

pst_search *pst_search_open(const pst_problem *problem, const pst_order *order, int32_t rules, int32_t nogood_bits) {
  pst_search *s = zeroed(1, sizeof *s);
  if (!s) return NULL;
  const size_t n = (size_t)problem->count, sections = (size_t)problem->sections;
  s->p = problem;
  s->by = order;
  s->rules = rules;
  s->capacity = -1;
  s->low = zeroed(n, sizeof *s->low);
  s->bound = zeroed(n, sizeof *s->bound);
  s->offset = zeroed(n, sizeof *s->offset);
  s->hats = zeroed(n, sizeof *s->hats);
  s->rank = zeroed(n, sizeof *s->rank);
  s->heaviest = zeroed(n, sizeof *s->heaviest);
  s->load = zeroed(sections + 1, sizeof *s->load);
  s->crossing = zeroed(sections + 1, sizeof *s->crossing);
  // A path places every buffer once, and each placement lifts at most its neighbours.
  s->trail_size = n + (size_t)problem->neighbour_at[n] + 1;
  s->trail = malloc(s->trail_size * sizeof *s->trail);
  if (rules & PST_NOGOODS) {
    s->nogood_mask = ((uint64_t)1 << nogood_bits) - 1;
    s->nogoods = zeroed((size_t)s->nogood_mask + 1, sizeof *s->nogoods);
  }
  const int complete = s->low && s->bound && s->offset && s->hats && s->rank && s->heaviest && s->load &&
                       s->crossing && s->trail &&
                       (s->nogoods || !(rules & PST_NOGOODS));
  if (complete) return s;
  pst_search_close(s);
  return NULL;
}

void pst_search_close(pst_search *s) {
  if (!s) return;
  free(s->low), free(s->bound), free(s->offset), free(s->hats), free(s->rank), free(s->heaviest);
  free(s->load), free(s->crossing);
  free(s->trail), free(s->nogoods), free(s);
}

int64_t pst_search_nodes(const pst_search *s) { return s->nodes; }

int pst_search_run(pst_search *s, int32_t capacity, const int32_t *highest, int64_t node_limit,
                   const volatile int32_t *stop, int32_t *offsets) {
  const pst_problem *p = s->p;
  const int32_t n = p->count;
  s->capacity = capacity;
  s->highest = highest;
  s->salt = mix((uint64_t)(uint32_t)capacity + 1);
  for (int32_t b = 0; b < n; b++) s->salt = mix(s->salt ^ (uint64_t)(uint32_t)highest[b]);
  s->limit = s->nodes + node_limit;
  s->stop = stop;
  s->trail_used = s->pool_used = 0;
  // A node of k buffers takes at most 10 k + sections + 4, and k falls along a path.
  const size_t most = (size_t)n, pool_size = 5 * most * (most + 1) + 2 * most + (most + 1) * ((size_t)p->sections + 4);
  s->pool = malloc(pool_size * sizeof *s->pool);
  if (!s->pool) return PST_MEMORY;
  int32_t *list = take(s, n), *order = take(s, n);
  for (int32_t b = 0; b < n; b++) {
    s->offset[b] = -1;
    s->low[b] = lifted(p, b, 0);
    s->hats[b] = p->neighbour_at[b + 1] - p->neighbour_at[b];
    list[b] = order[b] = b;
  }
  arrange(s, list, n);
  const int status = visit(s, list, order, n, (cursor){0, -1});
  if (status == PST_FOUND) memcpy(offsets, s->offset, (size_t)n * sizeof *offsets);
  free(s->pool);
  return status;
}
