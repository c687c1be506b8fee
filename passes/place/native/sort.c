#include "sort.h"

enum { PST_FEW = 15, PST_DEPTH = 100 };

static void swap(int64_t *a, int64_t *b) {
  const int64_t kept = *a;
  *a = *b;
  *b = kept;
}

static void insertion(const double *key, int64_t *order, int64_t low, int64_t high) {
  for (int64_t i = low + 1; i <= high; i++) {
    const int64_t place = order[i];
    int64_t j = i;
    for (; j > low && key[place] < key[order[j - 1]]; j--) order[j] = order[j - 1];
    order[j] = place;
  }
}

// Parts a stretch around the median of its ends and middle; where that is then.
static int64_t part(const double *key, int64_t *order, int64_t low, int64_t high) {
  int64_t *first = order + low, *middle = order + ((low + high) >> 1), *last = order + high;
  if (key[*middle] < key[*first]) swap(first, middle);
  if (key[*last] < key[*middle]) swap(last, middle);
  if (key[*middle] < key[*first]) swap(first, middle);
  const double pivot = key[*middle];
  swap(last, middle);
  int64_t i = low, j = high - 1;
  for (;;) {
    while (i < high && key[order[i]] < pivot) i++;
    while (j >= low && pivot < key[order[j]]) j--;
    if (i >= j) break;
    swap(order + i++, order + j--);
  }
  swap(order + i, last);
  return i;
}

void pst_sort(const double *key, int64_t *order, int64_t count) {
  for (int64_t at = 0; at < count; at++) order[at] = at;
  int64_t from[PST_DEPTH] = {0}, to[PST_DEPTH] = {count - 1}; // the smaller part first: the depth is logarithmic
  for (int depth = 1; depth > 0;) {
    int64_t low = from[--depth], high = to[depth];
    while (high - low >= PST_FEW) {
      const int64_t middle = part(key, order, low, high);
      if (high - middle > middle - low) {
        from[depth] = middle + 1, to[depth++] = high;
        high = middle - 1;
      } else {
        from[depth] = low, to[depth++] = middle - 1;
        low = middle + 1;
      }
    }
    insertion(key, order, low, high);
  }
}
