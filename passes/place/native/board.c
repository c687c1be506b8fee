#include "board.h"

#include "sort.h"

#include <string.h>

static void move_piece(pst_board *B, int64_t from, int64_t to) {
  B->m.r_offset[to] = B->m.r_offset[from];
  B->m.r_top[to] = B->m.r_top[from];
  B->m.r_first[to] = B->m.r_first[from];
  B->m.r_last[to] = B->m.r_last[from];
  B->m.r_tensor[to] = B->m.r_tensor[from];
  B->r_from[to] = B->r_from[from];
  B->r_need[to] = B->r_need[from];
  B->r_done[to] = B->r_done[from];
}

void pst_copy_to(const pst_tables *T, pst_board *to, const pst_board *from) {
  const size_t accesses = (size_t)T->machine[PST_ACCESSES] * sizeof(int64_t);
  const size_t seconds = (size_t)T->machine[PST_INSTRUCTIONS] * sizeof(double);
  const size_t pieces = (size_t)from->m.head[PST_RECTANGLES] * sizeof(int64_t);
  memcpy(to->m.head, from->m.head, 3 * sizeof(int64_t));
  memcpy(to->m.slow_s, from->m.slow_s, seconds);
  memcpy(to->m.fast_s, from->m.fast_s, seconds);
  memcpy(to->m.charged_s, from->m.charged_s, seconds);
  memcpy(to->m.r_offset, from->m.r_offset, pieces);
  memcpy(to->m.r_top, from->m.r_top, pieces);
  memcpy(to->m.r_first, from->m.r_first, pieces);
  memcpy(to->m.r_last, from->m.r_last, pieces);
  memcpy(to->m.r_tensor, from->m.r_tensor, pieces);
  memcpy(to->fast, from->fast, accesses);
  memcpy(to->r_from, from->r_from, pieces);
  memcpy(to->r_need, from->r_need, pieces);
  memcpy(to->r_done, from->r_done, pieces);
}

double pst_saved_s(const pst_tables *T, const pst_board *B, int64_t a) {
  const int64_t i = T->instruction[a];
  const double slow = B->m.slow_s[i], fast = B->m.fast_s[i], now = pst_max(T->compute_s[i], slow + fast);
  return now - pst_max(T->compute_s[i], slow - T->slow_s[a] + fast + T->fast_s[a]);
}

void pst_serve(const pst_tables *T, pst_board *B, int64_t a) {
  if (B->fast[a]) return;
  B->fast[a] = 1;
  B->m.slow_s[T->instruction[a]] -= T->slow_s[a];
  B->m.fast_s[T->instruction[a]] += T->fast_s[a];
}

int64_t pst_put(const pst_tables *T, pst_board *B, int64_t x, int64_t offset, int64_t first, int64_t last,
                int64_t begin, int64_t need, int64_t done) {
  int64_t r = B->m.head[PST_RECTANGLES]++;
  for (; r > 0 && B->m.r_offset[r - 1] > offset; r--) move_piece(B, r - 1, r);
  B->m.r_offset[r] = offset;
  B->m.r_top[r] = offset + T->height[x];
  B->m.r_first[r] = first;
  B->m.r_last[r] = last;
  B->m.r_tensor[r] = x;
  B->r_from[r] = begin;
  B->r_need[r] = need;
  B->r_done[r] = done;
  return r;
}

void pst_clear_class(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t g) {
  int64_t kept = 0;
  for (int64_t r = 0; r < B->m.head[PST_RECTANGLES]; r++)
    if (T->group[B->m.r_tensor[r]] != g) move_piece(B, r, kept++);
  B->m.head[PST_RECTANGLES] = kept;
  for (int64_t m = L->member_at[g]; m < L->member_at[g + 1]; m++) {
    const int64_t x = L->member[m];
    for (int64_t at = L->access_at[x]; at < L->access_at[x + 1]; at++) {
      const int64_t a = L->access[at];
      if (!B->fast[a]) continue;
      B->fast[a] = 0;
      B->m.slow_s[T->instruction[a]] += T->slow_s[a];
      B->m.fast_s[T->instruction[a]] -= T->fast_s[a];
    }
  }
}

double pst_price(const pst_tables *T, pst_board *B, double *book) {
  const int64_t count = B->m.head[PST_RECTANGLES], copies = 2 * count, n = T->machine[PST_INSTRUCTIONS];
  double *left = B->c_left, *end = B->c_end;
  int64_t *begin = B->c_begin, *order = B->c_order;
  for (int64_t r = 0; r < count; r++) {
    const double demand = T->demand_s[B->m.r_tensor[r]];
    const int in = B->r_from[r] != PST_NONE, out = B->r_done[r] != PST_NONE;
    begin[r] = in ? B->r_from[r] : 0;
    end[r] = in ? (double)(B->r_need[r] - 1) : -2.0;
    left[r] = in ? demand : 0.0;
    begin[count + r] = out ? pst_out_from(B, r) : 0;
    end[count + r] = out ? (double)B->r_done[r] : -2.0;
    left[count + r] = out ? demand : 0.0;
  }
  pst_sort(end, order, copies);
  int64_t low = 0;
  while (low < copies && end[order[low]] < -1.0) low++;
  double total = 0.0;
  for (int64_t k = 0; k < n; k++) {
    const double length = pst_max(T->compute_s[k], B->m.slow_s[k] + B->m.fast_s[k]);
    total += length;
    while (low < copies && end[order[low]] < (double)k) low++;
    double idle = length - B->m.slow_s[k], charged = 0.0;
    for (int64_t at = low; at < copies && idle > PST_TINY_S; at++) {
      const int64_t c = order[at];
      if (begin[c] > k || left[c] <= 0.0) continue;
      const double moved = pst_min(idle, left[c]);
      left[c] -= moved;
      idle -= moved;
      charged += moved;
      if (book) book[c * n + k] = moved;
    }
    B->m.charged_s[k] = charged;
  }
  double waited = 0.0;
  for (int64_t c = 0; c < copies; c++) waited += left[c];
  return total + waited;
}
