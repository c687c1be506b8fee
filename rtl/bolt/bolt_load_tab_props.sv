// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What bolt_load_tab promises, and asks for: no load above Slots, a request at a time.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_load_tab_props (
  input logic                           clk_i,
  input logic                           rst_ni,
  input logic                           init_done_o,
  input logic                           valid_i,
  input logic                           valid_o,
  input logic                           we,
  input logic [bolt_pkg::LoadWidth-1:0] wdata
);

  logic [5:0] since_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) since_q <= '0;
    else         since_q <= {since_q[4:0], valid_i};
  end

  a_at_most_slots: assert property (@(posedge clk_i) disable iff (!rst_ni)
    we |-> (wdata <= bolt_pkg::LoadWidth'(bolt_pkg::Slots)));
  a_in_turn: assert property (@(posedge clk_i) disable iff (!rst_ni)
    valid_i |-> (init_done_o && since_q[4:0] == '0));
  a_constant_time: assert property (@(posedge clk_i) disable iff (!rst_ni) valid_o == since_q[5]);

endmodule

bind bolt_load_tab bolt_load_tab_props i_props (.*);
