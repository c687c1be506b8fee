// Boxes of tensors, copied at a moment that the machine draws.
#pragma once
#include "barrier.cuh"

using CUtensorMap = emulator::Map;

inline void tma_prefetch(const CUtensorMap&) {}

template <typename... Coordinates>
inline void tma_load(u32 shared, const CUtensorMap& map, u32 barrier, Coordinates... coordinates) {
  const int at[] = {coordinates...};
  if (static_cast<int>(sizeof...(coordinates)) != map.rank)
    emulator::fail("%zu coordinates for a tensor map of %d axes", sizeof...(coordinates), map.rank);
  emulator::tma_load(shared, map, barrier, at);
}
