// The host of bolt_system: sends sealed commands, is its memory, and writes down all that it sees.
//
// Usage: model JOB. JOB is text, a keyword a line:
//   keys SESSION PAGE HASH DRBG    32 hexadecimal digits each, byte 0 first
//   memory BASE PAGE_BYTES FILE    the pages; the file is changed to what they are at the end
//   latency READ WRITE             cycles from an address to its first beat, from a last beat to its answer
//   stall PERIOD                   of so many cycles one, by a hash of its number, takes no beat; 0: none
//   commands FILE PACKET_BYTES GAP packets; GAP cycles at least from one to the next
//   tape FILE                      32 bytes an access: four words, little endian
//   hbm SEED SLOW PORT             see bolt_system; PORT 1: the frames'
//   image NAME FILE                words of "pm" or "frame" put into HBM before the start
//   boot FILE                      4 bytes a record that the images hold: its bin; bit 31: it has a frame
//   quiet CYCLES EXACTLY           a run ends so long after the last thing that happened, whatever is due; or after
//                                 so many cycles in all, 0: not
//   attack KIND NUMBER A B         of page read or write NUMBER (from 0):
//     flip     the read's byte A, bit B is turned      page     the read is answered with page A
//     old      the read is answered with what the page held before its last write
//     rollback before the read, all memory is as at the start
//     rerror, werror   response A, 2 SLVERR or 3 DECERR, to the last beat or the write
//     short    the burst read ends a beat early, by its last flag      long   its last beat has none
//     drop     the write changes nothing
//     stop     the read gives A beats, and no more ever
//     mute     this write is not answered, nor any after it
//     repeat   the write is done once more, behind the next one to its page
// Arguments behind JOB are the model's, as +mutant=1.
// It writes trace (24 bytes an event: cycle, address, bytes, kind: 0 read, 1 write, 2 command, 3 response),
// responses, and said: a line of figures. All three beside JOB.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#ifdef REGISTERS
#include REGISTERS  // a bench of ours: looks at registers, and begins them
#endif

namespace {

constexpr unsigned kBeat = 64, kCounts = 6;
enum Kind : uint32_t { kRead, kWrite, kCommand, kResponse };

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(3);
}

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const void* data, size_t size) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  if (!file) fail("cannot write " + path);
}

struct Event {
  uint64_t cycle, address;
  uint32_t bytes, kind;
};
static_assert(sizeof(Event) == 24, "as Python reads it");

struct Attack {
  std::string kind;
  uint64_t a, b;
};

struct Burst {
  uint64_t due, address, number;
};

class Host {
 public:
  Host(const std::string& job, int argc, char** argv) : folder_(job.substr(0, job.find_last_of('/') + 1)) {
    context_.commandArgs(argc, argv);
    top_.tape_en_i = 0;
    read(job);
    top_.start_i = top_.boot_valid_i = top_.cmd_valid_i = top_.r_valid_i = top_.b_valid_i = 0;
    top_.r_last_i = top_.r_resp_i = top_.b_resp_i = 0;
    top_.rst_ni = 0;
    put_secrets(true);
    for (int i = 0; i < 4; ++i) tick();
#ifdef REGISTERS
    after_reset(context_);
#endif
    top_.rst_ni = 1;
    do tick();
    while (!top_.init_done_o && cycle_ < (1u << 30));
    if (!images_.empty()) {  // what is still on its way to HBM
      for (int i = 0; i < 4096; ++i) tick();
    }
    for (const auto& [name, path] : images_) put_image(name, path);
    put_secrets(false);
    top_.host_base_i = base_;
    top_.start_i = 1;
    tick();
    top_.start_i = 0;
    put_secrets(true);  // they count with start_i alone
    boot();
    cycle_ = 0;
  }

  void serve() {
    uint64_t last = 0;
    while (cycles_ ? cycle_ < cycles_ : cycle_ - last < quiet_) {
      const size_t events = trace_.size();
      step();
      if (trace_.size() != events || w_beats_) last = cycle_;
      if (!cycles_ && responses_.size() == packets_.size() && top_.idle_o && answers_.empty()) {
        if (!fault_ || cycle_ - last > 64) break;
      }
    }
    finish();
  }

