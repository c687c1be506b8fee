// A memory behind an AXI4 port, for the C++ test benches: bursts, answers out of order between identifiers,
// random pauses on every channel, addresses that answer with an error.

#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <set>
#include <vector>

// Ends the run: what the design did is not what it should have done.
[[noreturn]] inline void fail(const char* what, uint64_t got = 0, uint64_t want = 0) {
  std::fprintf(stderr, "FAIL %s: %llx, expected %llx\n", what, static_cast<unsigned long long>(got),
               static_cast<unsigned long long>(want));
  std::exit(3);
}

inline void check(bool ok, const char* what, uint64_t got = 0, uint64_t want = 0) {
  if (!ok) fail(what, got, want);
}

struct Range {
  uint64_t begin = 0, end = 0;
  bool holds(uint64_t at) const { return begin <= at && at < end; }
};

template <class Top>
class Memory {
 public:
  std::vector<uint8_t> bytes = std::vector<uint8_t>(1 << 16);
  Range bad_reads, bad_writes;
  std::set<uint64_t> reads, touched;  // addresses of words read, of bytes written
  unsigned stall = 0;                 // chance of a pause, of 1000
  uint64_t max_read_beats = 0, max_write_beats = 0;

  explicit Memory(Top* top) : top_(top) {}

  void seed(uint64_t value) { random_.seed(value); }

  void reset() {
    reading_.clear();
    writes_.clear();
    data_.clear();
    answers_.clear();
    r_valid_ = b_valid_ = false;
    drive();
  }

  // Whether an address, data or an answer of a write is under way.
  bool writing() const { return !writes_.empty() || !data_.empty() || !answers_.empty() || b_valid_; }

  // Before the rising edge, with the design's outputs settled: what is exchanged in this cycle.
  void exchange() {
    if (top_->m_axi_arvalid && top_->m_axi_arready) {
      max_read_beats = std::max<uint64_t>(max_read_beats, top_->m_axi_arlen + 1);
      for (unsigned beat = 0; beat <= top_->m_axi_arlen; ++beat) {
        reading_.push_back({top_->m_axi_arid, top_->m_axi_araddr + 8 * beat, beat == top_->m_axi_arlen});
      }
    }
    if (top_->m_axi_awvalid && top_->m_axi_awready) {
      max_write_beats = std::max<uint64_t>(max_write_beats, top_->m_axi_awlen + 1);
      writes_.push_back({top_->m_axi_awaddr, top_->m_axi_awlen + 1u});
    }
    if (top_->m_axi_wvalid && top_->m_axi_wready) {
      data_.push_back({top_->m_axi_wdata, static_cast<uint8_t>(top_->m_axi_wstrb), bool(top_->m_axi_wlast)});
    }
    if (r_valid_ && top_->m_axi_rready) r_valid_ = false;
    if (b_valid_ && top_->m_axi_bready) b_valid_ = false;
  }

  // After the edge: what the memory offers in the next cycle.
  void advance() {
    write();
    if (!r_valid_ && !reading_.empty() && go()) offer_read();
    if (!b_valid_ && !answers_.empty() && go()) {
      b_resp_ = answers_.front();
      answers_.pop_front();
      b_valid_ = true;
    }
    drive();
  }

 private:
  struct Beat {
    unsigned id;
    uint64_t address;
    bool last;
  };
  struct Burst {
    uint64_t address;
    unsigned beats;
  };
  struct Data {
    uint64_t word;
    uint8_t strobe;
    bool last;
  };

  Top* top_;
  std::mt19937_64 random_{1};
  std::deque<Beat> reading_;
  std::deque<Burst> writes_;
  std::deque<Data> data_;
  std::deque<unsigned> answers_;
  bool r_valid_ = false, b_valid_ = false;
  unsigned b_resp_ = 0;
  Beat r_beat_{};
  uint64_t r_data_ = 0;
  unsigned r_resp_ = 0;

  bool go() { return random_() % 1000 >= stall; }

  // The oldest beat of one of the identifiers waiting.
  void offer_read() {
    unsigned id = reading_[random_() % reading_.size()].id;
    for (auto beat = reading_.begin(); beat != reading_.end(); ++beat) {
      if (beat->id != id) continue;
      r_beat_ = *beat;
      reading_.erase(beat);
      break;
    }
    check(r_beat_.address % 8 == 0, "a read of half a word", r_beat_.address);
    bool bad = bad_reads.holds(r_beat_.address) || r_beat_.address + 8 > bytes.size();
    reads.insert(r_beat_.address);
    r_data_ = 0;
    for (int i = 7; !bad && i >= 0; --i) r_data_ = r_data_ << 8 | bytes[r_beat_.address + i];
    r_resp_ = bad ? 2 : 0;
    r_valid_ = true;
  }

  // Carries out bursts whose data are all here.
  void write() {
    while (!writes_.empty() && data_.size() >= writes_.front().beats) {
      Burst burst = writes_.front();
      writes_.pop_front();
      bool bad = false;
      for (unsigned beat = 0; beat < burst.beats; ++beat) {
        Data data = data_.front();
        data_.pop_front();
        uint64_t address = burst.address + 8 * beat;
        check(data.last == (beat + 1 == burst.beats), "the last beat's mark", data.last);
        check(address % 8 == 0, "a write of half a word", address);
        if (bad_writes.holds(address) || address + 8 > bytes.size()) {
          bad = true;
          continue;
        }
        for (int i = 0; i < 8; ++i) {
          if (!(data.strobe >> i & 1)) continue;
          bytes[address + i] = data.word >> 8 * i;
          touched.insert(address + i);
        }
      }
      answers_.push_back(bad ? 2 : 0);
    }
  }

  void drive() {
    top_->m_axi_arready = go();
    top_->m_axi_awready = go();
    top_->m_axi_wready = go();
    top_->m_axi_rvalid = r_valid_;
    top_->m_axi_rid = r_valid_ ? r_beat_.id : 0;
    top_->m_axi_rdata = r_valid_ ? r_data_ : 0;
    top_->m_axi_rresp = r_valid_ ? r_resp_ : 0;
    top_->m_axi_rlast = r_valid_ && r_beat_.last;
    top_->m_axi_bvalid = b_valid_;
    top_->m_axi_bresp = b_valid_ ? b_resp_ : 0;
    top_->m_axi_bid = 0;
  }
};
