// cp.async, carried out as late as it may be.
#pragma once
#include "words.cuh"

inline void copy_async(u32 shared, const void* global, bool present) { emulator::copy_async(shared, global, present); }
inline void commit_copies() { emulator::commit_copies(); }
template <int Left>
inline void wait_copies() {
  emulator::wait_copies(Left);
}
