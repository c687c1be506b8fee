// Barriers of a block by number, and mbarriers: phases, arrivals and expected bytes. Both carry what is known.
#include <algorithm>
#include <numeric>
#include <string>

#include "machine.h"

namespace emulator {

namespace {

constexpr int kRegisters = 65536;

struct Named {
  int arrived = 0, threads = 0;
  uint64_t generation = 0;
  Clock gathered, released;
};

struct Counting {
  unsigned arrivals = 0;      // of a phase
  long pending = 0;           // arrivals still missing
  long bytes = 0;             // expected and not yet come
  uint64_t phase = 0;         // complete phases
  Clock gathered, released;   // of this phase; up to the last complete one
  int maker = 0;
  uint32_t made = 0;
  bool announced = false;     // to TMA, by a fence after it was made
};

std::map<int, Named> named_;
std::map<unsigned, Counting> counting_;
std::vector<int> registers_;  // of a thread, by warpgroup

// Of a thread at launch: what a multiprocessor has, in eights.
int launched_registers() {
  return std::min<int>(kRegisters / static_cast<int>(machine.fibers.size()), 255) / 8 * 8;
}

Counting& known(unsigned barrier) {
  auto found = counting_.find(barrier);
  if (found == counting_.end()) fail("no mbarrier was made at %u of shared memory", barrier);
  Counting& counting = found->second;
  if (machine.now && machine.clocks[machine.now->warp][counting.maker] < counting.made)
    fail("race: the mbarrier at %u is used with no barrier since warp %d made it", barrier, counting.maker);
  return counting;
}

void advance(Counting& counting, unsigned barrier) {
  if (counting.pending < 0) fail("the mbarrier at %u: more arrivals than the %u of a phase", barrier, counting.arrivals);
  if (counting.pending != 0 || counting.bytes != 0) return;
  ++counting.phase;
  ++machine.progress;
  counting.pending = counting.arrivals;
  join(counting.released, counting.gathered);
  counting.gathered.clear();
}

}  // namespace

void begin_block_barriers() {
  named_.clear(), counting_.clear();
  registers_.assign(machine.groups.size(), launched_registers());
}

void end_block_barriers() {
  for (const auto& [id, barrier] : named_)
    if (barrier.arrived != 0) fail("the block ended with %d threads at barrier %d", barrier.arrived, id);
  for (const auto& [address, barrier] : counting_)
    if (barrier.bytes != 0) fail("the block ended with %ld bytes expected at the mbarrier at %u", barrier.bytes, address);
  const int held = std::accumulate(registers_.begin(), registers_.end(), 0);
  const int given = launched_registers() * static_cast<int>(registers_.size());
  if (held > given) fail("warpgroups hold %d registers a thread of each, the launch gave %d", held, given);
}

void block_barrier(int id, int threads, bool waits) {
  if (id < 0 || id > 15) fail("barrier %d: there are 16", id);
  if (threads % kWarp != 0 && threads != static_cast<int>(machine.fibers.size()))
    fail("barrier %d for %d threads, no whole warps", id, threads);
  Named& barrier = named_[id];
  const int warp = machine.now->warp;
  if (barrier.arrived == 0) barrier.threads = threads;
  if (barrier.threads != threads) fail("barrier %d for %d threads and for %d", id, threads, barrier.threads);
  join(barrier.gathered, machine.clocks[warp]);
  if (!waits) tick(warp);
  const uint64_t generation = barrier.generation;
  if (++barrier.arrived == threads) {
    barrier.arrived = 0;
    barrier.released = barrier.gathered;
    barrier.gathered.clear();
    ++barrier.generation;
    ++machine.progress;
  }
  if (!waits) return;
  wait_until("barrier " + std::to_string(id), [&barrier, generation] { return barrier.generation != generation; });
  join(machine.clocks[warp], barrier.released);
  tick(warp);
}

void fence_async_proxy() { machine.fenced[machine.now->warp] = machine.clocks[machine.now->warp][machine.now->warp]; }

void mbarrier_init(unsigned barrier, unsigned arrivals) {
  if (barrier % 8 != 0) fail("an mbarrier at %u, no multiple of 8", barrier);
  check_write(shared_place(barrier), 8);
  const int warp = machine.now->warp;
  Counting counting;
  counting.arrivals = arrivals, counting.pending = arrivals;
  counting.maker = warp, counting.made = machine.clocks[warp][warp];
  counting_[barrier] = counting;
}

void fence_mbarrier_init() {
  for (auto& [address, counting] : counting_)
    if (counting.maker == machine.now->warp) counting.announced = true;
}

void check_announced(unsigned barrier) {
  if (!known(barrier).announced) fail("TMA is given the mbarrier at %u with no fence since it was made", barrier);
}

void mbarrier_arrive(unsigned barrier, unsigned bytes) {
  Counting& counting = known(barrier);
  join(counting.gathered, machine.clocks[machine.now->warp]);
  tick(machine.now->warp);
  counting.bytes += bytes;
  --counting.pending;
  advance(counting, barrier);
}

void complete_bytes(unsigned barrier, unsigned bytes, const Clock& issuer) {
  auto found = counting_.find(barrier);
  if (found == counting_.end()) fail("a copy ends at %u of shared memory, where no mbarrier was made", barrier);
  found->second.bytes -= bytes;
  join(found->second.gathered, issuer);
  advance(found->second, barrier);
}

void mbarrier_wait(unsigned barrier, unsigned parity) {
  Counting& counting = known(barrier);
  // Complete is the phase of this parity when the running one has the other.
  wait_until("mbarrier at " + std::to_string(barrier), [&counting, parity] { return (counting.phase & 1) != parity; });
  join(machine.clocks[machine.now->warp], counting.released);
  tick(machine.now->warp);
}

void set_registers(int count, bool raise) {
  if (count % 8 != 0 || count < 24 || count > 256) fail("setmaxnreg %d: a multiple of 8 from 24 to 256", count);
  struct Given {
    int count;
    bool raise;
  } given{count, raise};
  together(kGroup, "setmaxnreg", &given, [](void* const* arguments, int) {
    for (int lane = 1; lane < kGroup; ++lane)
      if (static_cast<Given*>(arguments[lane])->count != static_cast<Given*>(arguments[0])->count)
        fail("setmaxnreg differs in a warpgroup");
    const Given& asked = *static_cast<Given*>(arguments[0]);
    int& held = registers_[machine.now->id / kGroup];
    if (asked.raise ? asked.count < held : asked.count > held)
      fail("setmaxnreg %s to %d from %d", asked.raise ? "up" : "down", asked.count, held);
    held = asked.count;
  });
}

}  // namespace emulator
