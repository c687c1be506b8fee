// The machine's inside: agents with vector clocks, shadows of memory, and the registry of what waits for what.
#pragma once
#include <csetjmp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "../include/emulator.h"

namespace emulator {

using Clock = std::vector<uint32_t>;  // per warp, what is known of its past
void join(Clock& into, const Clock& other);

struct Fiber {
  int id = 0, warp = 0, lane = 0;
  Index3 index{};
  std::vector<char> stack;
  jmp_buf context{};
  bool started = false, done = false;
  std::function<bool()> ready;   // null: can run
  std::string waits_for;
};

struct Meeting {  // of the threads of one warp or warpgroup
  std::vector<void*> arguments;
  int arrived = 0;
  uint64_t generation = 0;
  const char* what = nullptr;
};

struct Machine {
  Launch launch{};
  std::vector<Fiber> fibers;
  std::vector<Clock> clocks;          // by warp
  std::vector<uint32_t> fenced;       // by warp: its clock at its last proxy fence
  std::vector<Meeting> warps, groups;
  Fiber* now = nullptr;
  jmp_buf scheduler{};
  uint64_t progress = 0;
  long block = -1;
  const char* host = nullptr;         // a place on the stack of the program around the kernel
  std::mt19937 random;
  int warp_count() const { return static_cast<int>(clocks.size()); }
};
extern Machine machine;

std::string thread_name();
void wait_until(const std::string& what, std::function<bool()> ready);
void tick(int warp);                  // what the warp does from now on is later

// Shadows (shadow.cpp).
void begin_block_shadow();
void end_block_shadow();
bool is_shared(const void* place);
enum class Way { ordinary, asynchronous };
void read_shared(const void* place, std::size_t bytes, int warp, Way way, const char* what);
void write_shared(const void* place, std::size_t bytes, int warp, Way way, const char* what);
void note_read(const void* place, std::size_t bytes, int warp);  // reads end now: what is let go earlier is too early
void pend_write(const void* place, std::size_t bytes, int change);
void pend_read(const void* place, std::size_t bytes, int change);
void check_global(const void* place, std::size_t bytes, bool write, const char* what);

// A 16-bit float as it counts (fragments.cpp).
float narrow(uint16_t bits, bool half);

// Copies and products on their way (copies.cpp, products.cpp).
bool advance_copies(bool forced);     // one TMA copy lands; false when there is none
void begin_block_copies();
void end_block_copies();
void begin_block_products();
void end_block_products();

// Barriers (barriers.cpp).
void begin_block_barriers();
void end_block_barriers();
void check_announced(unsigned barrier);
void complete_bytes(unsigned barrier, unsigned bytes, const Clock& issuer);

}  // namespace emulator
