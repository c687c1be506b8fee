// What the bench of BOLT's core asks of the driver: registers at reset and after a FAULT, and some begun with
// what no run counts up to. Registers are public in these builds.

#pragma once

#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "registers.h"

// Part -> those of its registers that may hold something after a FAULT: no key, no value, no page.
static const std::map<std::string, std::set<std::string>> kKept = {
    {".i_top", {"started_q", "served_q", "count_q"}},
    {".i_sched",
     {"op_q", "counters_q", "frame_q", "new_frame_q", "new_place_q", "hit_q", "framed_q", "which_q", "full_q"}},
    {".i_value", {}},
    {".i_value.i_accesses", {"head_q", "tail_q", "count_q"}},
    {".i_value.i_frames", {"ask_q", "come_q"}},
    {".i_lane", {"en_q", "bin_q", "counter_q", "in_at_q", "out_at_q"}},
};

inline bool ends_with(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && !name.compare(name.size() - end.size(), end.size(), end);
}

inline void after_reset(VerilatedContext& context) {
  const unsigned count =
      check_reset(context, {{".i_value.i_frames.come_q", 33}, {".number_q", 1}, {".init_q", 1}, {".mem_q", ~0ull}});
  if (count < 60) fail("registers are not public", count, 60);
}

inline void after_fault(VerilatedContext& context) {
  unsigned count = 0;
  for (const auto& [scope_name, scope] : *context.scopeNameMap()) {
    VerilatedVarNameMap* variables = scope->varsp();
    if (!variables) continue;
    for (const auto& [part, kept] : kKept) {
      if (!ends_with(scope_name, part)) continue;
      for (auto& [name, variable] : *variables) {
        const std::string text = name;
        if (kept.count(text) || (!ends_with(text, "_q") && text != "mem")) continue;
        ++count;
        const auto* data = static_cast<const uint8_t*>(variable.datap());
        for (size_t at = 0; at < variable.totalSize(); ++at) {
          if (!data[at]) continue;
          std::fprintf(stderr, "failed: %s.%s is not forgotten\n", scope_name, name);
          std::exit(1);
        }
      }
    }
  }
  if (count < 30) fail("registers are not public", count, 30);
}

inline void begin_register(VerilatedContext& context, const std::string& end, const std::vector<uint8_t>& bytes) {
  for (const auto& [scope_name, scope] : *context.scopeNameMap()) {
    VerilatedVarNameMap* variables = scope->varsp();
    if (!variables) continue;
    for (auto& [name, variable] : *variables) {
      if (!ends_with(std::string(scope_name) + "." + name, end)) continue;
      if (bytes.size() > variable.totalSize()) fail("a register is smaller", variable.totalSize(), bytes.size());
      std::memcpy(variable.datap(), bytes.data(), bytes.size());
      return;
    }
  }
  fail("no such register", 0, 0);
}
