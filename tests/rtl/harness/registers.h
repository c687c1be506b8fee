// Registers of a model by name (they are public in these builds): each must hold its reset value after a reset.
// That is zero, but for those named beforehand; all ones there: it is not reset.

#pragma once

#include <cstring>
#include <map>
#include <string>

#include "axi_memory.h"
#include "verilated.h"
#include "verilated_sym_props.h"
#include "verilated_syms.h"

using ResetValues = std::map<std::string, uint64_t>;  // end of the hierarchical name -> value

inline uint64_t expected_reset(const ResetValues& values, const std::string& name) {
  for (const auto& [end, value] : values) {
    if (name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0) return value;
  }
  return 0;
}

// How many registers were looked at.
// Of at most 64 bits, made public for writing.
inline void set_register(VerilatedContext& context, const std::string& end, uint64_t value) {
  for (const auto& [scope_name, scope] : *context.scopeNameMap()) {
    VerilatedVarNameMap* variables = scope->varsp();
    if (!variables) continue;
    for (auto& [name, variable] : *variables) {
      std::string full = std::string(scope_name) + "." + name;
      if (full.size() < end.size() || full.compare(full.size() - end.size(), end.size(), end)) continue;
      std::memcpy(variable.datap(), &value, variable.totalSize());
      return;
    }
  }
  fail("no such register");
}

inline unsigned check_reset(VerilatedContext& context, const ResetValues& values) {
  unsigned count = 0;
  for (const auto& [scope_name, scope] : *context.scopeNameMap()) {
    VerilatedVarNameMap* variables = scope->varsp();
    if (!variables) continue;
    for (auto& [name, variable] : *variables) {
      std::string full = std::string(scope_name) + "." + name;
      std::string text = name;
      if (full.find(".i_props.") != std::string::npos) continue;
      if (text.back() != 'q' && text.rfind("drain_", 0)) continue;
      const uint8_t* data = static_cast<const uint8_t*>(variable.datap());
      uint64_t value = 0;
      bool high = false;
      for (size_t i = 0; i < variable.totalSize(); ++i) {
        if (i < 8) value |= uint64_t(data[i]) << 8 * i;
        else high |= data[i] != 0;
      }
      uint64_t want = expected_reset(values, full);
      if (want == ~uint64_t{0}) continue;
      if (value != want || high) {
        std::fprintf(stderr, "register %s\n", full.c_str());
        fail("after a reset", value, want);
      }
      ++count;
    }
  }
  return count;
}
