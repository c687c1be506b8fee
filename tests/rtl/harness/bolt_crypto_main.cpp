// Test bench of bolt_crypto_harness: words into its channels, words out of them, as a script tells.
//
// Usage: model script. One command a line, words in hexadecimal:
//   i CHANNEL WORD        a word for an input channel, behind those before
//   o CHANNEL WORD        the next word of an output channel
//   p IN OUT SEED         inputs and outputs pause, of 1000
//   a OUT IN              every operation of OUT is answered on IN: status 16, its key, its value; operations
//                         that are all zero are not compared
//   h CHANNEL             an output channel is closed, until the next p
//   r                     run until all words went in and came out, then some cycles in which nothing comes
//   c CYCLES              run so long, whatever comes out; what did not go in is forgotten
//   q CYCLES              the same, but nothing comes out
//   s CYCLES              run so long
//   m CHANNEL BITS        words of an output have no bits but these, and all of these come, in the next run
//   d IN OUT CYCLES       in the last run: from the last word into IN to the first out of OUT
//   e IN OUT CYCLES       in the last run: from the first word into IN to the last out of OUT
//   n OUT COUNT           in the last run: so many operations, or more, were all zero
//   x                     reset; every register is then zero
//   z LEVEL, f LEVEL      clear_i, fault_i
//   w PART NAME ...       run 300 cycles; then registers and memories of a part are zero, but those so named

#include <array>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <vector>

#include "Vtop.h"
#include "registers.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

constexpr int kIns = 29, kOuts = 23, kWords = 16, kLimit = 20000, kRest = 120;

struct Word {
  uint32_t part[kWords] = {};
  bool operator==(const Word& other) const { return !std::memcmp(part, other.part, sizeof part); }
  bool zero() const { return *this == Word{}; }
  static Word parse(const std::string& digits) {
    Word word;
    for (size_t i = 0; i < digits.size(); ++i) {
      uint32_t digit = std::strtoul(digits.substr(digits.size() - 1 - i, 1).c_str(), nullptr, 16);
      word.part[i / 8] |= digit << 4 * (i % 8);
    }
    return word;
  }
  // Bits from `low` on, at bit `to` of another.
  void copy(int low, int bits, Word& to, int at) const {
    for (int i = 0; i < bits; ++i) {
      if (part[(low + i) / 32] >> (low + i) % 32 & 1) to.part[(at + i) / 32] |= 1u << (at + i) % 32;
    }
  }
};

[[noreturn]] void wrong(const char* what, int channel, uint64_t cycle) {
  std::fprintf(stderr, "FAIL: %s, channel %d, cycle %llu\n", what, channel, (unsigned long long)cycle);
  std::exit(1);
}

class Bench {
 public:
  Bench(int argc, char** argv) {
    context_.commandArgs(argc, argv);
    context_.randReset(2);
    context_.randSeed(5);
    top_ = std::make_unique<Vtop>(&context_);
    top_->clear_i = top_->fault_i = 0;
    answers_.fill(-1);
    reset();
  }

  ~Bench() {
#if VM_COVERAGE
    context_.coveragep()->write();
#endif
  }

  void run(std::istream& script) {
    std::string line;
    while (std::getline(script, line)) {
      std::istringstream words(line);
      char command;
      if (words >> command) step(command, words);
    }
  }

 private:
  VerilatedContext context_;
  std::unique_ptr<Vtop> top_;
  std::array<std::deque<Word>, kIns> in_;
  std::array<std::deque<Word>, kOuts> out_;
  std::array<int, kOuts> answers_;
  std::array<uint64_t, kIns> in_first_, in_last_;
  std::array<uint64_t, kOuts> out_first_, out_last_;
  std::set<int> closed_;
  unsigned pause_in_ = 0, pause_out_ = 0;
  std::mt19937 random_{1};
  uint64_t cycle_ = 0;
  uint32_t offered_ = 0, held_ = 0;
  bool faults_ = false;  // of a front end
  bool looks_ = true;    // at what comes out
  std::array<uint32_t, kOuts> bits_{}, bits_seen_{}, zeros_{};
  std::array<Word, kOuts> holds_;

  bool pauses(unsigned of_1000) { return of_1000 && random_() % 1000 < of_1000; }

