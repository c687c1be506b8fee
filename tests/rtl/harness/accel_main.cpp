// Test bench of accel_harness: software and memory as a script tells them, every answer compared.
//
// Usage: model script image. One command a line, numbers in hexadecimal:
//   w ADDRESS DATA RESPONSE [STROBE]   write a register     r ADDRESS MASK VALUE RESPONSE   read one and compare
//   i CYCLES    wait for the interrupt at most so long      l LEVEL                          the line's level now
//   c CYCLES    let time pass                               x                                reset
//   p STALL SEED        pauses, of 1000                     b r|w BEGIN END                  addresses that fail
//   m ADDRESS BYTES     put bytes into memory               e ADDRESS BYTES                  compare memory
//   a BEGIN END         bytes that may be written           t                                none other was written
//   z           forget what was read                        F ADDRESS YES     read before the first layer's end?
//   R ADDRESS YES       whether a word has been read        q VALUE NAME                     a register's reset value
//   s VALUE NAME        set a register, from now on counted on
//   n SEEDS     reset from so many random states            M READ WRITE                     longest bursts seen
//   C ADDRESS LEAST     a cycle counter, at least so much and never more than passed since the last start
//   T ADDRESS MORE      a cycle counter, within so many of what passed since the last start

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
  Bench(int argc, char** argv) : argc_(argc), argv_(argv) { build(1); }

  ~Bench() {
#if VM_COVERAGE
    context_->coveragep()->write();
#endif
  }

  void run(std::istream& script) {
    std::string line;
    while (std::getline(script, line)) {
      ++line_;
      std::istringstream words(line);
      char command;
      if (!(words >> command)) continue;
      words >> std::hex;
      step(command, words);
    }
  }

  void load(const char* path) {
    std::ifstream file(path, std::ios::binary);
    memory_->bytes.assign(std::istreambuf_iterator<char>(file), {});
  }

 private:
  int argc_;
  char** argv_;
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vtop> top_;
  std::unique_ptr<Memory<Vtop>> memory_;
  std::vector<Range> allowed_;
  ResetValues reset_values_;
  std::mt19937_64 random_{7};
  unsigned stall_ = 0;
  unsigned line_ = 0;
  uint64_t now_ = 0, started_ = 0, ended_ = 0;

  void build(int seed) {
    std::vector<uint8_t> bytes;
    if (memory_) bytes = memory_->bytes;
#if VM_COVERAGE
    if (context_) return;  // coverage is one model's
#endif
    top_.reset();
    context_ = std::make_unique<VerilatedContext>();
    context_->commandArgs(argc_, argv_);
    context_->randReset(2);
    context_->randSeed(seed);
    top_ = std::make_unique<Vtop>(context_.get());
    memory_ = std::make_unique<Memory<Vtop>>(top_.get());
    if (!bytes.empty()) memory_->bytes = bytes;
    top_->s_axil_awvalid = top_->s_axil_wvalid = top_->s_axil_bready = 0;
    top_->s_axil_arvalid = top_->s_axil_rready = 0;
    top_->clk_i = 0;
    top_->rst_ni = 0;
    context_->assertOn(false);  // the array's own reset is a register, random until the first edge
    for (int i = 0; i < 4; ++i) clock();
    context_->assertOn(true);
    reset();
  }

  void clock() {
    ++now_;
    top_->clk_i = 0;
    top_->eval();
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
    top_->clk_i = 0;
    top_->eval();
    if (!reset_values_.empty()) check_reset(*context_, reset_values_);
    memory_->reset();
    top_->rst_ni = 1;
    clock();
    clock();
  }

  bool go() { return random_() % 1000 >= stall_; }

  // A register write, address and data in any order.
  void write(unsigned address, uint32_t data, unsigned response, unsigned strobe) {
    bool aw = false, w = false, aw_offered = false, w_offered = false;
    for (int cycle = 0; cycle < 1000; ++cycle) {
      aw_offered |= !aw && go();
      w_offered |= !w && go();
      top_->s_axil_awvalid = aw_offered && !aw;
      top_->s_axil_awaddr = address;
      top_->s_axil_wvalid = w_offered && !w;
      top_->s_axil_wdata = data;
      top_->s_axil_wstrb = strobe;
      top_->s_axil_bready = go();
      top_->clk_i = 0;
      top_->eval();
      bool took_aw = top_->s_axil_awvalid && top_->s_axil_awready;
      bool took_w = top_->s_axil_wvalid && top_->s_axil_wready;
      bool answered = top_->s_axil_bvalid && top_->s_axil_bready;
      unsigned got = top_->s_axil_bresp;
      clock();
      aw |= took_aw;
      w |= took_w;
      if (answered) {
        check(aw && w, "a write answered before it was made");
        check(got == response, "answer to a register write", got, response);
        top_->s_axil_bready = 0;
        return;
      }
    }
    fail("a register write without an answer", address);
  }

  uint32_t read(unsigned address, unsigned response) {
    bool taken = false;
    for (int cycle = 0; cycle < 1000; ++cycle) {
      top_->s_axil_arvalid = !taken;
      top_->s_axil_araddr = address;
      top_->s_axil_rready = go();
      top_->clk_i = 0;
      top_->eval();
      bool took = top_->s_axil_arvalid && top_->s_axil_arready;
      bool answered = top_->s_axil_rvalid && top_->s_axil_rready;
      uint32_t data = top_->s_axil_rdata;
      unsigned got = top_->s_axil_rresp;
      clock();
      taken |= took;
      if (answered) {
        top_->s_axil_arvalid = top_->s_axil_rready = 0;
        check(got == response, "answer to a register read", got, response);
        return data;
      }
    }
    fail("a register read without an answer", address);
  }

  static std::vector<uint8_t> bytes(std::istringstream& words) {
    std::string text;
    words >> text;
    std::vector<uint8_t> out;
    for (size_t i = 0; i + 1 < text.size(); i += 2) out.push_back(std::stoul(text.substr(i, 2), nullptr, 16));
    return out;
  }

  void step(char command, std::istringstream& words) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    switch (command) {
      case 'w':
        words >> a >> b >> c;
        if (!(words >> d)) d = 15;
        if (a == 0x10) started_ = now_;
        write(a, b, c, d);
        break;
      case 'r':
        words >> a >> b >> c >> d;
        b &= read(a, d);
        if (b != c) std::fprintf(stderr, "line %u: register %llx\n", line_, (unsigned long long)a);
        check(b == c, "register", b, c);
        break;
      case 'i':
        for (words >> a; a && !top_->irq_o; --a) clock();
        check(top_->irq_o, "no interrupt");
        check(!memory_->writing(), "an end is told before the last write is answered");
        ended_ = now_;
        break;
      case 'l':
        words >> a;
        clock();
        check(top_->irq_o == a, "the interrupt line", top_->irq_o, a);
        break;
      case 'c':
        for (words >> a; a; --a) clock();
        break;
      case 'x': reset(); break;
      case 'p':
        words >> a >> b;
        memory_->stall = stall_ = a;
        memory_->seed(b);
        random_.seed(b + 1);
        break;
      case 'b': {
        char side;
        words >> side >> a >> b;
        (side == 'r' ? memory_->bad_reads : memory_->bad_writes) = {a, b};
        break;
      }
      case 'm':
        words >> a;
        for (uint8_t byte : bytes(words)) memory_->bytes[a++] = byte;
        break;
      case 'e':
        words >> a;
        for (uint8_t byte : bytes(words)) {
          if (memory_->bytes[a] != byte) std::fprintf(stderr, "line %u: at %llx\n", line_, (unsigned long long)a);
          check(memory_->bytes[a] == byte, "memory", memory_->bytes[a], byte);
          ++a;
        }
        break;
      case 'a':
        words >> a >> b;
        allowed_.push_back({a, b});
        break;
      case 't':
        for (uint64_t at : memory_->touched) {
          bool ok = false;
          for (const Range& range : allowed_) ok |= range.holds(at);
          check(ok, "written beside the results", at);
        }
        memory_->touched.clear();
        allowed_.clear();
        break;
      case 'z': memory_->reads.clear(); break;
      case 'F': {
        bool early = false;
        words >> a >> b;
        for (int i = 0; !read(0x2c, 0); ++i) {
          early = memory_->reads.count(a);
          check(i < 100000, "no layer ends");
        }
        check(early == b, "whether this was read before the first layer's end", a, b);
        break;
      }
      case 'R':
        words >> a >> b;
        check(memory_->reads.count(a) == b, "whether this was read", a, b);
        break;
      case 'q': {
        std::string name;
        words >> a >> name;
        reset_values_[name] = a;
        break;
      }
      case 's': {
        std::string name;
        words >> a >> name;
        set_register(*context_, name, a);
        break;
      }
      case 'n':
        words >> a;
        for (uint64_t seed = 2; seed < 2 + a; ++seed) build(seed);
        break;
      case 'M':
        words >> a >> b;
        check(memory_->max_read_beats == a, "longest read burst", memory_->max_read_beats, a);
        check(memory_->max_write_beats == b, "longest write burst", memory_->max_write_beats, b);
        break;
      case 'C':
      case 'T': {
        words >> a >> b;
        uint64_t passed = ended_ - started_, got = read(a, 0) | uint64_t(read(a + 4, 0)) << 32;
        check(got <= passed, "a cycle counter counts too much", got, passed);
        uint64_t least = command == 'C' ? b : passed - b;
        check(got >= least, "a cycle counter counts too little", got, least);
        break;
      }
      default: fail("unknown command", command);
    }
  }
};

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  Bench bench(argc, argv);
  bench.load(argv[2]);
  std::ifstream script(argv[1]);
  bench.run(script);
  return 0;
}
