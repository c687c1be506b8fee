#include "search.h"

#include "sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Lays classes in an order, each where it does not cost; the latency.
static double decode(const pst_tables *T, const pst_lists *L, pst_board *B, const pst_board *bare,
                     const int64_t *order, int64_t classes, int32_t whole, pst_random *random) {
  pst_copy_to(T, B, bare);
  for (int64_t at = 0; at < classes; at++) {
    if (L->pinned[order[at]]) continue;
    if (whole)
      pst_place_class(T, L, B, order[at], 0.0);
    else
      pst_lay(T, L, B, order[at], 0.0, 0.0, random);
  }
  return pst_price(T, B, NULL);
}

// Order crossover: a stretch of one, the rest in the order of two.
static void cross(const int64_t *one, const int64_t *two, int64_t n, int64_t *child, uint8_t *taken,
                  pst_random *random) {
  memset(taken, 0, (size_t)n);
  int64_t low = pst_below(random, n), high = pst_below(random, n);
  if (low > high) {
    const int64_t kept = low;
    low = high;
    high = kept;
  }
  for (int64_t at = low; at <= high && at < n; at++) {
    child[at] = one[at];
    taken[one[at]] = 1;
  }
  int64_t write = 0;
  for (int64_t at = 0; at < n; at++) {
    if (taken[two[at]]) continue;
    if (write == low) write = high + 1;
    child[write++] = two[at];
  }
}

// Moves one entry elsewhere, a few times.
static void mutate(int64_t *order, int64_t n, pst_random *random) {
  for (int64_t times = 1 + pst_below(random, 3); times > 0; times--) {
    const int64_t from = pst_below(random, n), to = pst_below(random, n), moved = order[from];
    if (from < to)
      memmove(order + from, order + from + 1, (size_t)(to - from) * sizeof *order);
    else
      memmove(order + to + 1, order + to, (size_t)(from - to) * sizeof *order);
    order[to] = moved;
  }
}

// The fitter of two of the population.
static int64_t tournament(const double *fitness, int64_t count, pst_random *random) {
  const int64_t a = pst_below(random, count), b = pst_below(random, count);
  return fitness[a] <= fitness[b] ? a : b;
}

int32_t pst_evolve(const pst_tables *T, const pst_lists *L, pst_board *B, const pst_board *bare, pst_board *best,
                   int64_t count, int64_t classes, int64_t *orders, double *fitness, int32_t whole, uint32_t seed,
                   int64_t evaluations, double *curve) {
  const size_t bytes = (size_t)classes * sizeof *orders;
  int64_t *child = malloc(bytes + 1);
  uint8_t *taken = malloc((size_t)classes + 1);
  pst_random random;
  pst_seed(&random, seed);
  double found = INFINITY;
  for (int64_t at = 0; at < count; at++) found = pst_min(found, fitness[at]);
  for (int64_t number = 0; child && taken && number < evaluations; number++) {
    int64_t slot = 0;
    for (int64_t at = 1; at < count; at++)
      if (fitness[at] > fitness[slot]) slot = at;
    if (fitness[slot] == INFINITY) {
      memcpy(child, orders + slot * classes, bytes);
    } else {
      const int64_t one = tournament(fitness, count, &random), two = tournament(fitness, count, &random);
      if (pst_unit(&random) < 0.5)
        cross(orders + one * classes, orders + two * classes, classes, child, taken, &random);
      else
        memcpy(child, orders + one * classes, bytes);
      if (classes) mutate(child, classes, &random);
    }
    const double latency = decode(T, L, B, bare, child, classes, whole, &random);
    if (latency <= fitness[slot]) {
      memcpy(orders + slot * classes, child, bytes);
      fitness[slot] = latency;
    }
    if (latency < found) {
      found = latency;
      pst_copy_to(T, best, B);
    }
    curve[number] = found;
  }
  const int32_t done = child && taken;
  free(child), free(taken);
  return done;
}

// Room for ruin and recreate, by class.
typedef struct {
  int64_t *first, *last, *chosen, *order; // instructions it lives from and to; what is laid anew, and in what order
  double *key;
} room;

