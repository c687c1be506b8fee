#include "laying.h"

int64_t pst_furthest(const pst_tables *T, const pst_lists *L, const pst_board *B, int64_t x, int64_t first, int64_t at,
                     int64_t *end) {
  int64_t low = at, high = L->access_at[x + 1], offset = PST_NONE;
  *end = at - 1;
  while (low < high) {
    const int64_t middle = *end >= at ? (low + high) / 2 : at;
    const int64_t found = pst_best_gap(T, &B->m, x, first, T->instruction[L->access[middle]]);
    if (found >= 0) {
      offset = found;
      *end = middle;
      low = middle + 1;
    } else if (*end < at) {
      break;
    } else {
      high = middle;
    }
  }
  return offset;
}

// What a piece's accesses save.
static double worth(const pst_tables *T, const pst_lists *L, const pst_board *B, int64_t at, int64_t end) {
  double total = 0.0;
  for (int64_t j = at; j <= end; j++) total += pst_saved_s(T, B, L->access[j]);
  return total;
}

// A stay of accesses `at` to `end`, as a row of the board.
typedef struct {
  int64_t offset, first, at, end, begin, need, done;
} stay;

// Puts a piece and serves its accesses.
static void settle(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t x, stay s) {
  const int64_t last = T->instruction[L->access[s.end]];
  const int64_t r = pst_put(T, B, x, s.offset, s.first, pst_most(last, s.done), s.begin, s.need, s.done);
  for (int64_t j = s.at; j <= s.end; j++) pst_serve(T, B, L->access[j]);
  if (s.begin != PST_NONE) pst_charge(T, &B->m, s.need - 1, s.begin - 1, -1, T->demand_s[x]);
  if (s.done != PST_NONE) pst_charge(T, &B->m, pst_out_from(B, r), s.done + 1, 1, T->demand_s[x]);
}

// Idle time of a span that no copy uses, up to what is enough.
static double idle_between(const pst_tables *T, const pst_board *B, int64_t first, int64_t last, double enough) {
  double total = 0.0;
  for (int64_t k = first; k <= last; k++) {
    total += pst_max(pst_idle_s(T, &B->m, k), 0.0);
    if (total >= enough) return enough;
  }
  return total;
}

// Tries to make a tensor in fast memory; the next access to look at. `since`: when slow memory has it.
static int64_t place_definition(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t x, double wanted,
                                int64_t *since) {
  const int64_t at = L->access_at[x], stop = L->access_at[x + 1], i = T->instruction[L->access[at]];
  const double demand = T->demand_s[x];
  int64_t end;
  const int64_t offset = pst_furthest(T, L, B, x, i, at, &end);
  *since = i;
  if (offset < 0 || !T->movable[x]) return at + 1;
  if (!T->result[x] && end + 1 == stop) { // slow memory will not want it
    if (worth(T, L, B, at, end) < wanted) return at + 1;
    settle(T, L, B, x, (stay){offset, i, at, end, PST_NONE, i, PST_NONE});
    *since = T->machine[PST_INSTRUCTIONS];
    return end + 1;
  }
  const int64_t hold = T->instruction[L->access[end]];
  double left;
  int64_t done = pst_reach_ahead(T, &B->m, i + 1, demand, &left);
  if (end + 1 < stop) done = pst_least(done, T->instruction[L->access[end + 1]] - 1);
  if (left > 0.0 || !pst_is_clear(T, &B->m, x, offset, i, pst_most(hold, done))) done = hold;
  done = pst_most(done, i);
  left = demand - idle_between(T, B, i + 1, done, demand);
  if (worth(T, L, B, at, end) - pst_max(left, 0.0) < wanted) return at + 1;
  settle(T, L, B, x, (stay){offset, i, at, end, PST_NONE, i, done});
  *since = done;
  return end + 1;
}

enum { PST_WINDOWS = 4 };