  void clock(bool watch = true) {
    // An offered word stays offered.
    uint32_t valid = 0, ready = 0;
    for (int i = 0; i < kIns; ++i) {
      bool offer = !in_[i].empty() && (offered_ >> i & 1 || !pauses(pause_in_));
      valid |= uint32_t{offer} << i;
      for (int w = 0; w < kWords; ++w) {
        top_->in_data_i[i * kWords + w] = offer ? in_[i].front().part[w] : random_();
      }
    }
    for (int o = 0; o < kOuts; ++o) ready |= uint32_t{!closed_.count(o) && !pauses(pause_out_)} << o;
    top_->in_valid_i = watch ? valid : 0;
    top_->out_ready_i = ready;
    top_->clk_i = 0;
    top_->eval();
    if (watch) exchange(valid, ready);
    top_->clk_i = 1;
    top_->eval();
    ++cycle_;
  }

  void exchange(uint32_t valid, uint32_t ready) {
    uint32_t taken = valid & top_->in_ready_o;
    offered_ = valid & ~taken;
    for (int i = 0; i < kIns; ++i) {
      if (!(taken >> i & 1)) continue;
      in_[i].pop_front();
      if (!in_first_[i]) in_first_[i] = cycle_;
      in_last_[i] = cycle_;
    }
    // A wrong tag withdraws what its unit offers.
    for (int o = 8; o <= 12; o += 2) {
      if (top_->out_valid_o >> o & top_->out_data_o[o * kWords] >> 1 & 1) held_ &= ~(1u << (o - 1));
    }
    if (top_->out_valid_o >> 22 & 1) faults_ = true;
    if (faults_) held_ &= ~(1u << 19 | 1u << 21);
    for (int o = 0; o < kOuts; ++o) {
      bool there = top_->out_valid_o >> o & 1;
      Word word;
      for (int w = 0; w < kWords; ++w) word.part[w] = top_->out_data_o[o * kWords + w];
      bool same = there && (word == holds_[o] || changes(o));
      if (held_ >> o & 1 && !same) wrong("a word is withdrawn", o, cycle_);
      held_ = (held_ & ~(1u << o)) | uint32_t{stallable(o) && there && !(ready >> o & 1)} << o;
      holds_[o] = word;
      if (!there || (stallable(o) && !(ready >> o & 1))) continue;
      take(o, word);
    }
  }

  static bool stallable(int o) { return o == 7 || o == 9 || o == 11 || (o >= 18 && o <= 21); }
  // A NOP of an empty queue may turn into a command.
  static bool changes(int o) { return o == 21; }

  void take(int o, const Word& word) {
    if (!out_first_[o]) out_first_[o] = cycle_;
    out_last_[o] = cycle_;
    if (answers_[o] >= 0) {
      Word answer;
      answer.part[0] = 16;
      word.copy(2, 32, answer, 8);
      word.copy(34, 320, answer, 40);
      in_[answers_[o]].push_back(answer);
      if (word.zero()) {
        ++zeros_[o];
        return;
      }
    }
    if (!looks_) return;
    if (bits_[o]) {
      if (word.part[0] & ~bits_[o]) wrong("bits that are not expected", o, cycle_);
      bits_seen_[o] |= word.part[0];
      return;
    }
    if (out_[o].empty()) wrong("a word that is not expected", o, cycle_);
    if (!(out_[o].front() == word)) {
      for (int w = kWords - 1; w >= 0; --w) std::fprintf(stderr, "%08x", word.part[w]);
      std::fprintf(stderr, " came\n");
      for (int w = kWords - 1; w >= 0; --w) std::fprintf(stderr, "%08x", out_[o].front().part[w]);
      std::fprintf(stderr, " expected\n");
      wrong("another word", o, cycle_);
    }
    out_[o].pop_front();
  }

  // Answers never end where empty slots are filled.
  bool busy() const {
    for (int i = 0; i < kIns; ++i) {
      bool filled = false;
      for (int o = 0; o < kOuts; ++o) filled |= answers_[o] == i;
      if (!filled && !in_[i].empty()) return true;
    }
    for (const auto& queue : out_) {
      if (!queue.empty()) return true;
    }
    return false;
  }

