// Threads of a block as fibers on one core, warps in an order drawn anew every round; blocks one after another.
#include <ucontext.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "machine.h"

Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

Machine machine;

namespace {

constexpr std::size_t kStack = 96 * 1024;
void (*kernel_)(void*);
void* arguments_;
ucontext_t home_;

void enter() {
  Fiber& fiber = *machine.now;
  kernel_(arguments_);
  fiber.done = true;
  ++machine.progress;
  _longjmp(machine.scheduler, 1);
}

// Runs a fiber until it waits or ends.
void resume(Fiber& fiber) {
  machine.now = &fiber;
  threadIdx = fiber.index;
  if (_setjmp(machine.scheduler)) return;
  if (fiber.started) _longjmp(fiber.context, 1);
  fiber.started = true;
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack.data();
  context.uc_stack.ss_size = fiber.stack.size();
  context.uc_link = &home_;
  makecontext(&context, enter, 0);
  setcontext(&context);
}

[[noreturn]] void report_deadlock() {
  std::map<std::string, int> waits;
  for (const Fiber& fiber : machine.fibers)
    if (!fiber.done) ++waits["warp " + std::to_string(fiber.warp) + " in " + fiber.waits_for];
  std::string all;
  for (const auto& [what, count] : waits) all += "; " + std::to_string(count) + " threads of " + what;
  machine.now = nullptr;
  fail("deadlock in block %ld%s", machine.block, all.c_str());
}

void run_block() {
  std::vector<int> order(machine.warps.size());
  std::iota(order.begin(), order.end(), 0);
  for (;;) {
    const uint64_t before = machine.progress;
    bool all_done = true;
    std::shuffle(order.begin(), order.end(), machine.random);
    for (int warp : order) {
      const int first = warp * kWarp, last = std::min<int>(first + kWarp, machine.fibers.size());
      for (int id = first; id < last; ++id) {
        Fiber& fiber = machine.fibers[id];
        if (fiber.done) continue;
        all_done = false;
        if (fiber.ready && !fiber.ready()) continue;
        fiber.ready = nullptr;
        ++machine.progress;
        resume(fiber);
      }
    }
    if (all_done) return;
    if (machine.random() % 4 == 0) advance_copies(false);
    if (machine.progress == before && !advance_copies(true)) report_deadlock();
  }
}

void begin_block(const Index3& block) {
  const Index3& size = machine.launch.block;
  const int threads = size.x * size.y * size.z, warps = (threads + kWarp - 1) / kWarp;
  blockIdx = block;
  machine.fibers.resize(threads);
  machine.clocks.assign(warps, Clock(warps, 0));
  machine.fenced.assign(warps, 0);
  machine.warps.assign(warps, Meeting());
  machine.groups.assign((threads + kGroup - 1) / kGroup, Meeting());
  for (int warp = 0; warp < warps; ++warp) machine.clocks[warp][warp] = 1;
  for (int id = 0; id < threads; ++id) {
    Fiber& fiber = machine.fibers[id];
    fiber.id = id, fiber.warp = id / kWarp, fiber.lane = id % kWarp;
    fiber.index = {id % size.x, id / size.x % size.y, id / (size.x * size.y)};
    fiber.stack.resize(kStack);
    fiber.started = fiber.done = false;
    fiber.ready = nullptr;
  }
  begin_block_shadow();
  begin_block_barriers();
  begin_block_copies();
  begin_block_products();
}

}  // namespace

void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  if (machine.now != nullptr) std::fprintf(stderr, " (%s)", thread_name().c_str());
  std::fprintf(stderr, "\n");
  std::exit(3);
}

std::string thread_name() {
  const Fiber& fiber = *machine.now;
  return "block " + std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," +
         std::to_string(blockIdx.z) + ", thread " + std::to_string(fiber.id);
}

void join(Clock& into, const Clock& other) {
  if (into.size() < other.size()) into.resize(other.size());
  for (std::size_t k = 0; k < other.size(); ++k) into[k] = std::max(into[k], other[k]);
}

void tick(int warp) { ++machine.clocks[warp][warp]; }

void wait_until(const std::string& what, std::function<bool()> ready) {
  Fiber& fiber = *machine.now;
  if (ready()) return;
  fiber.waits_for = what;
  fiber.ready = std::move(ready);
  if (!_setjmp(fiber.context)) _longjmp(machine.scheduler, 1);
}

void together(int size, const char* what, void* argument, Work work) {
  Fiber& fiber = *machine.now;
  auto& meetings = size == kWarp ? machine.warps : machine.groups;
  Meeting& meeting = meetings[fiber.id / size];
  const int here = std::min<int>(size, machine.fibers.size() - fiber.id / size * size);
  if (meeting.arrived == 0) meeting.what = what, meeting.arguments.assign(size, nullptr);
  if (std::strcmp(meeting.what, what) != 0)
    fail("threads part: one is in %s while others of its %s are in %s", what, size == kWarp ? "warp" : "warpgroup",
         meeting.what);
  meeting.arguments[fiber.id % size] = argument;
  if (++meeting.arrived == here) {
    work(meeting.arguments.data(), here);
    meeting.arrived = 0;
    ++meeting.generation;
    ++machine.progress;
    return;
  }
  const uint64_t generation = meeting.generation;
  wait_until(what, [&meeting, generation] { return meeting.generation != generation; });
}

void warp_barrier() {
  together(kWarp, "__syncwarp", nullptr, [](void* const*, int) {});
}

float shuffle(float x, int lanes, bool exclusive) {
  struct Lane {
    float given, got;
    int lanes;
    bool exclusive;
  } lane{x, x, lanes, exclusive};
  together(kWarp, "shuffle", &lane, [](void* const* all, int size) {
    for (int k = 0; k < size; ++k) {
      Lane* one = static_cast<Lane*>(all[k]);
      const int other = one->exclusive ? k ^ one->lanes : k + one->lanes;
      if (other < size) one->got = static_cast<Lane*>(all[other])->given;
    }
  });
  return lane.got;
}

void run(const Launch& launch, void (*kernel)(void*), void* arguments) {
  machine.launch = launch;
  machine.host = reinterpret_cast<const char*>(&launch);
  machine.random.seed(launch.seed);
  kernel_ = kernel, arguments_ = arguments;
  gridDim = launch.grid, blockDim = launch.block;
  for (unsigned z = 0; z < launch.grid.z; ++z)
    for (unsigned y = 0; y < launch.grid.y; ++y)
      for (unsigned x = 0; x < launch.grid.x; ++x) {
        ++machine.block;
        begin_block({x, y, z});
        run_block();
        machine.now = nullptr;
        end_block_products();
        end_block_copies();
        end_block_barriers();
        end_block_shadow();
      }
}

}  // namespace emulator
