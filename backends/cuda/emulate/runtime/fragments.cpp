// What the 32 threads of a warp hold of 8 x 8 tiles and of products of 16 x 8 x 16, carried out element by element.
#include "machine.h"

namespace emulator {

float narrow(uint16_t bits, bool half) {
  if (half) {
    _Float16 value;
    std::memcpy(&value, &bits, 2);
    return float(value);
  }
  const uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

void load_matrices(unsigned* tiles, unsigned address, bool transposed) {
  struct Lane {
    unsigned* tiles;
    unsigned address;
  } lane{tiles, address};
  if (address % 16 != 0) fail("ldmatrix at %u of shared memory, no multiple of 16", address);
  check_read(shared_place(address), 16);
  Work work = [](void* const* all, int) {
    for (int tile = 0; tile < 4; ++tile)
      for (int row = 0; row < 8; ++row) {
        uint16_t words[8];
        std::memcpy(words, shared_place(static_cast<Lane*>(all[tile * 8 + row])->address), 16);
        for (int pair = 0; pair < 4; ++pair)
          static_cast<Lane*>(all[row * 4 + pair])->tiles[tile] = unsigned(words[2 * pair]) | unsigned(words[2 * pair + 1]) << 16;
      }
  };
  Work transpose = [](void* const* all, int) {
    for (int tile = 0; tile < 4; ++tile)
      for (int row = 0; row < 8; ++row) {
        uint16_t words[8];
        std::memcpy(words, shared_place(static_cast<Lane*>(all[tile * 8 + row])->address), 16);
        for (int column = 0; column < 8; ++column) {
          unsigned& pair = static_cast<Lane*>(all[column * 4 + row / 2])->tiles[tile];
          pair = row % 2 ? (pair & 0xffff) | unsigned(words[column]) << 16 : (pair & 0xffff0000) | words[column];
        }
      }
  };
  together(kWarp, transposed ? "ldmatrix.trans" : "ldmatrix", &lane, transposed ? transpose : work);
}

void multiply_add(float* sums, const unsigned* a, unsigned b0, unsigned b1, bool half) {
  struct Lane {
    float* sums;
    const unsigned* a;
    unsigned b[2];
    bool half;
  } lane{sums, a, {b0, b1}, half};
  together(kWarp, "mma.m16n8k16", &lane, [](void* const* all, int) {
    float left[16][16], right[16][8], sums[16][8] = {};
    for (int k = 0; k < kWarp; ++k) {
      const Lane& one = *static_cast<Lane*>(all[k]);
      for (int which = 0; which < 4; ++which)
        for (int upper = 0; upper < 2; ++upper)
          left[k / 4 + which % 2 * 8][k % 4 * 2 + upper + which / 2 * 8] =
              narrow(static_cast<uint16_t>(one.a[which] >> 16 * upper), one.half);
      for (int which = 0; which < 2; ++which)
        for (int upper = 0; upper < 2; ++upper)
          right[k % 4 * 2 + upper + which * 8][k / 4] =
              narrow(static_cast<uint16_t>(one.b[which] >> 16 * upper), one.half);
    }
    for (int row = 0; row < 16; ++row)
      for (int depth = 0; depth < 16; ++depth)
        for (int column = 0; column < 8; ++column) sums[row][column] += left[row][depth] * right[depth][column];
    for (int k = 0; k < kWarp; ++k)
      for (int which = 0; which < 4; ++which)
        static_cast<Lane*>(all[k])->sums[which] += sums[k / 4 + which / 2 * 8][k % 4 * 2 + which % 2];
  });
}

}  // namespace emulator