  void begin() {
    in_first_.fill(0);
    out_first_.fill(0);
    zeros_.fill(0);
  }

  void finish() {
    begin();
    for (uint64_t from = cycle_; busy();) {
      if (cycle_ - from > kLimit) {
        for (int o = 0; o < kOuts; ++o) {
          if (!out_[o].empty()) wrong("a word does not come", o, cycle_);
        }
        for (int i = 0; i < kIns; ++i) {
          if (!in_[i].empty()) wrong("a word is not taken", i, cycle_);
        }
      }
      clock();
    }
    for (int i = 0; i < kRest; ++i) clock();
    if (bits_ != bits_seen_) wrong("bits that do not come", 0, cycle_);
    bits_.fill(0);
    bits_seen_.fill(0);
  }

  void forget() {
    for (auto& queue : in_) queue.clear();
    for (auto& queue : out_) queue.clear();
    offered_ = held_ = 0;
  }

  void reset() {
    forget();
    faults_ = false;
    top_->rst_ni = 0;
    for (int i = 0; i < 3; ++i) clock(false);
    check_reset(context_, {});
    top_->rst_ni = 1;
    clock(false);
  }

  void wiped(const std::string& part, const std::set<std::string>& names) {
    looks_ = false;
    for (int i = 0; i < 300; ++i) clock();
    looks_ = true;
    for (const auto& [scope_name, scope] : *context_.scopeNameMap()) {
      VerilatedVarNameMap* variables = scope->varsp();
      if (!variables || std::string(scope_name).find(part) == std::string::npos) continue;
      for (auto& [name, variable] : *variables) {
        if (names.count(name) || std::string(scope_name).find(".i_props") != std::string::npos) continue;
        const uint8_t* data = static_cast<const uint8_t*>(variable.datap());
        for (size_t i = 0; i < variable.totalSize(); ++i) {
          if (!data[i]) continue;
          std::fprintf(stderr, "FAIL: %s.%s is not forgotten\n", scope_name, name);
          std::exit(1);
        }
      }
    }
  }

  void step(char command, std::istream& words) {
    int a = 0, b = 0;
    uint64_t c = 0;
    std::string text;
    if (command == 'i' || command == 'o') {
      words >> a >> text;
      (command == 'i' ? in_[a] : out_[a]).push_back(Word::parse(text));
    } else if (command == 'p') {
      words >> pause_in_ >> pause_out_ >> c;
      random_.seed(c);
      closed_.clear();
    } else if (command == 'a') {
      words >> a >> b;
      answers_[a] = b;
    } else if (command == 'h') {
      words >> a;
      closed_.insert(a);
    } else if (command == 'r') {
      finish();
    } else if (command == 'c' || command == 'q' || command == 's') {
      words >> c;
      begin();
      looks_ = command != 'c';
      for (uint64_t i = 0; i < c; ++i) clock();
      looks_ = true;
      if (command != 's') forget();
    } else if (command == 'm') {
      words >> a >> b;
      bits_[a] |= b;
    } else if (command == 'd' || command == 'e') {
      words >> a >> b >> c;
      uint64_t took = command == 'd' ? out_first_[b] - in_last_[a] : out_last_[b] - in_first_[a];
      if (took != c) {
        std::fprintf(stderr, "%llu cycles, not %llu\n", (unsigned long long)took, (unsigned long long)c);
        wrong("another time", b, cycle_);
      }
    } else if (command == 'n') {
      words >> a >> b;
      if (zeros_[a] < uint32_t(b)) wrong("empty slots are not filled", a, cycle_);
    } else if (command == 'x') {
      reset();
    } else if (command == 'z') {
      words >> a;
      top_->clear_i = a;
      held_ = 0;
    } else if (command == 'f') {
      words >> a;
      top_->fault_i = a;
      faults_ = true;
    } else if (command == 'w') {
      std::string part;
      std::set<std::string> names;
      words >> part;
      while (words >> text) names.insert(text);
      wiped(part, names);
    } else {
      wrong("no such command", command, cycle_);
    }
  }
};

int main(int argc, char** argv) {
  if (argc < 2) return 1;
  std::ifstream script(argv[1]);
  Bench(argc, argv).run(script);
  return 0;
}
