// A mapping decided tensor by tensor in any order: pieces on the board, and what they cost. See board.py.
#pragma once
#include "rules.h"

void pst_copy_to(const pst_tables *T, pst_board *to, const pst_board *from);

// What serving one more access from fast memory saves.
double pst_saved_s(const pst_tables *T, const pst_board *B, int64_t a);

// Serves an access from fast memory.
void pst_serve(const pst_tables *T, pst_board *B, int64_t a);

// A new piece, the list kept by offset; its row.
int64_t pst_put(const pst_tables *T, pst_board *B, int64_t x, int64_t offset, int64_t first, int64_t last,
                int64_t begin, int64_t need, int64_t done);

// Takes all pieces of a class off the board; charges are stale until priced.
void pst_clear_class(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t g);

// The first instruction a copy out of a piece may move in.
static inline int64_t pst_out_from(const pst_board *B, int64_t r) {
  return B->r_from[r] == PST_NONE ? B->r_need[r] + 1 : B->r_need[r];
}

// Latency of the plan; idle time goes to the copy needed first, and is noted as charged. `book` [2 R, N] takes
// seconds by copy (in: row r; out: row R + r) and instruction; NULL where nobody asks.
double pst_price(const pst_tables *T, pst_board *B, double *book);
