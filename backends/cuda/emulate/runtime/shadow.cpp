// What is known of every byte: whose tensor it is, who wrote it and when, who reads it still, what is on its way.
//
// Ordinary loads and stores of a kernel arrive through the hooks a compiler inserts for a race detector
// (-fsanitize=thread); intrinsics call in by themselves. Races are found by happens-before over warps: two accesses
// of one word, one of them a write, no barrier between. Lanes of a warp are not told apart; their order is drawn.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "machine.h"

extern "C" char __executable_start, end;
extern "C" char __start_shared_memory[] __attribute__((weak));
extern "C" char __stop_shared_memory[] __attribute__((weak));

namespace emulator {

namespace {

constexpr std::size_t kDynamic = 232448, kWord = 2, kSwizzle = 1024;

__attribute__((section("shared_memory"), aligned(kSwizzle))) char dynamic_[kSwizzle + kDynamic];
std::size_t first_ = 0;  // byte of it that is the block's

struct Word {
  uint32_t write_clock = 0;
  int16_t writer = -1;
  int16_t writes_pending = 0, reads_pending = 0;
  bool filled = false, asynchronous = false;
};

std::vector<Word> words_;
std::vector<uint32_t> reads_;  // per word and warp, the clock of its last read

struct Tensor {
  std::string name, path;
  char* data;
  std::size_t bytes;
  Role role;
  std::vector<int32_t> block;  // that wrote a word; -1 none
};
std::vector<Tensor> tensors_;

std::string place_name(const void* place) {
  const char* at = static_cast<const char*>(place);
  const Tensor* nearest = nullptr;
  for (const Tensor& tensor : tensors_)
    if (at >= tensor.data - 4096 && at < tensor.data + tensor.bytes + 4096) nearest = &tensor;
  if (nearest == nullptr) return "an address of no tensor";
  return "byte " + std::to_string(at - nearest->data) + " of " + nearest->name + ", which has " +
         std::to_string(nearest->bytes);
}

std::string shared_name(const void* place) {
  return "shared memory at " + std::to_string(shared_address(place));
}

bool knows(int warp, int other, uint32_t clock) { return machine.clocks[warp][other] >= clock; }

// Marks of `bytes` at a place, one per word.
template <typename Visit>
void for_words(const void* place, std::size_t bytes, Visit visit) {
  const std::size_t first = (static_cast<const char*>(place) - __start_shared_memory) / kWord;
  const std::size_t last = (static_cast<const char*>(place) - __start_shared_memory + bytes - 1) / kWord;
  if (last >= words_.size()) fail("%zu bytes of %s: beyond its end", bytes, shared_name(place).c_str());
  for (std::size_t k = first; k <= last; ++k) visit(words_[k], k);
}

void check_extent(const void* place, std::size_t bytes) {
  const char* at = static_cast<const char*>(place);
  if (at < dynamic_ || at >= dynamic_ + sizeof dynamic_) return;
  const long offset = at - dynamic_ - static_cast<long>(first_);
  if (offset < 0 || offset + bytes > machine.launch.shared_bytes)
    fail("%zu bytes at %ld of the block's dynamic shared memory, which has %zu", bytes, offset,
         machine.launch.shared_bytes);
}

}  // namespace

bool is_shared(const void* place) { return place >= __start_shared_memory && place < __stop_shared_memory; }
char* dynamic_shared(std::size_t alignment) {
  first_ = alignment < kSwizzle ? alignment : 0;
  return dynamic_ + first_;
}
char* shared_place(unsigned address) { return __start_shared_memory + address; }
unsigned shared_address(const void* place) { return static_cast<const char*>(place) - __start_shared_memory; }

void begin_block_shadow() {
  words_.assign((__stop_shared_memory - __start_shared_memory + kWord - 1) / kWord, Word());
  reads_.assign(words_.size() * machine.warp_count(), 0);
  std::fill(__start_shared_memory, __stop_shared_memory, char(0xff));  // NaN, in every float type
}

void end_block_shadow() {
  for (const Word& word : words_)
    if (word.writes_pending != 0 || word.reads_pending != 0)
      fail("the block ended with %s of shared memory on its way", word.writes_pending ? "a copy" : "a product");
}

void read_shared(const void* place, std::size_t bytes, int warp, Way way, const char* what) {
  check_extent(place, bytes);
  for_words(place, bytes, [&](Word& word, std::size_t k) {
    if (word.writes_pending) fail("race: %s reads %s while a copy into it is on its way", what, shared_name(place).c_str());
    if (!word.filled) fail("%s reads %s, where nothing was written", what, shared_name(place).c_str());
    if (word.writer >= 0 && !knows(warp, word.writer, word.write_clock))
      fail("race: %s reads %s, written by warp %d with no barrier between", what, shared_name(place).c_str(), word.writer);
    if (way == Way::asynchronous && !word.asynchronous && machine.fenced[word.writer] < word.write_clock)
      fail("race: %s reads %s, written by warp %d without a proxy fence", what, shared_name(place).c_str(), word.writer);
    reads_[k * machine.warp_count() + warp] = machine.clocks[warp][warp];
  });
}

void write_shared(const void* place, std::size_t bytes, int warp, Way way, const char* what) {
  check_extent(place, bytes);
  for_words(place, bytes, [&](Word& word, std::size_t k) {
    if (word.writes_pending) fail("race: %s writes %s while a copy into it is on its way", what, shared_name(place).c_str());
    if (word.reads_pending) fail("race: %s writes %s while a product reads it", what, shared_name(place).c_str());
    if (word.writer >= 0 && !knows(warp, word.writer, word.write_clock))
      fail("race: %s writes %s, written by warp %d with no barrier between", what, shared_name(place).c_str(), word.writer);
    for (int other = 0; other < machine.warp_count(); ++other) {
      const uint32_t clock = reads_[k * machine.warp_count() + other];
      if (clock != 0 && !knows(warp, other, clock))
        fail("race: %s writes %s, read by warp %d with no barrier between", what, shared_name(place).c_str(), other);
    }
    word.writer = static_cast<int16_t>(warp), word.write_clock = machine.clocks[warp][warp];
    word.filled = true, word.asynchronous = way == Way::asynchronous;
  });
}

void note_read(const void* place, std::size_t bytes, int warp) {
  for_words(place, bytes, [&](Word&, std::size_t k) {
    reads_[k * machine.warp_count() + warp] = machine.clocks[warp][warp];
  });
}

void pend_write(const void* place, std::size_t bytes, int change) {
  for_words(place, bytes, [&](Word& word, std::size_t) { word.writes_pending += change; });
}

void pend_read(const void* place, std::size_t bytes, int change) {
  for_words(place, bytes, [&](Word& word, std::size_t) { word.reads_pending += change; });
}

void* tensor(const char* name, const char* path, std::size_t bytes, Role role) {
  // Pages of its own with a hole on both sides: a stray address is no other tensor's.
  const std::size_t page = 4096, room = (bytes + page - 1) / page * page + 2 * page;
  char* data = static_cast<char*>(mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) + page;
  if (role == Role::in || role == Role::update) {
    std::FILE* file = std::fopen(path, "rb");
    if (file == nullptr || std::fread(data, 1, bytes, file) != bytes) fail("%s: cannot be read", path);
    std::fclose(file);
  } else {
    std::fill(data, data + bytes, char(0xff));
  }
  const std::size_t words = role == Role::in ? 0 : (bytes + kWord - 1) / kWord;
  tensors_.push_back({name, path, data, bytes, role, std::vector<int32_t>(words, -1)});
  return data;
}

void check_global(const void* place, std::size_t bytes, bool write, const char* what) {
  const char* at = static_cast<const char*>(place);
  for (Tensor& tensor : tensors_) {
    if (at < tensor.data || at + bytes > tensor.data + tensor.bytes) continue;
    if (tensor.role == Role::in) {
      if (write) fail("%s writes %s, which is read only", what, tensor.name.c_str());
      return;
    }
    const std::size_t first = (at - tensor.data) / kWord, last = (at - tensor.data + bytes - 1) / kWord;
    for (std::size_t k = first; k <= last; ++k) {
      int32_t& block = tensor.block[k];
      if (block >= 0 && block != machine.block)
        fail("race: %s: block %ld %s what block %d wrote (byte %zu)", tensor.name.c_str(), machine.block,
             write ? "writes" : "reads", block, k * kWord);
      if (!write && block < 0 && tensor.role != Role::update)
        fail("%s reads byte %zu of %s, where nothing was written", what, k * kWord, tensor.name.c_str());
      if (write) block = static_cast<int32_t>(machine.block);
    }
    return;
  }
  fail("%s %s %zu bytes outside every tensor: %s", what, write ? "writes" : "reads", bytes, place_name(place).c_str());
}

static bool is_private(const void* place) {
  if (machine.now == nullptr) return true;
  const char* at = static_cast<const char*>(place);
  const std::vector<char>& stack = machine.now->stack;
  constexpr std::ptrdiff_t kHost = 1 << 16;
  return (at >= stack.data() && at < stack.data() + stack.size()) || (at >= &__executable_start && at < &end) ||
         (at > machine.host - kHost && at < machine.host + kHost);
}

static void check_aligned(const void* place, std::size_t bytes, const char* what) {
  if (reinterpret_cast<std::uintptr_t>(place) % bytes != 0 && (is_shared(place) || !is_private(place)))
    fail("%s of %zu bytes at an address that is no multiple of it", what, bytes);
}

void check_aligned_read(const void* place, std::size_t bytes) {
  check_aligned(place, bytes, "a load");
  check_read(place, bytes);
}

void check_aligned_write(const void* place, std::size_t bytes) {
  check_aligned(place, bytes, "a store");
  check_write(place, bytes);
}

void check_read(const void* place, std::size_t bytes) {
  if (is_shared(place)) return read_shared(place, bytes, machine.now->warp, Way::ordinary, "a load");
  if (!is_private(place)) check_global(place, bytes, false, "a load");
}

void check_write(const void* place, std::size_t bytes) {
  if (is_shared(place)) return write_shared(place, bytes, machine.now->warp, Way::ordinary, "a store");
  if (!is_private(place)) check_global(place, bytes, true, "a store");
}

int finish() {
  for (const Tensor& tensor : tensors_) {
    if (tensor.role == Role::in || tensor.role == Role::scratch) continue;
    if (tensor.role == Role::out)
      for (std::size_t k = 0; k < tensor.block.size(); ++k)
        if (tensor.block[k] < 0) fail("byte %zu of %s was never written", k * kWord, tensor.name.c_str());
    std::FILE* file = std::fopen(tensor.path.c_str(), "wb");
    if (file == nullptr || std::fwrite(tensor.data, 1, tensor.bytes, file) != tensor.bytes)
      fail("%s: cannot be written", tensor.path.c_str());
    std::fclose(file);
  }
  return 0;
}

}  // namespace emulator

#define HOOK(bytes)                                                                             \
  extern "C" void __tsan_read##bytes(void* place) { emulator::check_aligned_read(place, bytes); }       \
  extern "C" void __tsan_write##bytes(void* place) { emulator::check_aligned_write(place, bytes); }     \
  extern "C" void __tsan_unaligned_read##bytes(void* place) { emulator::check_read(place, bytes); } \
  extern "C" void __tsan_unaligned_write##bytes(void* place) { emulator::check_write(place, bytes); }
HOOK(1) HOOK(2) HOOK(4) HOOK(8) HOOK(16)
#undef HOOK
extern "C" void __tsan_read_range(void* place, std::size_t bytes) { emulator::check_read(place, bytes); }
extern "C" void __tsan_write_range(void* place, std::size_t bytes) { emulator::check_write(place, bytes); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_vptr_update(void**, void*) {}
extern "C" void __tsan_vptr_read(void**) {}
