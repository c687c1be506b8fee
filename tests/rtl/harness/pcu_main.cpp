// Test bench of sn40l_pcu: runs from a file, each configured, started, fed and checked against its results.
//
// Sources hold packet credits and send with pauses; the sink pauses, and gives credits back late or not before
// a cycle. Watched all the time: packets stay until they are taken, are the next result of the right flow,
// number and mark, and are never more than credits allow; tokens are one a vector; done_o. A run may be
// broken off by a reset, which must leave nothing behind, and then begins anew; a stop breaks it off for good.
//
// A run in the file, 32-bit words: Header; addresses and values of registers; sources with their packets
// (poison, 8 words); results (poison, 8 words).

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

namespace {

constexpr int kQueues = 5, kCounters = 4, kPacket = 280, kUnitToken = 7;

struct Header {
  uint32_t seed;
  uint32_t gap;       // how often of 65536 a source waits
  uint32_t closed;    // how often of 65536 the sink is not ready
  uint32_t late;      // cycles at most until a credit comes back
  uint32_t withheld;  // no credit comes back before this cycle
  uint32_t reset;     // cycle of a reset, 0: none
  uint32_t stop;      // cycle of a reset that ends it, 0: none
  uint32_t cycles;    // from start_i until done_o, 0: not checked
  uint32_t stats[4];  // counters it adds, ~0: not checked
  uint32_t limit;     // cycles at most
  uint32_t registers, sources, results;
};

struct Packet {
  uint32_t poison, data[8];
};

struct Source {
  uint32_t plane, flow, queues, credits, count;
  std::vector<Packet> packets;
};

[[noreturn]] void fail(uint64_t cycle, const std::string& what) {
  std::printf("FAIL at cycle %llu: %s\n", static_cast<unsigned long long>(cycle), what.c_str());
  std::exit(1);
}

template <typename Words>
uint32_t get(const Words& words, int at, int width) {
  uint64_t pair = words[at / 32];
  if (at % 32 + width > 32) pair |= static_cast<uint64_t>(words[at / 32 + 1]) << 32;
  return static_cast<uint32_t>(pair >> (at % 32) & ((1ull << width) - 1));
}

template <typename Words>
void put(Words& words, int at, int width, uint32_t value) {
  for (int i = 0; i < width; ++i) {
    const uint32_t bit = 1u << ((at + i) % 32);
    if (value >> i & 1) {
      words[(at + i) / 32] |= bit;
    } else {
      words[(at + i) / 32] &= ~bit;
    }
  }
}

struct Bench {
  VerilatedContext context;
  Vtop top{&context};
  uint64_t now = 0;
  std::map<uint32_t, uint32_t> registers;
  uint32_t stats[4] = {};

  void edge() {
    top.clk_i = 1;
    top.eval();
    ++now;
  }

  void settle() {
    top.clk_i = 0;
    top.eval();
  }

  void quiet() {
    top.start_i = top.cfg_valid_i = top.token_i = top.rx_valid_i = top.tx_ready_i = 0;
  }

  void reset() {
    quiet();
    top.rst_ni = 0;
    for (int i = 0; i < 3; ++i) {
      settle();
      edge();
    }
    settle();
    if (top.tx_valid_o || top.token_o || !top.done_o) fail(now, "not at rest in reset");
    for (int s = 0; s < 4; ++s) {
      if (top.stat_o[s]) fail(now, "a counter is not zero in reset");
    }
    top.rst_ni = 1;
    registers.clear();
    for (uint32_t& each : stats) each = 0;
    // Nothing is configured: start_i begins nothing.
    for (int i = 0; i < 3; ++i) {
      top.start_i = i == 0;
      settle();
      edge();
      if (!top.done_o) fail(now, "began without a configuration");
    }
  }

  void write(uint32_t address, uint32_t value) {
    quiet();
    top.cfg_valid_i = 1;
    top.cfg_addr_i = address;
    top.cfg_data_i = value;
    registers[address] = value;
    settle();
    edge();
    quiet();
  }

  void check_stats(const Header& h) {
    settle();
    for (int s = 0; s < 4; ++s) {
      const uint32_t added = top.stat_o[s] - stats[s];
      if (h.stats[s] != ~0u && added != h.stats[s]) {
        fail(now, "counter " + std::to_string(s) + " went up by " + std::to_string(added) + ", not " +
                      std::to_string(h.stats[s]));
      }
      stats[s] = top.stat_o[s];
    }
  }

