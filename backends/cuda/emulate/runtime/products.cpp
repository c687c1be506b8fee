// wgmma: products of a warpgroup that read shared memory beside its threads, done when they are waited for.
#include <cstring>
#include <deque>
#include <map>
#include <string>

#include "machine.h"

namespace emulator {

namespace {

constexpr int kRows = 64, kDepth = 16, kAtom = 64;

struct Issued {
  std::vector<Product> of;  // per thread; its registers of the left side are kept in `left`
  std::vector<unsigned> left;
};
struct Sums {  // of one thread, while products add to them: what they are, and how many products are on their way
  std::vector<float> values;
  int products = 0;
};
constexpr unsigned kOnTheWay = 0x7f80dead;  // what the registers hold meanwhile: a NaN that arithmetic makes another
struct Group {
  std::vector<Issued> open;
  std::deque<std::vector<Issued>> committed;
  bool fenced = false;
  std::map<float*, Sums> sums;
};
std::vector<Group> groups_;

// Where a row of 16 bytes lies whose first element is (long, short): `line` bytes along, atoms of 8 rows of 128 bytes.
unsigned place(unsigned long long descriptor, int piece, int row, bool transposed) {
  const unsigned start = (descriptor & 0x3fff) << 4;
  const unsigned leading = (descriptor >> 16 & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
  if (descriptor >> 62 != 1) fail("wgmma: only matrices swizzled by 128 bytes are known");
  // Not transposed: rows are the wide rank, pieces of 8 the depth. Transposed: rows are the depth.
  const unsigned column = piece * 16, wide = transposed ? column / 128 * leading + column % 128 : column;
  const unsigned address = start + row % 8 * 128 + row / 8 * stride + wide;
  return address ^ ((address >> 7) % 8) << 4;
}

// The 16-byte pieces of an operand, each once: rows x pieces.
template <typename Visit>
void for_operand(unsigned long long descriptor, int wide, bool transposed, Visit visit) {
  const int rows = transposed ? kDepth : wide, pieces = (transposed ? wide : kDepth) / 8;
  for (int row = 0; row < rows; ++row)
    for (int piece = 0; piece < pieces; ++piece) visit(place(descriptor, piece, row, transposed), row, piece);
}

void pend(const Product& product, int change) {
  auto mark = [&](unsigned address, int, int) { pend_read(shared_place(address), 16, change); };
  for_operand(product.b, product.n, product.b_transposed, mark);
  if (product.a_registers == nullptr) for_operand(product.a, kRows, false, mark);
}

// Reads last until the product is waited for: who gives memory back before that has let others write too early.
void end_reads(const Product& product, int first_warp) {
  for (int warp = first_warp; warp < first_warp + 4; ++warp) {
    auto note = [&](unsigned address, int, int) { note_read(shared_place(address), 16, warp); };
    for_operand(product.b, product.n, product.b_transposed, note);
    if (product.a_registers == nullptr) for_operand(product.a, kRows, false, note);
  }
}

void check(const Product& product, int first_warp) {
  for (int warp = first_warp; warp < first_warp + 4; ++warp) {
    auto read = [&](unsigned address, int, int) {
      read_shared(shared_place(address), 16, warp, Way::asynchronous, "wgmma");
    };
    for_operand(product.b, product.n, product.b_transposed, read);
    if (product.a_registers == nullptr) for_operand(product.a, kRows, false, read);
  }
}

void load(std::vector<float>& matrix, unsigned long long descriptor, int wide, bool transposed, bool half) {
  matrix.resize(static_cast<std::size_t>(wide) * kDepth);  // [depth][wide]
  for_operand(descriptor, wide, transposed, [&](unsigned address, int row, int piece) {
    const uint16_t* words = reinterpret_cast<const uint16_t*>(shared_place(address));
    for (int k = 0; k < 8; ++k) {
      const int depth = transposed ? row : piece * 8 + k, across = transposed ? piece * 8 + k : row;
      matrix[static_cast<std::size_t>(depth) * wide + across] = narrow(words[k], half);
    }
  });
}

// Element (row, depth) of a left side in registers: thread and its half of a register.
float in_registers(const Issued& issued, int row, int depth, bool half) {
  const int lane = row / 16 * kWarp + row % 8 * 4 + depth % 8 / 2;
  const int which = row % 16 / 8 + depth / 8 * 2;
  const unsigned pair = issued.left[static_cast<std::size_t>(lane) * 4 + which];
  return narrow(static_cast<uint16_t>(depth % 2 ? pair >> 16 : pair), half);
}

// A thread's sums are its own again when no product is left that adds to them.
void give_sums(Group& group, const Product& product, int thread) {
  auto found = group.sums.find(product.sums);
  if (--found->second.products != 0) return;
  for (int k = 0; k < product.n / 2; ++k) {
    unsigned bits;
    std::memcpy(&bits, &product.sums[k], sizeof bits);
    if (bits != kOnTheWay) fail("race: sums were written while a product adds to them, thread %d", thread);
    product.sums[k] = found->second.values[k];
  }
  group.sums.erase(found);
}

void take_sums(Group& group, const Product& product) {
  Sums& sums = group.sums[product.sums];
  if (sums.products++ != 0) return;
  sums.values.assign(product.sums, product.sums + product.n / 2);
  for (int k = 0; k < product.n / 2; ++k) std::memcpy(&product.sums[k], &kOnTheWay, sizeof kOnTheWay);
}

void carry_out(Group& group, const Issued& issued) {
  const Product& one = issued.of[0];
  std::vector<float> a, b, sums(static_cast<std::size_t>(kRows) * one.n, 0.0f);
  load(b, one.b, one.n, one.b_transposed, one.half);
  if (one.a_registers == nullptr) load(a, one.a, kRows, false, one.half);
  for (int row = 0; row < kRows; ++row)
    for (int depth = 0; depth < kDepth; ++depth) {
      const float left = issued.left.empty() ? a[static_cast<std::size_t>(depth) * kRows + row]
                                             : in_registers(issued, row, depth, one.half);
      float* to = &sums[static_cast<std::size_t>(row) * one.n];
      const float* from = &b[static_cast<std::size_t>(depth) * one.n];
      for (int k = 0; k < one.n; ++k) to[k] += left * from[k];
    }
  for (int thread = 0; thread < kGroup; ++thread) {
    const Product& product = issued.of[thread];
    for (int k = 0; k < 4 && product.a_registers != nullptr; ++k)
      if (product.a_registers[k] != issued.left[static_cast<std::size_t>(thread) * 4 + k])
        fail("race: registers of a left operand were written while a product read them, thread %d", thread);
    std::vector<float>& held = group.sums[product.sums].values;
    const int lane = thread % kWarp, row = thread / kWarp * 16 + lane / 4;
    for (int k = 0; k < product.n / 2; ++k) {
      const int at = row + k % 4 / 2 * 8, column = k / 4 * 8 + lane % 4 * 2 + k % 2;
      const float sum = sums[static_cast<std::size_t>(at) * product.n + column];
      held[k] = product.scale_sums ? held[k] + sum : sum;
    }
    give_sums(group, product, thread);
  }
  pend(one, -1);
  end_reads(one, machine.now->id / kGroup * 4);
}

Group& own() { return groups_[machine.now->id / kGroup]; }

}  // namespace

void begin_block_products() { groups_.assign(machine.groups.size(), Group()); }

void end_block_products() {
  for (const Group& group : groups_)
    if (!group.open.empty() || !group.committed.empty()) fail("the block ended with a wgmma not waited for");
}

void wgmma(const Product& product) {
  Product mine = product;
  together(kGroup, "wgmma", &mine, [](void* const* arguments, int size) {
    if (size != kGroup) fail("wgmma by %d threads", size);
    const Product& asked = *static_cast<Product*>(arguments[0]);
    if (asked.b_transposed && asked.n % kAtom != 0) fail("wgmma: %d transposed columns, no whole atoms", asked.n);
    Group& group = own();
    if (!group.fenced) fail("wgmma without a fence before it");
    Issued issued;
    for (int thread = 0; thread < kGroup; ++thread) {
      const Product& one = *static_cast<Product*>(arguments[thread]);
      const Product& first = *static_cast<Product*>(arguments[0]);
      if (one.a != first.a || one.b != first.b || one.scale_sums != first.scale_sums)
        fail("wgmma: thread %d of the warpgroup has other descriptors", thread);
      issued.of.push_back(one);
      if (one.a_registers) issued.left.insert(issued.left.end(), one.a_registers, one.a_registers + 4);
    }
    check(issued.of[0], machine.now->id / kGroup * 4);
    for (const Product& one : issued.of) take_sums(group, one);
    pend(issued.of[0], 1);
    group.open.push_back(std::move(issued));
  });
}

void wgmma_fence() {
  together(kGroup, "wgmma.fence", nullptr, [](void* const*, int) { own().fenced = true; });
}

void wgmma_commit() {
  together(kGroup, "wgmma.commit", nullptr, [](void* const*, int) {
    Group& group = own();
    group.committed.push_back(std::move(group.open));
    group.open.clear();
    group.fenced = false;
  });
}

void wgmma_wait(int left) {
  int count = left;
  together(kGroup, "wgmma.wait", &count, [](void* const* arguments, int) {
    Group& group = own();
    for (const int keep = *static_cast<int*>(arguments[0]); static_cast<int>(group.committed.size()) > keep;
         group.committed.pop_front())
      for (const Issued& issued : group.committed.front()) carry_out(group, issued);
  });
}

}  // namespace emulator
