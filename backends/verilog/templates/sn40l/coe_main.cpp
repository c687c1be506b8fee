// The host of sn40l_coe: batches of prompts, a router that names an expert for each, the experts one after another.
//
// Usage: model JOB RESULTS. JOB is text, a keyword a line with its numbers:
//   near BASE BYTES STRIDE SLOTS  slots in HBM              far BASE BYTES STRIDE   experts in DDR
//   expert BYTES OFFSET WRITABLE  sizes, and the part written at OFFSET
//   host LATENCY AHEAD BATCH WROTE   cycles of a command; experts asked for while one runs; prompts of a batch;
//                                 1: a run writes into its expert's slot, at OFFSET
//   router BASE COUNT, kernel BASE COUNT   where their programs are; word: UNIT ADDRESS DATA, one each, in order
//   arguments BASE UNIT UNIT UNIT ADDRESS  where arguments go; units of x, weights, y; their segment's base register
//   at X Y ROUTER_X LOGITS        HBM addresses: the prompts of a batch, results, the router's operand and result
//   sizes X Y LOGITS EXPERTS      bytes of a prompt, of its results, of the router's; experts it tells apart
//   image FILE ADDRESS            bytes put into memory    prompts FILE   all prompts
//   fault KIND READ WRITE ONCE ADDRESS WORD BIT BIT       see sn40l_mem_pkg::fault_t; a BIT of -1: none
//   limit CYCLES                  of a wait, after which the run has failed
// RESULTS: for each prompt a line "prompt EXPERT HIT ERROR ASKED GRANTED BEGAN ENDED", for each copy
// "copy ENDED CODE ADDRESS", for each batch "batch BEGAN ROUTED ENDED", then "counters ..." and "ended CYCLES";
// results of prompts go to RESULTS.bin, and at the end the parts written, as DDR has them, for every expert.

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
#include "address.h"
#include "verilated.h"

namespace {

constexpr uint64_t kChannels = 4;
constexpr unsigned kProgramLoad = 0, kArgumentLoad = 1, kExecute = 2, kCounters = 9, kMemoryCounters = 30;

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(3);
}

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Program {
  unsigned base = 0, count = 0;
};

struct Prompt {
  unsigned expert = 0, slot = 0;
  bool hit = false, error = false, granted = false;
  uint64_t asked = 0, grant = 0, began = 0, ended = 0;
};

class Host {
 public:
  Host(const std::string& job, const std::string& results) : log_(results), data_(results + ".bin", std::ios::binary) {
    context_.randReset(2);
    context_.randSeed(1);
    top_.req_valid_i = top_.rel_valid_i = top_.pin_valid_i = top_.cmd_valid_i = top_.ho_valid_i = 0;
    top_.prog_we_i = top_.sched_we_i = top_.fault_valid_i = top_.fault_clear_i = 0;
    top_.req_prefetch_i = 0;
    top_.grant_ready_i = 1;
    top_.rst_ni = 0;
    for (int i = 0; i < 4; ++i) step();
    top_.rst_ni = 1;
    read(job);
  }

  void serve() {
    const uint64_t batches = prompts_.size() / (size_x_ * batch_);
    for (uint64_t number = 0; number < batches; ++number) run_batch(number);
    for (int i = 0; i < 8; ++i) step();
    log_ << "counters";
    for (unsigned i = 0; i < kCounters; ++i) log_ << ' ' << count(i);
    for (unsigned i = 0; i < kMemoryCounters; ++i) log_ << ' ' << count(16 + i);
    log_ << "\nended " << now_ << "\n";
    for (unsigned expert = 0; writable_ && expert < experts_; ++expert) {
      take(uint64_t(1) << kDdrBit | (far_ + far_stride_ * expert + offset_), writable_);
    }
    top_.final();
  }

 private:
  VerilatedContext context_;
  Vtop top_{&context_};
  std::ofstream log_, data_;
  std::vector<char> prompts_;
  uint64_t now_ = 0, near_ = 0, near_stride_ = 0, far_ = 0, far_stride_ = 0, offset_ = 0, writable_ = 0;
  uint64_t x_ = 0, y_ = 0, router_x_ = 0, logits_ = 0, size_x_ = 0, size_y_ = 0, size_logits_ = 0, limit_ = 1000000;
  unsigned ahead_ = 0, batch_ = 1, wrote_ = 0, experts_ = 0, arguments_ = 0, register_ = 0, words_ = 0;
  unsigned units_[3] = {0, 0, 0};
  Program router_, kernel_;
  // Requests on their way.
  std::deque<unsigned> asking_;
  std::vector<Prompt> batch_of_;

  uint32_t count(unsigned which) {
    top_.count_select_i = which;
    step();
    top_.clk_i = 0;
    top_.eval();
    return top_.count_o;
  }