 private:
  VerilatedContext context_;
  Vtop top_{unset()};
  std::string folder_, memory_path_;
  uint8_t secrets_[4][16] = {};
  std::vector<uint8_t> memory_, before_, initial_, packets_, tape_, records_, responses_;
  std::vector<Event> trace_;
  std::multimap<uint64_t, Attack> attacks_;
  std::map<std::string, std::string> images_;
  std::deque<Burst> reads_, writes_, answers_;
  uint64_t base_ = 0, cycle_ = 0, next_command_ = 0, quiet_ = 100000, cycles_ = 0, read_number_ = 0, write_number_ = 0;
  uint64_t fault_cycle_ = 0;
  unsigned page_ = 0, packet_ = 64, gap_ = 0, read_latency_ = 1, write_latency_ = 1, stall_ = 0;
  unsigned r_beat_ = 0, w_beats_ = 0, fault_ = 0;
  size_t sent_ = 0, tape_at_ = 0;
  std::vector<uint8_t> page_out_;  // of the burst that is read
  std::map<uint64_t, std::vector<uint8_t>> repeats_;  // pages to be written once more, by offset
  unsigned error_ = 0;
  bool short_ = false, long_ = false, muted_ = false;

  // What registers and memories begin with is set where the model is made.
  VerilatedContext* unset() {
#ifdef REGISTERS
    context_.randReset(VM_COVERAGE ? 0 : 1);  // ones: what is not reset shows; where toggles count, they are none
#else
    context_.randReset(2);
    context_.randSeed(1);
#endif
    return &context_;
  }

  void read(const std::string& job) {
    std::ifstream file(job);
    if (!file) fail("cannot read " + job);
    std::string line, word, path;
    while (std::getline(file, line)) {
      std::istringstream in(line);
      in >> word;
      if (word == "keys") {
        for (auto& secret : secrets_) {
          in >> path;
          if (path.size() != 32) fail("a key has 32 digits");
          for (int at = 0; at < 16; ++at) secret[at] = std::stoul(path.substr(2 * at, 2), nullptr, 16);
        }
      } else if (word == "memory") {
        in >> base_ >> page_ >> memory_path_;
        memory_ = before_ = initial_ = read_file(memory_path_);
        top_.host_base_i = ~base_;
      } else if (word == "latency") {
        in >> read_latency_ >> write_latency_;
      } else if (word == "stall") {
        in >> stall_;
      } else if (word == "commands") {
        in >> path >> packet_ >> gap_;
        packets_ = read_file(path);
      } else if (word == "tape") {
        in >> path;
        tape_ = read_file(path);
        top_.tape_en_i = 1;
        put_tape();
      } else if (word == "hbm") {
        unsigned port;
        in >> top_.hbm_seed_i >> top_.hbm_slow_i >> port;
        top_.hbm_slow_frame_i = port;
      } else if (word == "image") {
        in >> word >> path;
        images_[word] = path;
      } else if (word == "boot") {
        in >> path;
        records_ = read_file(path);
      } else if (word == "quiet") {
        in >> quiet_ >> cycles_;
      } else if (word == "attack") {
        Attack attack;
        uint64_t number;
        in >> attack.kind >> number >> attack.a >> attack.b;
        attacks_.emplace(number, attack);
      } else {
        fail("unknown keyword " + word);
      }
      if (!in) fail("cannot read the line: " + line);
    }
  }

  // The keys, or every bit of them turned.
  void put_secrets(bool turned) {
    uint32_t* ports[] = {top_.session_key_i.data(), top_.page_key_i.data(), top_.hash_key_i.data(),
                         top_.drbg_key_i.data()};
    for (int key = 0; key < 4; ++key) {
      for (int at = 0; at < 16; ++at) reinterpret_cast<uint8_t*>(ports[key])[at] = secrets_[key][at] ^ (turned ? 255 : 0);
    }
  }

  template <class Words>
  static void put_words(Words& words, const std::vector<uint8_t>& image) {
    if (image.size() > sizeof(words)) fail("an image is larger than its memory");
    std::memcpy(&words, image.data(), image.size());
  }

  void put_image(const std::string& name, const std::string& path) {
    auto& root = *top_.rootp;
    if (name == "pm") put_words(root.bolt_system__DOT__i_pm__DOT__mem_q, read_file(path));
    else if (name == "frame") put_words(root.bolt_system__DOT__i_frames__DOT__mem_q, read_file(path));
#ifdef REGISTERS
    else begin_register(context_, name, read_file(path));
#else
    else fail("there is no memory " + name);
#endif
  }

