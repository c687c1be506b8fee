// Searches over plans: orders and their evolution, ruin and recreate. See search.py.
#pragma once
#include "laying.h"

// Evolution over orders, steady state, tournaments of two; its best plan in `best`. `orders` [count, classes] is the
// population and `fitness` [count] its latencies, infinite where unknown; both are changed. An order is decoded from
// `bare` on, `whole` lives or also parts. `curve` [evaluations] takes the best latency after each. 0: no memory.
int32_t pst_evolve(const pst_tables *T, const pst_lists *L, pst_board *B, const pst_board *bare, pst_board *best,
                   int64_t count, int64_t classes, int64_t *orders, double *fitness, int32_t whole, uint32_t seed,
                   int64_t evaluations, double *curve);

// Improves the plan on B; the best plan in `best`. `worth` and `height` [classes] are for the orders to lay in, `heat`
// [2] the relative tolerance with which a worse plan is taken, at the start and at the end. 0: no memory.
int32_t pst_ruin_and_recreate(const pst_tables *T, const pst_lists *L, pst_board *B, pst_board *best, pst_board *work,
                              int64_t classes, const double *worth, const double *height, const double *heat,
                              uint32_t seed, int64_t evaluations, double *curve);
