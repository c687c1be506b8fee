#include "rules.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

int64_t pst_reach_back(const pst_tables *T, const pst_memory *M, int64_t start, int64_t stop, double demand,
                       double *left) {
  int64_t first = start + 1;
  for (int64_t k = start; k >= stop && demand > PST_TINY_S; k--) {
    const double free_s = pst_idle_s(T, M, k);
    if (free_s <= PST_TINY_S) continue;
    demand -= pst_min(free_s, demand);
    first = k;
  }
  *left = demand > PST_TINY_S ? demand : 0.0;
  return first;
}

int64_t pst_reach_ahead(const pst_tables *T, const pst_memory *M, int64_t start, double demand, double *left) {
  int64_t last = start - 1;
  for (int64_t k = start; k < T->machine[PST_INSTRUCTIONS] && demand > PST_TINY_S; k++) {
    const double free_s = pst_idle_s(T, M, k);
    if (free_s <= PST_TINY_S) continue;
    demand -= pst_min(free_s, demand);
    last = k;
  }
  *left = demand > PST_TINY_S ? demand : 0.0;
  return last;
}

void pst_charge(const pst_tables *T, pst_memory *M, int64_t start, int64_t stop, int64_t step, double demand) {
  for (int64_t k = start; (step > 0 ? k < stop : k > stop) && demand > PST_TINY_S; k += step) {
    const double free_s = pst_idle_s(T, M, k);
    if (free_s <= PST_TINY_S) continue;
    const double taken = pst_min(free_s, demand);
    M->charged_s[k] += taken;
    demand -= taken;
  }
}

int64_t pst_best_gap(const pst_tables *T, const pst_memory *M, int64_t x, int64_t first, int64_t last) {
  const int64_t need = T->need[x], count = M->head[PST_RECTANGLES];
  int64_t cursor = 0, best = PST_NONE, smallest = PST_NEVER;
  for (int64_t r = 0; r < count; r++) {
    if (M->r_first[r] > last || M->r_last[r] < first) continue;
    const int64_t gap = M->r_offset[r] - cursor;
    if (need <= gap && gap < smallest) {
      best = cursor;
      smallest = gap;
    }
    cursor = pst_most(cursor, M->r_top[r]);
  }
  const int64_t above = T->machine[PST_CAPACITY] - cursor;
  return need <= above && above < smallest ? cursor : best;
}

int32_t pst_is_clear(const pst_tables *T, const pst_memory *M, int64_t x, int64_t offset, int64_t first,
                     int64_t last) {
  const int64_t top = offset + T->height[x]; // within the memory: the offset was found for the class's largest
  for (int64_t r = 0; r < M->head[PST_RECTANGLES]; r++) {
    if (M->r_offset[r] >= top) break;
    if (M->r_first[r] > last || M->r_last[r] < first || M->r_top[r] <= offset) continue;
    if (!(T->shared[x] && T->group[M->r_tensor[r]] == T->group[x])) return 0;
  }
  return 1;
}

// Offset for the tensor over a span: its class's where that is fixed, else the best gap.
static int64_t spot(const pst_tables *T, const pst_state *S, int64_t x, int64_t first, int64_t last) {
  const int64_t g = T->group[x];
  if (S->group_memory[g] == PST_FAST) {
    const int64_t offset = S->group_offset[g];
    return pst_is_clear(T, &S->m, x, offset, first, last) ? offset : PST_NONE;
  }
  return pst_best_gap(T, &S->m, x, first, last);
}

// Until when a new rectangle is held for a tensor that is needed at an instruction.
static int64_t held_to(const pst_tables *T, int64_t x, int64_t i) {
  return T->machine[PST_VARIANT] == PST_RESERVE ? T->final[x] : i;
}

// What a legal move would do.
typedef struct {
  int64_t offset, first, last, ready;
  double stall, saved;
} offer;

static void note(pst_state *S, int64_t move, offer o) {
  S->legal[move] = 1;
  S->o_offset[move] = o.offset;
  S->o_first[move] = o.first;
  S->o_last[move] = o.last;
  S->o_ready[move] = o.ready;
  S->o_stall_s[move] = o.stall;
  S->o_gain_s[move] = o.saved - o.stall;
}

