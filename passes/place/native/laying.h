// Laying tensors on a board, decided by what it saves, with best fit. See laying.py.
#pragma once
#include "board.h"
#include "random.h"

// Offset of a best-fit piece from a time that holds as many accesses as it can, and the last of them; PST_NONE.
int64_t pst_furthest(const pst_tables *T, const pst_lists *L, const pst_board *B, int64_t x, int64_t first, int64_t at,
                     int64_t *end);

// Lays a class of several members where it saves what is wanted: all of them at one offset, or none.
void pst_place_class(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t g, double wanted);

// Lays a class that has no pieces on the board; some accesses of a lone tensor are skipped by chance; none
// where `random` is NULL.
void pst_lay(const pst_tables *T, const pst_lists *L, pst_board *B, int64_t g, double blink, double wanted,
             pst_random *random);