  void step() {
    top_.clk_i = 0;
    if (!asking_.empty()) {
      top_.req_valid_i = 1;
      top_.req_expert_i = batch_of_[asking_.front()].expert;
      top_.req_id_i = asking_.front();
    } else {
      top_.req_valid_i = 0;
    }
    top_.eval();
    if (top_.rst_ni) {
      if (top_.req_valid_i && top_.req_ready_o) asking_.pop_front();
      if (top_.grant_valid_o) granted();
      if (top_.copied_o) copied();
    }
    top_.clk_i = 1;
    top_.eval();
    context_.timeInc(1);
    ++now_;
  }

  void granted() {
    Prompt& prompt = batch_of_.at(top_.grant_id_o);
    prompt.slot = top_.grant_slot_o;
    prompt.hit = top_.grant_hit_o;
    prompt.error = top_.grant_error_o;
    prompt.granted = true;
    prompt.grant = now_;
  }

  void copied() {
    const uint32_t* words = top_.copied_completion_o.data();
    const uint64_t low = uint64_t(words[1]) << 32 | words[0];
    log_ << "copy " << now_ << ' ' << (words[2] >> 5 & 15) << ' ' << (low & ((uint64_t(1) << 40) - 1)) << '\n';
  }

  template <class Condition>
  void wait(const char* what, Condition over) {
    for (uint64_t since = now_; !over(); step()) {
      if (now_ - since > limit_) fail(std::string("waited in vain for ") + what);
    }
  }

  void command(unsigned op, unsigned base, unsigned count) {
    top_.cmd_i = op << 30 | base << 15 | count;
    top_.cmd_valid_i = 1;
    wait("the kernel sequencer", [&] { return top_.cmd_ready_o; });
    step();
    top_.cmd_valid_i = 0;
    wait("the end of a command", [&] { return top_.idle_o; });
  }

  void program(unsigned address, unsigned unit, unsigned at, uint32_t data) {
    top_.prog_we_i = 1;
    top_.waddr_i = address;
    top_.wdata_i = uint64_t(unit) << 44 | uint64_t(at) << 32 | data;
    step();
    top_.prog_we_i = 0;
  }

  void argument(unsigned which, uint64_t address) {
    program(arguments_ + which, units_[which], register_, uint32_t(address));
  }

  void run_batch(uint64_t number) {
    const uint64_t began = now_;
    const char* given = &prompts_[number * batch_ * size_x_];
    put(x_, given, size_x_ * batch_);
    // The router looks at the first token of each prompt.
    const uint64_t row = size_x_ / 8;
    std::vector<char> rows(size_x_);
    for (unsigned i = 0; i < 8; ++i) {
      if (i < batch_) std::memcpy(&rows[i * row], given + i * size_x_, row);
    }
    put(router_x_, rows.data(), size_x_);
    command(kProgramLoad, router_.base, router_.count);
    command(kExecute, 0, 0);
    choose();
    const uint64_t routed = now_;
    command(kProgramLoad, kernel_.base, kernel_.count);
    unsigned asked = 0;
    for (unsigned i = 0; i < batch_; ++i) {
      for (; asked < batch_ && asked <= i + ahead_; ++asked) {
        asking_.push_back(asked);
        batch_of_[asked].asked = now_;
      }
      run(batch_of_[i], i);
    }
    for (unsigned i = 0; i < batch_; ++i) {
      const Prompt& each = batch_of_[i];
      log_ << "prompt " << each.expert << ' ' << each.hit << ' ' << each.error << ' ' << each.asked << ' ' << each.grant
           << ' ' << each.began << ' ' << each.ended << '\n';
      take(y_ + i * size_y_, size_y_);
    }
    log_ << "batch " << began << ' ' << routed << ' ' << now_ << '\n';
    if (top_.fabric_error_o) fail("a load or a store of a kernel failed");
    std::printf("progress %llu\n", static_cast<unsigned long long>(number + 1));
    std::fflush(stdout);
  }

  // Which expert each prompt wants: the highest of its scores, the first of equals. A tile holds 8 experts of 8 prompts.
  void choose() {
    batch_of_.assign(batch_, Prompt{});
    for (unsigned i = 0; i < batch_; ++i) {
      float most = 0;
      for (unsigned expert = 0; expert < experts_; ++expert) {
        float score;
        std::memcpy(&score, reinterpret_cast<char*>(beat(logits_ + (expert / 8 * 8 + i) * kBeat)) + expert % 8 * 4, 4);
        if (expert && score <= most) continue;
        most = score;
        batch_of_[i].expert = expert;
      }
    }
  }