static void offer_input(const pst_tables *T, pst_state *S, int64_t a, double saved) {
  const int64_t i = T->instruction[a], x = T->tensor[a], from = S->cur_first[x], to = S->cur_last[x];
  if (from >= 0 && to >= i) {
    note(S, PST_KEEP, (offer){S->cur_offset[x], from, to, i, 0.0, saved});
    return;
  }
  if (from >= 0 && pst_is_clear(T, &S->m, x, S->cur_offset[x], to + 1, i))
    note(S, PST_KEEP, (offer){S->cur_offset[x], from, i, i, 0.0, saved});
  if (S->slow_ready[x] < i) {
    double left;
    const int64_t first = pst_reach_back(T, &S->m, i - 1, S->slow_ready[x] + 1, T->demand_s[x], &left);
    const int64_t offset = spot(T, S, x, first, i);
    if (offset >= 0) note(S, PST_COPY, (offer){offset, first, held_to(T, x, i), i, left, saved});
  }
}

static void offer_output(const pst_tables *T, pst_state *S, int64_t a, double saved) {
  const int64_t i = T->instruction[a], x = T->tensor[a], offset = spot(T, S, x, i, i);
  if (offset < 0) return;
  if (!T->result[x]) note(S, PST_KEEP, (offer){offset, i, held_to(T, x, i), i, 0.0, saved});
  double left;
  int64_t done = pst_reach_ahead(T, &S->m, i + 1, T->demand_s[x], &left);
  if (left > 0.0) done = T->machine[PST_INSTRUCTIONS] - 1;
  note(S, PST_COPY, (offer){offset, i, pst_most(held_to(T, x, i), done), done, left, saved});
}

// Fills in what the access to decide may do.
static void find_moves(const pst_tables *T, pst_state *S) {
  memset(S->legal, 0, PST_MOVES * sizeof *S->legal);
  const int64_t a = S->m.head[PST_POINTER];
  if (a >= T->machine[PST_ACCESSES]) return;
  const int64_t i = T->instruction[a], x = T->tensor[a], g = T->group[x], memory = S->group_memory[g];
  if (memory != PST_FAST && (T->output[a] || S->slow_ready[x] < i))
    note(S, PST_DROP, (offer){PST_NONE, PST_NONE, PST_NONE, i, 0.0, 0.0});
  if (!T->movable[x] || S->forced[g] || memory == PST_SLOW) return;
  const double slow = S->m.slow_s[i], fast = S->m.fast_s[i];
  const double now = pst_max(T->compute_s[i], slow + fast);
  const double then = pst_max(T->compute_s[i], slow - T->slow_s[a] + fast + T->fast_s[a]);
  if (T->output[a])
    offer_output(T, S, a, now - then);
  else
    offer_input(T, S, a, now - then);
}

// A new rectangle, the list kept in order of offsets.
static void insert(const pst_tables *T, pst_state *S, int64_t x, int64_t offset, int64_t first, int64_t last) {
  pst_memory *m = &S->m;
  int64_t r = m->head[PST_RECTANGLES]++;
  for (; r > 0 && m->r_offset[r - 1] > offset; r--) {
    m->r_offset[r] = m->r_offset[r - 1];
    m->r_top[r] = m->r_top[r - 1];
    m->r_first[r] = m->r_first[r - 1];
    m->r_last[r] = m->r_last[r - 1];
    m->r_tensor[r] = m->r_tensor[r - 1];
  }
  m->r_offset[r] = offset;
  m->r_top[r] = offset + T->height[x];
  m->r_first[r] = first;
  m->r_last[r] = last;
  m->r_tensor[r] = x;
  S->cur_offset[x] = offset;
  S->cur_first[x] = first;
  S->cur_last[x] = last;
}

// Holds a tensor's current rectangle longer.
static void lengthen(pst_state *S, int64_t x, int64_t last) {
  pst_memory *m = &S->m;
  for (int64_t r = 0; r < m->head[PST_RECTANGLES]; r++) {
    if (m->r_tensor[r] == x && m->r_first[r] == S->cur_first[x] && m->r_last[r] == S->cur_last[x]) {
      m->r_last[r] = last;
      break;
    }
  }
  S->cur_last[x] = last;
}

// Charges the copy of an access that is being decided.
static void transfer(const pst_tables *T, pst_state *S, int64_t a) {
  const int64_t i = T->instruction[a], x = T->tensor[a], n = T->machine[PST_INSTRUCTIONS];
  if (T->output[a]) {
    pst_charge(T, &S->m, i + 1, n, 1, T->demand_s[x]);
    S->stall_s[n - 1] += S->o_stall_s[PST_COPY];
    S->slow_ready[x] = S->o_ready[PST_COPY];
  } else {
    pst_charge(T, &S->m, i - 1, S->slow_ready[x], -1, T->demand_s[x]);
    S->stall_s[i] += S->o_stall_s[PST_COPY];
  }
}

