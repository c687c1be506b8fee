// Sorting of places by key.
#pragma once
#include <stdint.h>

// Places of `count` keys in ascending order. Equal keys come in an order that only their places decide: a quicksort
// by the median of three, with insertion below sixteen. Plans depend on it where copies are due at once.
void pst_sort(const double *key, int64_t *order, int64_t count);
