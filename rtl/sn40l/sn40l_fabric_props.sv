// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Protocol of sn40l_fabric: its user configures it and starts it while nothing runs.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module sn40l_fabric_props (
  input logic clk_i,
  input logic rst_ni,
  input logic start_i,
  input logic cfg_valid_i,
  input logic done_o
);

  a_start: assert property (@(posedge clk_i) disable iff (!rst_ni) start_i |-> done_o);
  a_config: assert property (@(posedge clk_i) disable iff (!rst_ni) cfg_valid_i |-> done_o && !start_i);

endmodule

bind sn40l_fabric sn40l_fabric_props i_props (.*);
