// What emulated intrinsics ask of the machine: threads as fibers, memory with shadows, things that run beside.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define PENSTOCK_EMULATED 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __constant__ static
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)

struct Index3 {
  unsigned x, y, z;
};
extern Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

constexpr int kWarp = 32, kGroup = 128;

// One tensor in emulated device memory.
enum class Role { in, out, update, scratch };

void* tensor(const char* name, const char* path, std::size_t bytes, Role role);

// All threads of `size` neighbours arrive with an argument; the last does the work for all. `what` must agree.
using Work = void (*)(void* const* arguments, int size);
void together(int size, const char* what, void* argument, Work work);

// Reads and writes of the running thread, checked against bounds, roles, and what runs beside.
void check_read(const void* place, std::size_t bytes);
void check_write(const void* place, std::size_t bytes);

char* shared_place(unsigned address);
unsigned shared_address(const void* place);
char* dynamic_shared(std::size_t alignment);  // lies on no more than that, below the swizzle's 1024

void block_barrier(int id, int threads, bool waits);
void warp_barrier();
void fence_async_proxy();
void mbarrier_init(unsigned barrier, unsigned arrivals);
void fence_mbarrier_init();
void mbarrier_arrive(unsigned barrier, unsigned bytes);
void mbarrier_wait(unsigned barrier, unsigned parity);
void set_registers(int count, bool raise);

void copy_async(unsigned shared, const void* global, bool present);
void commit_copies();
void wait_copies(int left);

struct Map {
  char* data;
  int rank, element_bytes, swizzle;
  long extents[5], stride_bytes[5], box[5];  // innermost first
};
void tma_load(unsigned shared, const Map& map, unsigned barrier, const int* at);

// ldmatrix.x4 and mma.m16n8k16 of a warp.
void load_matrices(unsigned* tiles, unsigned address, bool transposed);
void multiply_add(float* sums, const unsigned* a, unsigned b0, unsigned b1, bool half);

// sums += a b for a warpgroup; a in shared memory (descriptor) or in registers (pairs of the thread).
struct Product {
  float* sums;
  const unsigned* a_registers;
  unsigned long long a, b;
  int n;
  bool b_transposed, scale_sums, half;
};
void wgmma(const Product& product);
void wgmma_fence();
void wgmma_commit();
void wgmma_wait(int left);

float shuffle(float x, int lanes, bool exclusive);  // with lane ^ lanes, or lane + lanes

struct Launch {
  Index3 grid, block;
  std::size_t shared_bytes;
  unsigned seed;
};
void run(const Launch& launch, void (*kernel)(void*), void* arguments);
int finish();

[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace emulator

// What a kernel may call without a header.
inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
inline void __syncthreads() { emulator::block_barrier(0, blockDim.x * blockDim.y * blockDim.z, true); }
inline void __syncwarp(unsigned = 0xffffffffu) { emulator::warp_barrier(); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline float __shfl_xor_sync(unsigned, float x, int mask) { return emulator::shuffle(x, mask, true); }
template <class Word>  // of 4 or 8 bytes, a word of 4 at a time
inline Word shuffled_words(Word x, int mask) {
  float words[sizeof(Word) / 4];
  std::memcpy(words, &x, sizeof x);
  for (float& word : words) word = emulator::shuffle(word, mask, true);
  std::memcpy(&x, words, sizeof x);
  return x;
}
inline int __shfl_xor_sync(unsigned, int x, int mask) { return shuffled_words(x, mask); }
inline long long __shfl_xor_sync(unsigned, long long x, int mask) { return shuffled_words(x, mask); }
inline double __shfl_xor_sync(unsigned, double x, int mask) { return shuffled_words(x, mask); }
inline float __shfl_down_sync(unsigned, float x, int by) { return emulator::shuffle(x, by, false); }
