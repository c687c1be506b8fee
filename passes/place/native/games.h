// Whole games: by chance, greedily, and priority insertion; 0 or NaN where the rules' mistakes show (rules.h).
#pragma once
#include "random.h"
#include "rules.h"

// Legal moves by chance; the latency.
double pst_play_random(const pst_tables *T, pst_state *S, uint32_t seed);

// The move that saves most at once; at a tie without a copy, then slow memory; the latency.
double pst_play_greedy(const pst_tables *T, pst_state *S);

// Tensors of admitted classes in fast memory wherever legal; the latency.
double pst_play_admitted(const pst_tables *T, pst_state *S, const int64_t *admitted);

// Admits classes in an order, each kept if the latency does not rise, into `admitted` [X], zeros before. `curve`
// [count] takes the latency after each; the last one, or NaN.
double pst_insert_by_priority(const pst_tables *T, pst_state *S, const int64_t *order, int64_t count, int64_t *admitted,
                              double *curve);
