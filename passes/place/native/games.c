#include "games.h"

#include <math.h>
#include <string.h>

static int32_t restart(const pst_tables *T, pst_state *S) {
  memset(S->forced, 0, (size_t)T->machine[PST_TENSORS] * sizeof *S->forced);
  S->m.head[PST_BACKUPS] = 0;
  pst_begin(T, S);
  return pst_settle(T, S);
}

static int goes_on(const pst_tables *T, const pst_state *S) {
  return S->m.head[PST_POINTER] < T->machine[PST_ACCESSES];
}

double pst_play_random(const pst_tables *T, pst_state *S, uint32_t seed) {
  pst_random random;
  pst_seed(&random, seed);
  int32_t sound = restart(T, S);
  while (sound && goes_on(T, S)) {
    int64_t chosen = PST_DROP, seen = 0;
    for (int64_t move = 0; move < PST_MOVES; move++)
      if (S->legal[move] && pst_below(&random, ++seen) == 0) chosen = move;
    sound = !isnan(pst_step(T, S, chosen));
  }
  return sound ? pst_latency_s(T, S) : NAN;
}

double pst_play_greedy(const pst_tables *T, pst_state *S) {
  static const int64_t preferred[PST_MOVES] = {PST_KEEP, PST_DROP, PST_COPY};
  int32_t sound = restart(T, S);
  while (sound && goes_on(T, S)) {
    int64_t chosen = PST_NONE;
    for (int64_t at = 0; at < PST_MOVES; at++) {
      const int64_t move = preferred[at];
      if (S->legal[move] && (chosen < 0 || S->o_gain_s[move] > S->o_gain_s[chosen])) chosen = move;
    }
    sound = !isnan(pst_step(T, S, chosen));
  }
  return sound ? pst_latency_s(T, S) : NAN;
}

// The move at the access to decide: keep, else copy, for what is admitted; else drop.
static int64_t wish(const pst_tables *T, const pst_state *S, const int64_t *admitted) {
  if (admitted[T->group[T->tensor[S->m.head[PST_POINTER]]]]) {
    if (S->legal[PST_KEEP]) return PST_KEEP;
    if (S->legal[PST_COPY]) return PST_COPY;
  }
  if (S->legal[PST_DROP]) return PST_DROP;
  return S->legal[PST_KEEP] ? PST_KEEP : PST_COPY;
}

double pst_play_admitted(const pst_tables *T, pst_state *S, const int64_t *admitted) {
  int32_t sound = restart(T, S);
  while (sound && goes_on(T, S)) sound = !isnan(pst_step(T, S, wish(T, S, admitted)));
  return sound ? pst_latency_s(T, S) : NAN;
}

double pst_insert_by_priority(const pst_tables *T, pst_state *S, const int64_t *order, int64_t count, int64_t *admitted,
                              double *curve) {
  double latency = pst_play_admitted(T, S, admitted);
  for (int64_t at = 0; at < count && !isnan(latency); at++) {
    admitted[order[at]] = 1;
    const double found = pst_play_admitted(T, S, admitted);
    if (found > latency)
      admitted[order[at]] = 0;
    else // NaN too
      latency = found;
    curve[at] = latency;
  }
  return latency;
}