  void boot() {
    for (size_t at = 0; at + 4 <= records_.size(); at += 4) {
      uint32_t record;
      std::memcpy(&record, &records_[at], 4);
      top_.boot_valid_i = 1;
      top_.boot_bin_i = record & 0x7fffffff;
      top_.boot_frame_i = record >> 31;
      bool taken = false;
      while (!taken && !top_.fault_o) {
        top_.clk_i = 0;
        top_.eval();
        taken = top_.boot_ready_o;
        tick();
      }
    }
    top_.boot_valid_i = 0;
  }

  void put_tape() {
    uint8_t words[32] = {};
    if (tape_at_ + 32 <= tape_.size()) std::memcpy(words, &tape_[tape_at_], 32);
    std::memcpy(top_.tape_i.data(), words, 32);
  }

  bool stalls() const {
    if (!stall_) return false;
    uint64_t x = cycle_ * 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    return (x * 0xbf58476d1ce4e5b9u >> 32) % stall_ == 0;
  }

  bool attacked(const char* kind, uint64_t number, Attack* found = nullptr) const {
    for (auto [at, end] = attacks_.equal_range(number); at != end; ++at) {
      if (at->second.kind == kind) {
        if (found) *found = at->second;
        return true;
      }
    }
    return false;
  }

  void note(Kind kind, uint64_t address, unsigned bytes) { trace_.push_back({cycle_, address, bytes, kind}); }

  uint64_t offset(uint64_t address) const {
    const uint64_t at = address - base_;
    if (address < base_ || at % page_ || at + page_ > memory_.size()) {
      fail("address " + std::to_string(address) + " is no page");
    }
    return at;
  }

  // One cycle: inputs are set, looked at with the outputs before the clock, then it ticks.
  void step() {
    const bool stalled = stalls();
    const bool sends = sent_ < packets_.size() && cycle_ >= next_command_;
    top_.cmd_valid_i = sends;
    if (sends) std::memcpy(top_.cmd_data_i.data(), &packets_[sent_], kBeat);
    top_.rsp_ready_i = !stalled;
    top_.ar_ready_i = top_.aw_ready_i = top_.w_ready_i = !stalled;
    offer_beat(stalled);
    offer_answer();
    top_.clk_i = 0;
    top_.eval();
    if (sends && top_.cmd_ready_o) {
      if (sent_ % packet_ == 0) note(kCommand, 0, packet_);
      sent_ += kBeat;
      if (sent_ % packet_ == 0) next_command_ = cycle_ + gap_;
    }
    if (top_.rsp_valid_o && top_.rsp_ready_i) {
      if (responses_.size() % packet_ == 0) note(kResponse, 0, packet_);
      const auto* data = reinterpret_cast<const uint8_t*>(top_.rsp_data_o.data());
      responses_.insert(responses_.end(), data, data + kBeat);
    }
    if (top_.r_valid_i && top_.r_ready_o && ++r_beat_ * kBeat == page_) {
      r_beat_ = 0;
      reads_.pop_front();
    }
    if (top_.b_valid_i && top_.b_ready_o) answers_.pop_front();
    if (top_.ar_valid_o && top_.ar_ready_i) {
      note(kRead, top_.ar_addr_o, (top_.ar_len_o + 1) * kBeat);
      reads_.push_back({cycle_ + read_latency_, top_.ar_addr_o, read_number_++});
    }
    if (top_.aw_valid_o && top_.aw_ready_i) {
      note(kWrite, top_.aw_addr_o, (top_.aw_len_o + 1) * kBeat);
      writes_.push_back({0, top_.aw_addr_o, write_number_++});
    }
    if (top_.w_valid_o && top_.w_ready_i) take_beat();
    const bool took = top_.tape_take_o;
    if (fault_ && (!top_.fault_o || top_.fault_code_o != fault_)) fail("the fault did not stay as it was");
    if (top_.fault_o && !fault_) {
      fault_ = top_.fault_code_o;
      fault_cycle_ = cycle_;
    }
    top_.clk_i = 1;
    top_.eval();
    context_.timeInc(1);
    ++cycle_;
    if (took && !tape_.empty()) {
      tape_at_ += 32;
      put_tape();
    }
  }