// Tries to bring a tensor in for an access; the next access to look at.
static int64_t place_use(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t x, int64_t at, int64_t since,
                         double wanted) {
  const int64_t i = T->instruction[L->access[at]];
  const double demand = T->demand_s[x];
  if (since >= i) return at + 1;
  double left;
  int64_t begin = pst_reach_back(T, &B->m, i - 1, since + 1, demand, &left);
  for (int window = 0; window < PST_WINDOWS; window++) { // the whole window, then shorter ones that wait
    int64_t end;
    const int64_t offset = pst_furthest(T, L, B, x, begin, at, &end);
    if (offset >= 0) {
      left = pst_max(demand - idle_between(T, B, begin, i - 1, demand), 0.0);
      if (worth(T, L, B, at, end) - left >= wanted) {
        settle(T, L, B, x, (stay){offset, begin, at, end, begin, i, PST_NONE});
        return end + 1;
      }
    }
    if (begin == i) break;
    begin = (begin + i + 1) / 2;
  }
  return at + 1;
}

static int by_chance(pst_random *random, double chance) { return random && pst_unit(random) < chance; }

static void place_tensor(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t x, double blink, double wanted,
                         pst_random *random) {
  int64_t at = L->access_at[x], since = -1;
  if (!T->param[x]) {
    if (by_chance(random, blink))
      since = T->instruction[L->access[at++]];
    else
      at = place_definition(T, L, B, x, wanted, &since);
  }
  if (!T->movable[x]) return;
  while (at < L->access_at[x + 1])
    at = by_chance(random, blink) ? at + 1 : place_use(T, L, B, x, at, since, wanted);
}

void pst_place_class(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t g, double wanted) {
  const int64_t n = T->machine[PST_INSTRUCTIONS], from = L->member_at[g], to = L->member_at[g + 1];
  int64_t first = n, last = -1, largest = L->member[from];
  double total = 0.0, left;
  for (int64_t m = from; m < to; m++) {
    const int64_t x = L->member[m], at = L->access_at[x], stop = L->access_at[x + 1];
    if (at == stop) continue;
    int64_t begin = T->instruction[L->access[at]], end = T->final[x];
    if (T->param[x]) {
      begin = pst_reach_back(T, &B->m, begin - 1, 0, T->demand_s[x], &left);
      total -= left;
    }
    if (T->result[x]) {
      const int64_t done = pst_reach_ahead(T, &B->m, begin + 1, T->demand_s[x], &left);
      end = left > 0.0 ? n - 1 : pst_most(end, done);
      total -= left;
    }
    total += worth(T, L, B, at, stop - 1);
    first = pst_least(first, begin);
    last = pst_most(last, end);
    if (T->height[x] > T->height[largest]) largest = x;
  }
  if (last < 0 || !T->movable[largest] || total < wanted) return;
  const int64_t offset = pst_best_gap(T, &B->m, largest, first, last);
  if (offset < 0) return;
  for (int64_t m = from; m < to; m++) {
    const int64_t x = L->member[m], at = L->access_at[x], stop = L->access_at[x + 1];
    if (at == stop) continue;
    const int64_t i = T->instruction[L->access[at]];
    stay s = {offset, i, at, stop - 1, PST_NONE, i, PST_NONE};
    if (T->param[x]) s.first = s.begin = pst_reach_back(T, &B->m, i - 1, first, T->demand_s[x], &left);
    if (T->result[x]) {
      const int64_t done = pst_reach_ahead(T, &B->m, i + 1, T->demand_s[x], &left);
      s.done = left > 0.0 ? last : pst_least(pst_most(done, i), last);
    }
    settle(T, L, B, x, s);
  }
}

void pst_lay(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t g, double blink, double wanted,
             pst_random *random) {
  const int64_t x = L->member[L->member_at[g]];
  if (!T->shared[x])
    place_tensor(T, L, B, x, blink, wanted, random);
  else if (!by_chance(random, blink))
    pst_place_class(T, L, B, g, wanted);
}
