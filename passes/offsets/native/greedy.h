// One-pass greedies for very many buffers.
#pragma once
#include <stdint.h>

// Places buffers in an order, each in the first gap between the placed ones it is live together with (or, with
// `tightest`, in the smallest). Placed buffers are found through a segment tree over sections, so the work is the
// number of pairs that meet, not of all pairs.
//   span_at [count + 1], spans: pairs of sections [from, to) in which a buffer is live
//   given [count]: offset it must have, or -1; such buffers come first in `order`
// Writes offsets [count]; returns 0, or 1 when stopped, or 2 when there is no memory.
int pst_greedy(int32_t count, int32_t sections, const int32_t *order, const int32_t *span_at, const int32_t *spans,
               const int64_t *size, const int64_t *align, const int64_t *given, int32_t tightest,
               const volatile int32_t *stop, int64_t *offsets);
