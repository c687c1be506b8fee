// Random numbers by a Mersenne Twister, as NumPy's legacy generator draws them.
#pragma once
#include <stdint.h>

enum { PST_WORDS = 624, PST_SHIFT = 397 };

typedef struct pst_random {
  uint32_t word[PST_WORDS];
  int32_t next;
} pst_random;

static inline void pst_seed(pst_random *random, uint32_t seed) {
  for (uint32_t at = 0; at < PST_WORDS; at++) {
    random->word[at] = seed;
    seed = 1812433253u * (seed ^ (seed >> 30)) + at + 1;
  }
  random->next = PST_WORDS;
}

static inline void pst_twist(pst_random *random) {
  uint32_t *word = random->word;
  for (int32_t at = 0; at < PST_WORDS; at++) {
    const uint32_t both = (word[at] & 0x80000000u) | (word[(at + 1) % PST_WORDS] & 0x7fffffffu);
    word[at] = word[(at + PST_SHIFT) % PST_WORDS] ^ (both >> 1) ^ (both & 1 ? 0x9908b0dfu : 0);
  }
  random->next = 0;
}

static inline uint32_t pst_bits(pst_random *random) {
  if (random->next == PST_WORDS) pst_twist(random);
  uint32_t y = random->word[random->next++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

// From 0 to below 1, in steps of 2^-53.
static inline double pst_unit(pst_random *random) {
  const double high = pst_bits(random) >> 5, low = pst_bits(random) >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

// From 0 to below a count: the lowest bits, drawn again where they are too large; 0 draws nothing where that is all.
static inline int64_t pst_below(pst_random *random, int64_t count) {
  if (count <= 1) return 0;
  uint32_t mask = (uint32_t)(count - 1);
  for (int32_t shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
  int64_t drawn;
  do drawn = pst_bits(random) & mask;
  while (drawn >= count);
  return drawn;
}
