// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Promises of bolt_top after a fault: no host traffic begins, and it stays so.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_top_props (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         fault_o,
  input logic         ar_valid_o,
  input logic         aw_valid_o,
  input logic         slot,
  input logic         claim,
  input logic         idle_o,
  input logic         ans_valid,
  input logic         op_ready,
  input logic [127:0] hash_key_q
);

  // An access from its slot to the claim of its pages: the ring of pages knows nothing of it yet.
  logic front_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) front_q <= 1'b0;
    else if (claim || fault_o) front_q <= 1'b0;
    else if (slot) front_q <= 1'b1;
  end

  a_idle: assert property (@(posedge clk_i) disable iff (!rst_ni) front_q |-> !idle_o);
  a_sticky: assert property (@(posedge clk_i) disable iff (!rst_ni) fault_o |=> fault_o);
  a_traffic: assert property (@(posedge clk_i) disable iff (!rst_ni)
    $past(fault_o) |-> !$rose(ar_valid_o) && !$rose(aw_valid_o));
  a_issue: assert property (@(posedge clk_i) disable iff (!rst_ni) fault_o |-> !slot && !op_ready && !ans_valid);
  a_key: assert property (@(posedge clk_i) disable iff (!rst_ni) fault_o |=> hash_key_q == '0);

endmodule

bind bolt_top bolt_top_props i_props (.*);
