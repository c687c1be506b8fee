// Test bench of harnesses with wide ports: every cycle of the file gives in_i, and what out_o must be just before
// the rising edge, with a mask of the bits that count. +show=FILE writes what out_o was. Before them stand the
// number of a bit of in_i and names of scopes: after a cycle with that bit set all their registers are zero.
// All registers hold their reset values where they are public.

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "registers.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

namespace {

struct Header {
  uint32_t bit;
  char scopes[60];
};

// The first register of these scopes that is not zero.
std::string unwiped(VerilatedContext& context, const std::string& scopes) {
  for (const auto& [scope, contents] : *context.scopeNameMap()) {
    const std::string name = scope, last = name.substr(name.rfind('.') + 1);
    if (scopes.find(last + " ") == std::string::npos || !contents->varsp()) continue;
    for (auto& [variable, value] : *contents->varsp()) {
      const auto* bytes = static_cast<const uint8_t*>(value.datap());
      if (std::string(bytes, bytes + value.totalSize()).find_first_not_of('\0') != std::string::npos) {
        return name + "." + variable;
      }
    }
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::ifstream file(argv[1], std::ios::binary);
  VerilatedContext context;
  context.commandArgs(argc, argv);
  context.randReset(1);  // ones, so that what is not reset shows
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
  check_reset(context, {{".init_q", 1}, {".number_q", 1}, {".mem_q", ~0ull}});
  top.rst_ni = 1;
  Header header;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
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
    if (header.bit < 32 * kIn && words[header.bit / 32] >> header.bit % 32 & 1) {
      const std::string left = unwiped(context, header.scopes);
      if (!left.empty()) {
        std::printf("FAIL at cycle %ld: %s is not wiped\n", cycle, left.c_str());
        status = 1;
        break;
      }
    }
  }
  top.final();
#if VM_COVERAGE
  context.coveragep()->write();
#endif
  return status;
}
