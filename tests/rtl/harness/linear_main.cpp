// Test bench of bitmod_linear: layers from a file, streams that pause, every result and cycle compared.
//
// Usage: model jobs. The file is 64-bit words. A job: {stop, tokens, channels, groups, mode, special terms, stall of
// 1000, seed, cycles or 0, nonfinite, activation words, weight words, result words}, then the words of the three
// streams; a result is {one word a column..., keep, last}. With stop not 0 the layer is broken off by a reset in
// that cycle, and nothing of it may be left.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <cstring>
#include <iterator>
#include <memory>
#include <random>
#include <vector>

#include "Vtop.h"
#include "axi_memory.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

#ifndef COLS
#define COLS 3
#endif
constexpr uint64_t kPatience = 100000;

inline uint32_t word(const uint32_t& data, unsigned) { return data; }
inline uint32_t word(const uint64_t& data, unsigned i) { return data >> 32 * i; }
template <class Wide>
uint32_t word(const Wide& data, unsigned i) { return data[i]; }

struct Job {
  uint64_t stop, tokens, channels, groups, mode, specials, stall, seed, cycles, nonfinite, acts, weights, results;
};

class Bench {
 public:
  Bench(int argc, char** argv, int seed) {
    context_.commandArgs(argc, argv);
    context_.randReset(2);
    context_.randSeed(seed);
    top_ = std::make_unique<Vtop>(&context_);
    reset();
  }

  ~Bench() {
#if VM_COVERAGE
    context_.coveragep()->write();
#endif
  }

  void reset() {
    top_->mode_i = 1;
    top_->start_i = top_->act_valid_i = top_->weight_valid_i = top_->out_ready_i = 0;
    top_->rst_ni = 0;
    for (int i = 0; i < 3; ++i) clock();
    check(!top_->busy_o && !top_->out_valid_o && !top_->done_o, "something is under way after a reset");
    check(!top_->nonfinite_o && !top_->cycles_o, "a flag or count is left after a reset");
    top_->rst_ni = 1;
    clock();
  }

  const uint64_t* run(const uint64_t* at) {
    Job job;
    std::memcpy(&job, at, sizeof job);
    const uint64_t* acts = at + sizeof job / 8;
    const uint64_t* weights = acts + job.acts;
    const uint64_t* results = weights + job.weights;
    const uint64_t* end = results + job.results * (COLS + 2);
    std::mt19937_64 chance(job.seed);
    auto pauses = [&] { return chance() % 1000 < job.stall; };
    uint64_t act = 0, weight = 0, result = 0;
    bool act_held = false, weight_held = false;
    top_->tokens_i = job.tokens;
    top_->channels_i = job.channels;
    top_->groups_i = job.groups;
    top_->mode_i = job.mode;
    top_->special_terms_i = job.specials;
    top_->start_i = 1;
    for (uint64_t cycle = 0; cycle < kPatience; ++cycle) {
      if (cycle == 1) forget_shape();
      act_held = act < job.acts && (act_held || !pauses());
      weight_held = weight < job.weights && (weight_held || !pauses());
      top_->act_valid_i = act_held;
      top_->weight_valid_i = weight_held;
      top_->act_data_i = act_held ? acts[act] : chance();
      top_->weight_data_i = weight_held ? weights[weight] : chance();
      top_->out_ready_i = !pauses();
      top_->clk_i = 0;
      top_->eval();
      if (act_held && top_->act_ready_o) ++act, act_held = false;
      if (weight_held && top_->weight_ready_o) ++weight, weight_held = false;
      if (top_->out_valid_o && top_->out_ready_i) {
        check(result < job.results, "a result too many");
        take(results + (COLS + 2) * result++);
      }
      if (cycle && top_->done_o) {
        check(act == job.acts && weight == job.weights && result == job.results, "done too early");
        check(!job.cycles || top_->cycles_o == job.cycles, "cycles", top_->cycles_o, job.cycles);
        check(top_->nonfinite_o == job.nonfinite, "the flag of infinities", top_->nonfinite_o, job.nonfinite);
        check(!top_->busy_o, "busy and done");
        if (job.seed & 1) hold(job);
        return end;
      }
      if (job.stop && cycle == job.stop) {
        reset();
        return end;
      }
      top_->clk_i = 1;
      top_->eval();
    }
    fail("no end");
  }

 private:
  VerilatedContext context_;
  std::unique_ptr<Vtop> top_;

  void clock() {
    top_->clk_i = 0;
    top_->eval();
    top_->clk_i = 1;
    top_->eval();
  }

  // Until the next start the count and the flag stay, whatever the shape's inputs are.
  void hold(const Job& job) {
    for (int i = 0; i < 3; ++i) clock();
    check(!top_->busy_o, "busy without a start");
    check(!job.cycles || top_->cycles_o == job.cycles, "cycles kept", top_->cycles_o, job.cycles);
    check(top_->nonfinite_o == job.nonfinite, "the flag kept", top_->nonfinite_o, job.nonfinite);
  }

  // What describes the layer is only looked at with the start.
  void forget_shape() {
    top_->start_i = 0;
    top_->tokens_i = top_->channels_i = top_->groups_i = 0;
    top_->mode_i = 0;
    top_->special_terms_i = 0;
  }

  void take(const uint64_t* want) {
    unsigned keep = want[COLS];
    check(top_->out_keep_o == keep, "kept channels", top_->out_keep_o, keep);
    check(top_->out_last_o == want[COLS + 1], "last", top_->out_last_o, want[COLS + 1]);
    for (unsigned c = 0; c < COLS; ++c) {
      if (!(keep >> c & 1)) continue;
      check(word(top_->out_data_o, c) == want[c], "a result", word(top_->out_data_o, c), want[c]);
    }
  }
};

int main(int argc, char** argv) {
  if (argc < 2) return 1;
  std::ifstream file(argv[1], std::ios::binary);
  std::vector<char> raw(std::istreambuf_iterator<char>(file), {});
  std::vector<uint64_t> jobs(raw.size() / 8);
  std::memcpy(jobs.data(), raw.data(), raw.size());
#if !VM_COVERAGE
  // Whatever the registers hold before the reset, the first layer is right.
  for (int seed = 2; seed < 16; ++seed) Bench(argc, argv, seed).run(jobs.data());
#endif
  Bench bench(argc, argv, 1);
  for (const uint64_t* at = jobs.data(); at != jobs.data() + jobs.size();) at = bench.run(at);
  return 0;
}
