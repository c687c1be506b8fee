// Test bench of the unit harnesses: one 128-bit input word a cycle from a file, one output word a cycle to a file.
// Outputs are read just before the rising edge, so output i shows combinational answers to input i.

#include <cstdint>
#include <fstream>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  std::ifstream in(argv[1], std::ios::binary);
  std::ofstream out(argv[2], std::ios::binary);
  VerilatedContext context;
  context.commandArgs(argc, argv);
  context.randReset(2);
  context.randSeed(1);
  Vtop top{&context};
  top.rst_ni = 0;
  for (int i = 0; i < 4; ++i) {
    top.clk_i = 0;
    top.eval();
    top.clk_i = 1;
    top.eval();
  }
  top.rst_ni = 1;
  uint32_t word[4];
  while (in.read(reinterpret_cast<char*>(word), sizeof word)) {
    for (int i = 0; i < 4; ++i) top.in_i[i] = word[i];
    top.clk_i = 0;
    top.eval();
    uint32_t result[4];
    for (int i = 0; i < 4; ++i) result[i] = top.out_o[i];
    out.write(reinterpret_cast<const char*>(result), sizeof result);
    top.clk_i = 1;
    top.eval();
  }
  top.final();
#if VM_COVERAGE
  context.coveragep()->write();
#endif
  return 0;
}
