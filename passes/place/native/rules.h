// The rules of MMG-1: which moves an access has, what each does, drop-backup. What they mean is said in rules.py.
#pragma once
#include "tables.h"

// (earliest instruction touched; `left`: time left over) of a copy walking from start back to stop.
int64_t pst_reach_back(const pst_tables *T, const pst_memory *M, int64_t start, int64_t stop, double demand,
                       double *left);

// (latest instruction touched; `left`: time left over) of a copy walking from start to the end.
int64_t pst_reach_ahead(const pst_tables *T, const pst_memory *M, int64_t start, double demand, double *left);

// Uses idle time of the instructions from start to before stop.
void pst_charge(const pst_tables *T, pst_memory *M, int64_t start, int64_t stop, int64_t step, double demand);

// Offset of the smallest gap over a span that takes the tensor's class, ties low; PST_NONE if there is none.
int64_t pst_best_gap(const pst_tables *T, const pst_memory *M, int64_t x, int64_t first, int64_t last);

// Whether the tensor's bytes at an offset are free over a span, its shared class apart.
int32_t pst_is_clear(const pst_tables *T, const pst_memory *M, int64_t x, int64_t offset, int64_t first, int64_t last);

// The start of the program; forced classes and the log of backups stay.
void pst_begin(const pst_tables *T, pst_state *S);

// Finds the moves of the access to decide; backs up while it has none. 0: more backups than classes, a mistake.
int32_t pst_settle(const pst_tables *T, pst_state *S);

// Does a legal move; the reward is the change of the score, backups included. NaN: as 0 of pst_settle.
double pst_step(const pst_tables *T, pst_state *S, int64_t move);

// Time of the whole program as decided so far, the rest served from slow memory.
double pst_latency_s(const pst_tables *T, const pst_state *S);