  void run(Prompt& prompt, unsigned index) {
    wait("an expert", [&] { return prompt.granted; });
    prompt.began = now_;
    if (!prompt.error) {
      const uint64_t slot = near_ + prompt.slot * near_stride_;
      argument(0, x_ + index * size_x_);
      argument(1, slot);
      argument(2, wrote_ ? slot + offset_ : y_ + index * size_y_);
      command(kArgumentLoad, arguments_, 3);
      command(kExecute, 0, 0);
      if (wrote_) move(slot + offset_, y_ + index * size_y_, size_y_);
      top_.rel_valid_i = 1;
      top_.rel_slot_i = prompt.slot;
      top_.rel_wrote_i = wrote_;
      step();
      top_.rel_valid_i = 0;
    }
    prompt.ended = now_;
  }

  // The words of the memory's beat that holds an address.
  uint32_t* beat(uint64_t address) {
    auto& root = *top_.rootp;
    const Place place = place_of(address, kChannels);
    const uint64_t at = place.beat;
    switch (place.channel) {
#define CHANNEL(n) \
  case n: return root.sn40l_coe__DOT__i_memory__DOT__gen_channel__BRA__##n##__KET____DOT__i_chan__DOT__mem_q[at].data();
      CHANNEL(0) CHANNEL(1) CHANNEL(2) CHANNEL(3) CHANNEL(4)
    }
    return nullptr;
  }

  void put(uint64_t address, const char* from, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += kBeat) std::memcpy(beat(address + at), from + at, kBeat);
  }

  void move(uint64_t from, uint64_t to, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += kBeat) std::memcpy(beat(to + at), beat(from + at), kBeat);
  }

  void take(uint64_t address, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += kBeat) data_.write(reinterpret_cast<char*>(beat(address + at)), kBeat);
  }

  void fault(std::istream& from) {
    uint64_t kind, read, write, once, address, word;
    int64_t bits[2];
    from >> kind >> read >> write >> once >> address >> word >> bits[0] >> bits[1];
    // kind, on_read, on_write, once, address (40), word (2), mask (72), from the top: 119 bits.
    unsigned __int128 mask = 0;
    for (int64_t bit : bits) {
      if (bit >= 0) mask |= static_cast<unsigned __int128>(1) << bit;
    }
    unsigned __int128 all = kind << 3 | read << 2 | write << 1 | once;
    all = all << 40 | address;
    all = all << 2 | word;
    all = all << 72 | mask;
    for (int i = 0; i < 4; ++i) top_.fault_i[i] = static_cast<uint32_t>(all >> 32 * i);
    top_.fault_valid_i = 1;
    step();
    top_.fault_valid_i = 0;
  }

  void read(const std::string& path) {
    std::ifstream file(path);
    if (!file) fail("cannot read " + path);
    for (std::string line; std::getline(file, line);) {
      std::istringstream from(line);
      std::string name, text;
      uint64_t bytes, address;
      from >> name;
      if (name == "near") {
        from >> near_ >> bytes >> near_stride_ >> address;
        top_.slots_i = address;
        top_.near_base_i = near_;
        top_.near_bytes_i = bytes;
        top_.near_stride_i = near_stride_;
      } else if (name == "far") {
        from >> far_ >> bytes >> far_stride_;
        top_.far_base_i = far_;
        top_.far_bytes_i = bytes;
        top_.far_stride_i = far_stride_;
      } else if (name == "expert") {
        from >> bytes >> offset_ >> writable_;
        top_.bytes_i = bytes;
        top_.writable_offset_i = offset_;
        top_.writable_bytes_i = writable_;
      } else if (name == "host") {
        from >> bytes >> ahead_ >> batch_ >> wrote_;
        top_.so_latency_i = bytes;
      } else if (name == "router") {
        from >> router_.base >> router_.count;
      } else if (name == "kernel") {
        from >> kernel_.base >> kernel_.count;
      } else if (name == "word") {
        unsigned unit, at;
        uint64_t data;
        from >> unit >> at >> data;
        program(words_++, unit, at, uint32_t(data));
      } else if (name == "arguments") {
        from >> arguments_ >> units_[0] >> units_[1] >> units_[2] >> register_;
      } else if (name == "at") {
        from >> x_ >> y_ >> router_x_ >> logits_;
      } else if (name == "sizes") {
        from >> size_x_ >> size_y_ >> size_logits_ >> experts_;
      } else if (name == "image") {
        from >> text >> address;
        const std::vector<char> image = read_file(text);
        put(address, image.data(), image.size());
      } else if (name == "prompts") {
        from >> text;
        prompts_ = read_file(text);
      } else if (name == "fault") {
        fault(from);
      } else if (name == "limit") {
        from >> limit_;
      } else {
        fail("unknown line: " + line);
      }
      if (from.fail()) fail("not a line of a job: " + line);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("a job and a file of results are needed");
  Host host(argv[1], argv[2]);
  host.serve();
  return 0;
}