  void tick() {
    top_.clk_i = 0;
    top_.eval();
    top_.clk_i = 1;
    top_.eval();
    context_.timeInc(1);
    ++cycle_;
  }

  void offer_beat(bool stalled) {
    top_.r_valid_i = !stalled && !reads_.empty() && cycle_ >= reads_.front().due;
    if (!top_.r_valid_i) return;
    if (r_beat_ == 0) begin_read(reads_.front());
    Attack attack;
    if (attacked("stop", reads_.front().number, &attack) && r_beat_ >= attack.a) {
      top_.r_valid_i = 0;
      return;
    }
    std::memcpy(top_.r_data_i.data(), &page_out_[r_beat_ * kBeat], kBeat);
    const unsigned left = page_ / kBeat - 1 - r_beat_;
    top_.r_resp_i = left ? 0 : error_;
    top_.r_last_i = left == 0 ? !long_ : short_ && left == 1;
  }

  void begin_read(const Burst& burst) {
    Attack attack;
    if (attacked("rollback", burst.number)) memory_ = initial_;
    uint64_t at = offset(burst.address);
    if (attacked("page", burst.number, &attack)) at = offset(base_ + attack.a * page_);
    const auto& source = attacked("old", burst.number) ? before_ : memory_;
    page_out_.assign(source.begin() + at, source.begin() + at + page_);
    if (attacked("flip", burst.number, &attack)) page_out_.at(attack.a) ^= 1u << attack.b;
    error_ = attacked("rerror", burst.number, &attack) ? attack.a : 0;
    short_ = attacked("short", burst.number);
    long_ = attacked("long", burst.number);
  }

  void take_beat() {
    if (writes_.empty()) fail("a beat is written before its address");
    if (~top_.w_strb_o) fail("bytes of a beat are left out");
    Burst& burst = writes_.front();
    const uint64_t at = offset(burst.address);
    if (w_beats_ == 0 && !attacked("drop", burst.number)) {
      std::memcpy(&before_[at], &memory_[at], page_);
    }
    if (!attacked("drop", burst.number)) std::memcpy(&memory_[at + w_beats_ * kBeat], top_.w_data_o.data(), kBeat);
    const bool last = ++w_beats_ * kBeat == page_;
    if (last != bool(top_.w_last_o)) fail("a burst written has another length than its address said");
    if (!last) return;
    w_beats_ = 0;
    if (repeats_.count(at)) {
      std::memcpy(&memory_[at], repeats_[at].data(), page_);
      repeats_.erase(at);
    }
    if (attacked("repeat", burst.number)) repeats_[at].assign(&memory_[at], &memory_[at] + page_);
    burst.due = cycle_ + write_latency_;
    muted_ = muted_ || attacked("mute", burst.number);
    if (!muted_) answers_.push_back(burst);
    writes_.pop_front();
  }

  void offer_answer() {
    top_.b_valid_i = !answers_.empty() && cycle_ >= answers_.front().due;
    Attack attack;
    if (top_.b_valid_i) top_.b_resp_i = attacked("werror", answers_.front().number, &attack) ? attack.a : 0;
  }

  void finish() {
#ifdef REGISTERS
    if (fault_) after_fault(context_);
#endif
    write_file(folder_ + "trace", trace_.data(), trace_.size() * sizeof(Event));
    write_file(folder_ + "responses", responses_.data(), responses_.size());
    write_file(memory_path_, memory_.data(), memory_.size());
    std::ostringstream said;
    said << cycle_ << ' ' << fault_ << ' ' << fault_cycle_;
    for (unsigned i = 0; i < kCounts; ++i) said << ' ' << top_.count_o[i];
    said << '\n';
    write_file(folder_ + "said", said.str().data(), said.str().size());
#ifdef REGISTERS
    top_.host_base_i = ~base_;
    top_.tape_en_i = 0;
    top_.rst_ni = 0;  // in whatever state it is
    tick();
    after_reset(context_);
#endif
    top_.final();
#if VM_COVERAGE
    context_.coveragep()->write();
#endif
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) fail("usage: model JOB");
  Host(argv[1], argc, argv).serve();
}
