// What Python and C share: structs of pointers to the arrays of rules.py and board.py, in the order of their fields.
#pragma once
#include <stdint.h>

// A problem on a machine, read only. A: accesses, N: instructions, X: tensors.
typedef struct {
  const int64_t *instruction, *tensor, *output; // [A]
  const double *slow_s, *fast_s;                // [A]
  const double *compute_s, *traffic_s;          // [N]
  const int64_t *height, *need;                 // [X]
  const double *demand_s;                       // [X]
  const int64_t *movable, *param, *result, *group, *shared, *final; // [X]
  const int64_t *machine;                       // [5] capacity, variant, A, N, X
} pst_tables;

enum { PST_CAPACITY, PST_VARIANT, PST_ACCESSES, PST_INSTRUCTIONS, PST_TENSORS };
enum { PST_EXTEND, PST_RESERVE };

// Fast memory as it is planned, and the time of slow memory: what states and boards begin with.
typedef struct {
  int64_t *head; // [3] pointer, rectangles, backups
  double *slow_s, *fast_s, *charged_s; // [N]
  int64_t *r_offset, *r_top, *r_first, *r_last, *r_tensor; // [A] rectangles, by offset
} pst_memory;

enum { PST_POINTER, PST_RECTANGLES, PST_BACKUPS };

// Where a game stands.
typedef struct {
  pst_memory m;
  double *score_s;  // [1]
  int8_t *moves;    // [A]
  double *stall_s;  // [N]
  int64_t *slow_ready, *cur_offset, *cur_first, *cur_last; // [X]
  int64_t *group_memory, *group_offset, *group_first, *forced; // [X]
  int64_t *log;     // [X, 2]
  int64_t *legal, *o_offset, *o_first, *o_last, *o_ready; // [3]
  double *o_stall_s, *o_gain_s; // [3]
} pst_state;

enum { PST_DROP, PST_KEEP, PST_COPY, PST_MOVES };
enum { PST_UNDECIDED, PST_SLOW, PST_FAST };

// Accesses by tensor and tensors by class, in order.
typedef struct {
  const int64_t *access, *access_at; // [A], [X + 1]
  const int64_t *member, *member_at; // [X], [X + 1]
  const int64_t *pinned;             // [X + 1] by class
} pst_lists;

// A mapping in the making.
typedef struct {
  pst_memory m;
  int64_t *fast;                    // [A]
  int64_t *r_from, *r_need, *r_done; // [A]
  double *c_left;                   // [2 A] scratch of pst_price: by copy, in and out
  int64_t *c_begin, *c_order;       // [2 A]
  double *c_end;                    // [2 A]
} pst_board;

#define PST_NONE (-1)
#define PST_NEVER ((int64_t)1 << 60)
#define PST_TINY_S 1e-15 // idle time that rounding leaves behind

static inline double pst_max(double a, double b) { return a > b ? a : b; }
static inline double pst_min(double a, double b) { return a < b ? a : b; }
static inline int64_t pst_most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t pst_least(int64_t a, int64_t b) { return a < b ? a : b; }

// Idle slow time of an instruction that no copy uses yet.
static inline double pst_idle_s(const pst_tables *T, const pst_memory *M, int64_t k) {
  const double latency = pst_max(T->compute_s[k], M->slow_s[k] + M->fast_s[k]);
  return latency - M->slow_s[k] - M->charged_s[k];
}
