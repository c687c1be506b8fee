// Test bench of dma_harness, which copies memory: commands as a script tells them, every byte compared.
//
// Usage: model script image, numbers in hexadecimal. One command a line:
//   p STALL SEED    pauses, of 1000                 b r|w BEGIN END    addresses that fail
//   k FROM TO WORDS copy so many 32-bit words and compare all of memory
//   f FROM TO WORDS CYCLES   begin a copy, flush it after so many cycles, come to rest
//   e READS WRITES FROM TO WORDS   a copy in which so many errors are told
//   j FROM TO WORDS   copies of so many words, one behind the other: commands taken without waiting for the end
//   M READ WRITE    longest bursts seen             q VALUE NAME       a register's reset value
//   x               reset and compare the registers

#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

#include "Vtop.h"
#include "axi_memory.h"
#include "registers.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

class Bench {
 public:
  Bench(int argc, char** argv) {
    context_.commandArgs(argc, argv);
    context_.randReset(2);
    context_.randSeed(3);
    top_ = std::make_unique<Vtop>(&context_);
    memory_ = std::make_unique<Memory<Vtop>>(top_.get());
    top_->flush_i = top_->read_valid_i = top_->write_valid_i = 0;
    std::ifstream file(argv[2], std::ios::binary);
    memory_->bytes.assign(std::istreambuf_iterator<char>(file), {});
    top_->clk_i = 0;
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
      if (!(words >> command)) continue;
      words >> std::hex;
      step(command, words);
    }
  }

 private:
  VerilatedContext context_;
  std::unique_ptr<Vtop> top_;
  std::unique_ptr<Memory<Vtop>> memory_;
  ResetValues reset_values_;
  uint64_t errors_[2] = {0, 0};

  void clock() {
    top_->clk_i = 0;
    top_->eval();
    for (int side = 0; side < 2; ++side) errors_[side] += top_->error_o >> side & 1;
    if (top_->rst_ni) memory_->exchange();
    top_->clk_i = 1;
    top_->eval();
    if (top_->rst_ni) memory_->advance();
    top_->eval();
  }

  void reset() {
    top_->rst_ni = 0;
    memory_->reset();
    for (int i = 0; i < 4; ++i) clock();
    if (!reset_values_.empty()) check_reset(context_, reset_values_);
    memory_->reset();
    top_->rst_ni = 1;
    clock();
    check(top_->idle_o == 3, "not idle after a reset");
    check(!top_->m_axi_arvalid && !top_->m_axi_awvalid && !top_->m_axi_wvalid, "offered after a reset");
  }

  void order(bool write, uint64_t address, uint64_t words) {
    (write ? top_->write_addr_i : top_->read_addr_i) = address;
    if (write) top_->write_words_i = words, top_->write_valid_i = 1;
    else top_->read_words_i = words, top_->read_valid_i = 1;
    for (int cycle = 0;; ++cycle) {
      check(cycle < 100000, "a command is not taken");
      top_->clk_i = 0;
      top_->eval();
      bool taken = write ? top_->write_ready_o : top_->read_ready_o;
      clock();
      if (taken) break;
    }
    top_->read_valid_i = top_->write_valid_i = 0;
  }

  void rest() {
    for (int cycle = 0; cycle < 100000; ++cycle) {
      clock();
      top_->clk_i = 0;
      top_->eval();
      if (top_->idle_o == 3) return;
    }
    fail("the engines do not come to rest");
  }

  void copy(uint64_t from, uint64_t to, uint64_t words, uint64_t reads, uint64_t writes, unsigned times) {
    std::vector<uint8_t> want = memory_->bytes;
    errors_[0] = errors_[1] = 0;
    for (unsigned i = 0; i < times; ++i) {
      uint64_t shift = 4 * ((words + 1) / 2 * 2) * i;
      for (uint64_t k = 0; k < 4 * words; ++k) want[to + shift + k] = want[from + shift + k];
    }
    for (unsigned i = 0; i < times; ++i) {
      uint64_t shift = 4 * ((words + 1) / 2 * 2) * i;
      order(false, from + shift, (words + 1) / 2);
      order(true, to + shift, words);
    }
    rest();
    check(errors_[0] == reads, "errors read", errors_[0], reads);
    check(errors_[1] == writes, "errors written", errors_[1], writes);
    if (reads || writes) return;
    for (size_t at = 0; at < want.size(); ++at) {
      if (memory_->bytes[at] != want[at]) fail("a byte of the copy", memory_->bytes[at], want[at]);
    }
    memory_->touched.clear();
  }

  void step(char command, std::istringstream& words) {
    uint64_t a = 0, b = 0, c = 0, d = 0, e = 0;
    switch (command) {
      case 'p':
        words >> a >> b;
        memory_->stall = a;
        memory_->seed(b);
        break;
      case 'b': {
        char side;
        words >> side >> a >> b;
        (side == 'r' ? memory_->bad_reads : memory_->bad_writes) = {a, b};
        break;
      }
      case 'k':
        words >> a >> b >> c;
        copy(a, b, c, 0, 0, 1);
        break;
      case 'j':
        words >> a >> b >> c;
        copy(a, b, c, 0, 0, 3);
        break;
      case 'e':
        words >> a >> b >> c >> d >> e;
        copy(c, d, e, a, b, 1);
        break;
      case 'f':
        words >> a >> b >> c >> d;
        order(false, a, (c + 1) / 2);
        order(true, b, c);
        for (; d; --d) clock();
        top_->flush_i = 1;
        rest();
        clock();
        check(!top_->read_ready_o && !top_->write_ready_o, "ready in a flush");
        top_->flush_i = 0;
        clock();
        for (uint64_t at : memory_->touched) check(b <= at && at < b + 4 * c, "a flush wrote beside its command", at);
        memory_->touched.clear();
        break;
      case 'M':
        words >> a >> b;
        check(memory_->max_read_beats == a, "longest read burst", memory_->max_read_beats, a);
        check(memory_->max_write_beats == b, "longest write burst", memory_->max_write_beats, b);
        break;
      case 'q': {
        std::string name;
        words >> a >> name;
        reset_values_[name] = a;
        break;
      }
      case 'x': reset(); break;
      default: fail("unknown command", command);
    }
  }
};

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  Bench bench(argc, argv);
  std::ifstream script(argv[1]);
  bench.run(script);
  return 0;
}
