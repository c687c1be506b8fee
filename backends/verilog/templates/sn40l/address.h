// Where sn40l_memory keeps the beat of an address: HBM in pieces of 512 bytes over its channels, DDR in one.

#pragma once

#include <cstdint>

constexpr uint64_t kBeat = 32;
constexpr int kDdrBit = 38;

struct Place {
  uint64_t channel, beat;  // of HBM the channel's number, of DDR how many HBM has
};

inline Place place_of(uint64_t address, uint64_t channels) {
  constexpr uint64_t kPiece = 512 / kBeat;
  const uint64_t whole = (address & ((uint64_t(1) << kDdrBit) - 1)) / kBeat, piece = whole / kPiece;
  if (address >> kDdrBit & 1) return {channels, whole};
  return {piece % channels, piece / channels * kPiece + whole % kPiece};
}
