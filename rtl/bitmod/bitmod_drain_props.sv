// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of bitmod_drain: a group comes only when the one before is through.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bitmod_drain_props (
  input logic clk_i,
  input logic rst_ni,
  input logic load_i,
  input logic scaling_q,
  input logic rowing_q
);

  a_free: assert property (@(posedge clk_i) disable iff (!rst_ni) load_i |-> (!scaling_q && !rowing_q));

endmodule

bind bitmod_drain bitmod_drain_props i_props (.*);
