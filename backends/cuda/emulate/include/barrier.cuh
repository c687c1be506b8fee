// Barriers, phases and register hand-over of the emulated machine.
#pragma once
#include "words.cuh"

inline void barrier_sync(int id, int threads) { emulator::block_barrier(id, threads, true); }
inline void barrier_arrive(int id, int threads) { emulator::block_barrier(id, threads, false); }
inline void mbarrier_init(u32 barrier, u32 arrivals) { emulator::mbarrier_init(barrier, arrivals); }
inline void fence_mbarrier_init() { emulator::fence_mbarrier_init(); }
inline void mbarrier_expect(u32 barrier, u32 bytes) { emulator::mbarrier_arrive(barrier, bytes); }
inline void mbarrier_arrive(u32 barrier) { emulator::mbarrier_arrive(barrier, 0); }
inline void mbarrier_wait(u32 barrier, u32 parity) { emulator::mbarrier_wait(barrier, parity); }
inline void fence_async_proxy() { emulator::fence_async_proxy(); }
template <int Count>
inline void raise_registers() {
  emulator::set_registers(Count, true);
}
template <int Count>
inline void lower_registers() {
  emulator::set_registers(Count, false);
}
