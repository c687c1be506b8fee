// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Room for keys is neither given back twice nor taken twice, and queries fit.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module fusemax_loader_props (
  input logic       clk_i,
  input logic       rst_ni,
  input logic       release_i,
  input logic       kv_we_o,
  input logic       q_we_o,
  input logic [1:0] kv_used_q
);

  a_release: assert property (@(posedge clk_i) disable iff (!rst_ni) release_i |-> kv_used_q != 2'd0);
  a_room: assert property (@(posedge clk_i) disable iff (!rst_ni) kv_we_o |-> kv_used_q < 2'd2);
  a_order: assert property (@(posedge clk_i) disable iff (!rst_ni) !(kv_we_o && q_we_o));

endmodule

bind fusemax_loader fusemax_loader_props i_props (.*);
