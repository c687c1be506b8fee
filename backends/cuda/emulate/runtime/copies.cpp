// Copies that run beside the threads: cp.async until its group is waited for, TMA boxes until a moment that is drawn.
#include <deque>
#include <string>

#include "machine.h"

namespace emulator {

namespace {

constexpr int kBytes = 16;

struct Copy {
  unsigned shared;
  const void* global;
  bool present;
};
struct Copies {  // of one thread
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
};
std::vector<Copies> copies_;

struct Box {
  unsigned shared;
  Map map;
  unsigned barrier;
  int at[5];
  int warp;
  Clock clock;
};
std::deque<Box> boxes_;

unsigned swizzled(unsigned address, int swizzle) {
  // 16-byte pieces of a row of 128 (64, 32) bytes change places with the row's number.
  const unsigned pieces = swizzle / 16;
  return swizzle == 0 ? address : address ^ ((address >> 7) % pieces) << 4;
}

// Calls visit(shared address, global place or null) for every 16 bytes of a box, in order.
template <typename Visit>
void for_pieces(const Box& box, Visit visit) {
  const Map& map = box.map;
  long counts[5] = {1, 1, 1, 1, 1};
  for (int axis = 0; axis < map.rank; ++axis) counts[axis] = map.box[axis];
  const int per = kBytes / map.element_bytes;
  unsigned address = box.shared;
  for (long i4 = 0; i4 < counts[4]; ++i4)
    for (long i3 = 0; i3 < counts[3]; ++i3)
      for (long i2 = 0; i2 < counts[2]; ++i2)
        for (long i1 = 0; i1 < counts[1]; ++i1)
          for (long i0 = 0; i0 < counts[0]; i0 += per, address += kBytes) {
            const long steps[5] = {i0, i1, i2, i3, i4};
            char* place = map.data;
            long present = per;
            for (int axis = 0; axis < map.rank; ++axis) {
              const long coordinate = box.at[axis] + steps[axis];
              if (coordinate < 0 || coordinate >= map.extents[axis]) present = 0;
              place += coordinate * map.stride_bytes[axis];
            }
            if (present) present = std::min<long>(per, map.extents[0] - box.at[0] - i0);
            visit(swizzled(address, map.swizzle), place, static_cast<std::size_t>(present * map.element_bytes));
          }
}

void land(const Copy& copy, int warp) {
  char* to = shared_place(copy.shared);
  pend_write(to, kBytes, -1);
  write_shared(to, kBytes, warp, Way::ordinary, "cp.async");
  if (copy.present) std::memcpy(to, copy.global, kBytes);
  else std::memset(to, 0, kBytes);
}

}  // namespace

void begin_block_copies() {
  copies_.assign(machine.fibers.size(), Copies());
  boxes_.clear();
}

void end_block_copies() {
  while (advance_copies(true)) {
  }
  for (const Copies& copies : copies_)
    if (!copies.open.empty() || !copies.groups.empty())
      for (const Copy& copy : copies.open.empty() ? copies.groups.front() : copies.open)
        fail("the block ended with a cp.async to %u not waited for", copy.shared);
}

void copy_async(unsigned shared, const void* global, bool present) {
  if (shared % kBytes != 0) fail("cp.async to %u of shared memory, no multiple of 16", shared);
  if (present && reinterpret_cast<std::uintptr_t>(global) % kBytes != 0) fail("cp.async from an address that is no multiple of 16");
  if (present) check_global(global, kBytes, false, "cp.async");
  char* to = shared_place(shared);
  write_shared(to, kBytes, machine.now->warp, Way::ordinary, "cp.async");
  pend_write(to, kBytes, 1);
  copies_[machine.now->id].open.push_back({shared, global, present});
}

void commit_copies() {
  Copies& copies = copies_[machine.now->id];
  copies.groups.push_back(std::move(copies.open));
  copies.open.clear();
}

void wait_copies(int left) {
  Copies& copies = copies_[machine.now->id];
  for (; static_cast<int>(copies.groups.size()) > left; copies.groups.pop_front())
    for (const Copy& copy : copies.groups.front()) land(copy, machine.now->warp);
}

void tma_load(unsigned shared, const Map& map, unsigned barrier, const int* at) {
  if (shared % (map.swizzle == 128 ? 1024 : 128) != 0) fail("a TMA box at %u of shared memory, not aligned", shared);
  check_announced(barrier);
  const int warp = machine.now->warp;
  Box box{shared, map, barrier, {}, warp, machine.clocks[warp]};
  for (int axis = 0; axis < map.rank; ++axis) box.at[axis] = at[axis];
  for_pieces(box, [&](unsigned address, const char* place, std::size_t present) {
    if (present) check_global(place, present, false, "TMA");
    write_shared(shared_place(address), kBytes, warp, Way::asynchronous, "TMA");
    pend_write(shared_place(address), kBytes, 1);
  });
  tick(warp);
  boxes_.push_back(box);
  ++machine.progress;
}

bool advance_copies(bool) {
  if (boxes_.empty()) return false;
  const std::size_t pick = machine.random() % boxes_.size();  // boxes land in any order
  const Box box = boxes_[pick];
  boxes_.erase(boxes_.begin() + static_cast<std::ptrdiff_t>(pick));
  unsigned bytes = 0;
  for_pieces(box, [&](unsigned address, const char* place, std::size_t present) {
    char* to = shared_place(address);
    pend_write(to, kBytes, -1);
    std::memset(to, 0, kBytes);
    std::memcpy(to, place, present);
    bytes += kBytes;
  });
  complete_bytes(box.barrier, bytes, box.clock);
  ++machine.progress;
  return true;
}

}  // namespace emulator