  // Returns false where the reset came first.
  bool run(const Header& h, const std::vector<Source>& sources, const std::vector<Packet>& results,
           uint64_t break_at) {
    std::mt19937 random(h.seed);
    auto chance = [&](uint32_t of) { return (random() & 0xFFFF) < of; };
    const bool simple = h.gap == 0 && h.closed == 0 && h.late == 0;
    const uint32_t out = registers[6], unit = registers[7];
    const uint32_t flow = out & 63, plane = out >> 8 & 1, seq = out >> 16;
    uint32_t kind[kCounters], initial[kCounters], taken[kCounters] = {};
    for (int c = 0; c < kCounters; ++c) {
      kind[c] = registers[8 + c] & 3;
      initial[c] = registers[8 + c] >> 8 & 255;
    }
    std::vector<size_t> sent(sources.size(), 0);
    std::vector<std::array<uint32_t, kQueues>> credits(sources.size());
    for (size_t s = 0; s < sources.size(); ++s) credits[s].fill(sources[s].credits);
    std::deque<uint64_t> back[kCounters];
    uint64_t popped[kQueues] = {}, units = 0;
    size_t left = 0;

    quiet();
    top.start_i = 1;
    settle();
    edge();
    const uint64_t began = now;
    bool held[2] = {}, over = false;
    uint32_t offered[2][9] = {};
    for (;; edge()) {
      const uint64_t cycle = now - began;
      if (break_at && cycle >= break_at) {
        if (h.stop && h.stats[3] != ~0u && top.stat_o[3] - stats[3] != h.stats[3]) fail(cycle, "counter 3");
        return false;
      }
      if (cycle > h.limit) fail(cycle, "no end: " + std::to_string(left) + " results");
      top.start_i = 0;
      // Sources: on each plane one that has a packet and credits.
      top.rx_valid_i = 0;
      int sending[2] = {-1, -1};
      for (int p = 0; p < 2; ++p) {
        const size_t offset = simple ? 0 : random();
        // Without pauses the source that is furthest behind comes first.
        for (size_t i = 0; i < sources.size(); ++i) {
          const size_t s = (i + offset) % sources.size();
          const Source& source = sources[s];
          if (source.plane != static_cast<uint32_t>(p) || sent[s] == source.packets.size()) continue;
          uint32_t least = ~0u;
          for (int q = 0; q < kQueues; ++q) {
            if (source.queues >> q & 1) least = std::min(least, credits[s][q]);
          }
          if (least == 0 || chance(h.gap)) continue;
          if (simple && sending[p] >= 0) {
            const Source& other = sources[sending[p]];
            if (sent[s] * other.packets.size() >= sent[sending[p]] * source.packets.size()) continue;
          }
          sending[p] = static_cast<int>(s);
          if (!simple) break;
        }
        if (sending[p] < 0) continue;
        const Source& source = sources[sending[p]];
        const Packet& packet = source.packets[sent[sending[p]]];
        const int base = p * kPacket;
        for (int w = 0; w < 8; ++w) put(top.rx_packet_i, base + 32 * w, 32, packet.data[w]);
        put(top.rx_packet_i, base + 256, 1, packet.poison);
        put(top.rx_packet_i, base + 257, 1, random() & 1);
        put(top.rx_packet_i, base + 258, 16, random() & 0xFFFF);
        put(top.rx_packet_i, base + 274, 6, source.flow);
        top.rx_valid_i |= 1 << p;
      }
      // The sink: room, and credits that come back.
      top.tx_ready_i = (chance(h.closed) ? 0 : 1) | (chance(h.closed) ? 0 : 2);
      top.token_i = simple ? 0 : (random() & 0xF0);  // no counter's
      for (int c = 0; c < kCounters; ++c) {
        if (back[c].empty() || back[c].front() > cycle || cycle < h.withheld) continue;
        back[c].pop_front();
        top.token_i |= 1 << c;
      }
      settle();
      if (top.rx_ready_o != 3) fail(cycle, "does not take packets");
      // What leaves.
      for (int p = 0; p < 2; ++p) {
        const bool valid = top.tx_valid_o >> p & 1, ready = top.tx_ready_i >> p & 1;
        uint32_t shown[9];
        for (int w = 0; w < 9; ++w) shown[w] = get(top.tx_packet_o, p * kPacket + 32 * w, w < 8 ? 32 : 24);
        if (held[p]) {
          if (!valid) fail(cycle, "a packet was withdrawn");
          for (int w = 0; w < 9; ++w) {
            if (shown[w] != offered[p][w]) fail(cycle, "a packet changed while it waited");
          }
        }
        held[p] = valid && !ready;
        std::copy(shown, shown + 9, offered[p]);
        if (!valid) continue;
        if (p != static_cast<int>(plane)) fail(cycle, "a packet on the other plane");
        if (left == results.size()) fail(cycle, "a packet too many");
        const Packet& want = results[left];
        const bool first = left % unit == 0, last = left % unit == unit - 1;
        for (int w = 0; w < 8; ++w) {
          if (shown[w] != want.data[w]) {
            char text[120];
            std::snprintf(text, sizeof text, "result %zu, lane %d: %08x, not %08x", left, w, shown[w],
                          want.data[w]);
            fail(cycle, text);
          }
        }
        if ((shown[8] & 1) != want.poison) fail(cycle, "poison of result " + std::to_string(left));
        if ((shown[8] >> 1 & 1) != last) fail(cycle, "last of result " + std::to_string(left));
        if ((shown[8] >> 2 & 0xFFFF) != ((seq + left % unit) & 0xFFFF)) {
          fail(cycle, "number of result " + std::to_string(left));
        }
        if (shown[8] >> 18 != flow) fail(cycle, "flow of result " + std::to_string(left));
        for (int c = 0; c < kCounters; ++c) {
          const bool takes = kind[c] == 1 || (kind[c] == 2 && first);
          if (takes && taken[c] == initial[c]) fail(cycle, "a packet without credit");
        }
        if (!ready) continue;
        for (int c = 0; c < kCounters; ++c) {
          const bool takes = kind[c] == 1 || (kind[c] == 2 && first);
          const bool gives = kind[c] == 1 || (kind[c] == 2 && last);
          taken[c] += takes;
          if (gives) {
            const uint64_t due = cycle + 1 + (h.late ? random() % h.late : 0);
            back[c].push_back(back[c].empty() ? due : std::max(due, back[c].back() + 1));
          }
        }
        ++left;
        units += last;
        if (last != static_cast<bool>(top.token_o >> kUnitToken & 1)) fail(cycle, "token of a unit");
      }
      for (int c = 0; c < kCounters; ++c) {
        if (top.token_i >> c & 1) --taken[c];
      }
      // Tokens of the queues.
      for (int q = 0; q < kQueues; ++q) {
        if (!(top.token_o >> q & 1)) continue;
        ++popped[q];
        for (size_t s = 0; s < sources.size(); ++s) {
          if (sources[s].queues >> q & 1) ++credits[s][q];
        }
      }
      if (top.token_o & 0x60) fail(cycle, "a token that nothing gives");
      for (int p = 0; p < 2; ++p) {
        if (sending[p] < 0) continue;
        const size_t s = sending[p];
        ++sent[s];
        for (int q = 0; q < kQueues; ++q) {
          if (sources[s].queues >> q & 1) --credits[s][q];
        }
      }
      bool given = true, owed = false;
      for (size_t s = 0; s < sources.size(); ++s) given = given && sent[s] == sources[s].packets.size();
      for (int c = 0; c < kCounters; ++c) owed = owed || !back[c].empty();
      if (top.done_o) {
        if (left != results.size()) fail(cycle, "done after " + std::to_string(left) + " results");
        if (!given) fail(cycle, "done before all operands came");
        if (!over && h.cycles && cycle != h.cycles) {
          fail(cycle, "done after " + std::to_string(cycle) + " cycles, not " + std::to_string(h.cycles));
        }
        if (!over) std::printf("%llu\n", static_cast<unsigned long long>(cycle));
        over = true;
        if (!owed) break;
      } else if (over) {
        fail(cycle, "done no more");
      }
    }
    edge();
    for (int q = 0; q < kQueues; ++q) {
      uint64_t came = 0;
      for (size_t s = 0; s < sources.size(); ++s) {
        if (sources[s].queues >> q & 1) came += sent[s];
      }
      if (popped[q] != came) fail(now, "tokens of queue " + std::to_string(q));
    }
    if (unit && units != results.size() / unit) fail(now, "tokens of units");
    quiet();
    check_stats(h);
    return true;
  }
};

template <typename T>
bool read(std::ifstream& in, T* to, size_t count = 1) {
  return static_cast<bool>(in.read(reinterpret_cast<char*>(to), sizeof(T) * count));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 1;
  std::ifstream in(argv[1], std::ios::binary);
  Bench bench;
  bench.context.commandArgs(argc, argv);
  bench.context.randReset(2);
  bench.context.randSeed(1);
  bench.quiet();
  bench.reset();
  Header h;
  while (read(in, &h)) {
    std::vector<uint32_t> pairs(2 * h.registers);
    read(in, pairs.data(), pairs.size());
    std::vector<Source> sources(h.sources);
    for (Source& source : sources) {
      read(in, &source.plane, 5);
      source.packets.resize(source.count);
      read(in, source.packets.data(), source.packets.size());
    }
    std::vector<Packet> results(h.results);
    read(in, results.data(), results.size());
    auto configure = [&] {
      for (size_t i = 0; i < pairs.size(); i += 2) bench.write(pairs[i], pairs[i + 1]);
    };
    configure();
    if (h.reset && !bench.run(h, sources, results, h.reset)) {
      bench.reset();
      configure();
    }
    if (!bench.run(h, sources, results, h.stop)) bench.reset();
  }
  bench.top.final();
#if VM_COVERAGE
  bench.context.coveragep()->write();
#endif
  return 0;
}
