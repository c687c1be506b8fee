// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Where two writers meet in one register of a lane, the operation reads what came up the column before it
// puts its result there: no word is lost unread. Registers exist.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module fusemax_lane_props #(
  parameter int unsigned LaneEntries = 32
) (
  input logic                  clk_i,
  input logic                  rst_ni,
  input fusemax_pkg::lane_op_t op_q,
  input fusemax_pkg::down_t    down_q,
  input logic                  write_reg
);

  localparam logic [5:0] End = 6'(LaneEntries);

  logic reads_down;
  assign reads_down = ~op_q.op[3] && (op_q.b == down_q.lane || (!op_q.a_state && op_q.a == down_q.lane));

  a_no_word_lost: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (down_q.valid && write_reg && down_q.lane == op_q.rd) |-> reads_down);
  a_down: assert property (@(posedge clk_i) disable iff (!rst_ni)
    down_q.valid |-> {1'b0, down_q.lane} < End);
  a_rd: assert property (@(posedge clk_i) disable iff (!rst_ni) write_reg |-> {1'b0, op_q.rd} < End);

  logic unused_bits;
  assign unused_bits = ^op_q;

endmodule

bind fusemax_lane fusemax_lane_props #(.LaneEntries(LaneEntries)) i_props (.*);