// Orders the chosen classes by one of several measures, with noise.
static void shuffle(const room *R, int64_t few, const double *worth, const double *height, int64_t *laid,
                    pst_random *random) {
  const int64_t measure = pst_below(random, 6);
  const double noise = pst_unit(random) * 0.6;
  for (int64_t at = 0; at < few; at++) {
    const int64_t g = R->chosen[at];
    const double lives = (double)(R->last[g] - R->first[g]) + 1.0;
    double value = 1.0;
    if (measure == 0)
      value = worth[g] / sqrt(height[g]);
    else if (measure == 1)
      value = worth[g] / (height[g] * pst_max(lives, 1.0));
    else if (measure == 2)
      value = worth[g];
    else if (measure == 3)
      value = 1.0 / (1.0 + (double)R->first[g]);
    else if (measure == 4)
      value = height[g] * lives;
    value = -value * (1.0 + noise * (pst_unit(random) - 0.5) * 2.0);
    R->key[at] = measure == 5 ? value * pst_unit(random) : value;
  }
  pst_sort(R->key, R->order, few);
  for (int64_t at = 0; at < few; at++) laid[at] = R->chosen[R->order[at]];
}

enum { PST_LEAST = 2, PST_SPREAD = 14, PST_MOST = PST_LEAST + PST_SPREAD };

// Takes some classes that live near each other off the board and lays them again; the latency.
static double attempt(const pst_tables *T, const pst_lists *L, pst_board *work, int64_t classes, const double *worth,
                      const double *height, const room *R, pst_random *random) {
  const int64_t n = T->machine[PST_INSTRUCTIONS], middle = pst_below(random, n);
  const double share = pst_unit(random);
  const int64_t reach = (int64_t)((double)n * 0.5 * (share * (share * share)));
  const int64_t wanted = PST_LEAST + pst_below(random, PST_SPREAD);
  int64_t near = 0, laid[PST_MOST];
  for (int64_t g = 0; g < classes; g++)
    if (R->first[g] <= middle + reach && R->last[g] >= middle - reach && !L->pinned[g]) R->chosen[near++] = g;
  const int64_t few = pst_least(wanted, near);
  for (int64_t at = 0; at < few; at++) { // a random few of those near come first
    const int64_t other = at + pst_below(random, near - at), kept = R->chosen[at];
    R->chosen[at] = R->chosen[other];
    R->chosen[other] = kept;
  }
  for (int64_t at = 0; at < few; at++) pst_clear_class(T, L, work, R->chosen[at]);
  pst_price(T, work, NULL);
  shuffle(R, few, worth, height, laid, random);
  const double blink = pst_unit(random) < 0.5 ? 0.0 : 0.1 * pst_unit(random);
  const double least = pst_unit(random) < 0.5 ? 0.0 : 1e-12;
  for (int64_t at = 0; at < few; at++) pst_lay(T, L, work, laid[at], blink, least, random);
  return pst_price(T, work, NULL);
}

static void spans(const pst_tables *T, const pst_lists *L, int64_t classes, const room *R) {
  for (int64_t g = 0; g < classes; g++) {
    R->first[g] = T->machine[PST_INSTRUCTIONS];
    R->last[g] = 0;
  }
  for (int64_t x = 0; x < T->machine[PST_TENSORS]; x++) {
    const int64_t g = T->group[x];
    if (L->access_at[x] == L->access_at[x + 1]) continue;
    R->first[g] = pst_least(R->first[g], T->instruction[L->access[L->access_at[x]]]);
    R->last[g] = pst_most(R->last[g], T->final[x]);
  }
}

int32_t pst_ruin_and_recreate(const pst_tables *T, const pst_lists *L, pst_board *B, pst_board *best, pst_board *work,
                              int64_t classes, const double *worth, const double *height, const double *heat,
                              uint32_t seed, int64_t evaluations, double *curve) {
  const size_t count = (size_t)classes + 1;
  int64_t *places = malloc(4 * count * sizeof *places);
  double *keys = malloc(count * sizeof *keys);
  if (!places || !keys) {
    free(places), free(keys);
    return 0;
  }
  const room R = {places, places + count, places + 2 * count, places + 3 * count, keys};
  pst_random random;
  pst_seed(&random, seed);
  spans(T, L, classes, &R);
  double now = pst_price(T, B, NULL), found = pst_price(T, best, NULL);
  for (int64_t number = 0; number < evaluations; number++) {
    pst_copy_to(T, work, B);
    const double latency = attempt(T, L, work, classes, worth, height, &R, &random);
    const double tolerance = heat[0] + (heat[1] - heat[0]) * (double)number / (double)evaluations;
    if (latency <= now * (1.0 + tolerance * pst_unit(&random))) {
      now = latency;
      pst_copy_to(T, B, work);
    }
    if (latency < found) {
      found = latency;
      pst_copy_to(T, best, work);
    }
    curve[number] = found;
  }
  free(places), free(keys);
  return 1;
}
