// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What bolt_merge promises, and asks for: one page at a time, in a constant time, compact; nothing is left of
// it after a clear.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_merge_props #(
  parameter int unsigned PlainBits = 3968
) (
  input logic                       clk_i,
  input logic                       rst_ni,
  input logic                       clear_i,
  input logic                       start_i,
  input logic                       done_o,
  input logic                       over_o,
  input logic [PlainBits-1:0]       page_o,
  input logic [2*bolt_pkg::Slots-1:0] there_q
);

  localparam int unsigned Cycles = 2 + $clog2(2 * bolt_pkg::Slots);
  logic [Cycles-1:0] busy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)      busy_q <= '0;
    else if (clear_i) busy_q <= '0;
    else              busy_q <= {busy_q[Cycles-2:0], start_i};
  end

  a_in_turn: assert property (@(posedge clk_i) disable iff (!rst_ni || clear_i)
    start_i |-> (busy_q[Cycles-2:0] == '0));
  a_constant_time: assert property (@(posedge clk_i) disable iff (!rst_ni || clear_i)
    done_o == busy_q[Cycles-1]);
  a_compact: assert property (@(posedge clk_i) disable iff (!rst_ni || clear_i)
    (done_o && !over_o) |-> ((there_q & (there_q + 1'b1)) == '0));
  a_wiped: assert property (@(posedge clk_i) disable iff (!rst_ni)
    clear_i |=> (page_o == '0 && !done_o));

endmodule

bind bolt_merge bolt_merge_props #(
  .PlainBits(PlainBits)
) i_props (.*);