// Does a legal move; the moves of the next access are not known yet. 0: more rectangles than accesses, a mistake.
static int32_t make_move(const pst_tables *T, pst_state *S, int64_t move) {
  const int64_t a = S->m.head[PST_POINTER], i = T->instruction[a], x = T->tensor[a], g = T->group[x];
  if (S->m.head[PST_RECTANGLES] >= T->machine[PST_ACCESSES] && move != PST_DROP) return 0;
  if (S->group_first[g] < 0) S->group_first[g] = a;
  S->moves[a] = (int8_t)move;
  S->m.head[PST_POINTER] = a + 1;
  if (T->shared[x] && S->group_memory[g] == PST_UNDECIDED) {
    S->group_memory[g] = move == PST_DROP ? PST_SLOW : PST_FAST;
    S->group_offset[g] = S->o_offset[move];
  }
  if (move == PST_DROP) {
    if (T->output[a]) S->slow_ready[x] = i;
    return 1;
  }
  if (move == PST_COPY) transfer(T, S, a);
  if (move != PST_KEEP || T->output[a])
    insert(T, S, x, S->o_offset[move], S->o_first[move], S->o_last[move]);
  else if (S->o_last[PST_KEEP] > S->cur_last[x])
    lengthen(S, x, S->o_last[PST_KEEP]);
  S->m.slow_s[i] -= T->slow_s[a];
  S->m.fast_s[i] += T->fast_s[a];
  S->score_s[0] += S->o_gain_s[move];
  return 1;
}

void pst_begin(const pst_tables *T, pst_state *S) {
  const size_t n = (size_t)T->machine[PST_INSTRUCTIONS], tensors = (size_t)T->machine[PST_TENSORS];
  S->m.head[PST_POINTER] = S->m.head[PST_RECTANGLES] = 0;
  S->score_s[0] = 0.0;
  memcpy(S->m.slow_s, T->traffic_s, n * sizeof(double));
  memset(S->m.fast_s, 0, n * sizeof(double));
  memset(S->m.charged_s, 0, n * sizeof(double));
  memset(S->stall_s, 0, n * sizeof(double));
  for (size_t x = 0; x < tensors; x++) {
    S->cur_first[x] = S->cur_last[x] = S->group_first[x] = PST_NONE;
    S->group_memory[x] = PST_UNDECIDED;
    S->slow_ready[x] = T->param[x] ? -1 : PST_NEVER;
  }
}

// Forces the class of a dead end to slow memory and goes back to before its first decision.
static int32_t back_up(const pst_tables *T, pst_state *S) {
  const int64_t a = S->m.head[PST_POINTER], g = T->group[T->tensor[a]], to = S->group_first[g];
  const int64_t number = S->m.head[PST_BACKUPS];
  if (number >= T->machine[PST_TENSORS]) return 0;
  S->m.head[PST_BACKUPS] = number + 1;
  S->log[2 * number] = a;
  S->log[2 * number + 1] = g;
  S->forced[g] = 1;
  pst_begin(T, S);
  for (int64_t at = 0; at < to; at++) {
    find_moves(T, S);
    if (!make_move(T, S, S->moves[at])) return 0;
  }
  find_moves(T, S);
  return 1;
}

int32_t pst_settle(const pst_tables *T, pst_state *S) {
  find_moves(T, S);
  while (S->m.head[PST_POINTER] < T->machine[PST_ACCESSES] &&
         !(S->legal[PST_DROP] || S->legal[PST_KEEP] || S->legal[PST_COPY]))
    if (!back_up(T, S)) return 0;
  return 1;
}

double pst_step(const pst_tables *T, pst_state *S, int64_t move) {
  const double before = S->score_s[0];
  return make_move(T, S, move) && pst_settle(T, S) ? S->score_s[0] - before : NAN;
}

double pst_latency_s(const pst_tables *T, const pst_state *S) {
  double total = 0.0;
  for (int64_t k = 0; k < T->machine[PST_INSTRUCTIONS]; k++)
    total += pst_max(T->compute_s[k], S->m.slow_s[k] + S->m.fast_s[k]) + S->stall_s[k];
  return total;
}
