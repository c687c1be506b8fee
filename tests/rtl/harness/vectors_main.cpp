// Test bench of harnesses with wide ports: every cycle of the file gives in_i, and what out_o must be just before
// the rising edge, with a mask of the bits that count. +show=FILE writes what out_o was.

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::ifstream file(argv[1], std::ios::binary);
  VerilatedContext context;
  context.commandArgs(argc, argv);
  context.randReset(2);
  context.randSeed(1);
  const std::string shown = context.commandArgsPlusMatch("show=");
  std::ofstream show;
  if (!shown.empty()) show.open(shown.substr(6), std::ios::binary);
  Vtop top{&context};
  constexpr size_t kIn = sizeof(top.in_i) / 4, kOut = sizeof(top.out_o) / 4;
  top.rst_ni = 0;
  for (int i = 0; i < 4; ++i) {
    top.clk_i = 0;
    top.eval();
    top.clk_i = 1;
    top.eval();
  }
  top.rst_ni = 1;
  std::vector<uint32_t> words(kIn + 2 * kOut);
  int status = 0;
  for (long cycle = 0; file.read(reinterpret_cast<char*>(words.data()), words.size() * 4); ++cycle) {
    for (size_t i = 0; i < kIn; ++i) top.in_i[i] = words[i];
    top.clk_i = 0;
    top.eval();
    if (show.is_open()) show.write(reinterpret_cast<const char*>(top.out_o.data()), 4 * kOut);
    for (size_t i = 0; i < kOut && !status; ++i) {
      const uint32_t wrong = (top.out_o[i] ^ words[kIn + i]) & words[kIn + kOut + i];
      if (!wrong) continue;
      std::printf("FAIL at cycle %ld: bit %zu\n", cycle, 32 * i + __builtin_ctz(wrong));
      status = 1;
    }
    if (status) break;
    top.clk_i = 1;
    top.eval();
  }
  top.final();
#if VM_COVERAGE
  context.coveragep()->write();
#endif
  return status;
}
