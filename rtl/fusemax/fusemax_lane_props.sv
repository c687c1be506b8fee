// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Two writers do not meet in one register of a lane, and registers exist.

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

  a_one_writer: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (down_q.valid && write_reg) |-> down_q.lane != op_q.rd);
  a_down: assert property (@(posedge clk_i) disable iff (!rst_ni)
    down_q.valid |-> {1'b0, down_q.lane} < End);
  a_rd: assert property (@(posedge clk_i) disable iff (!rst_ni) write_reg |-> {1'b0, op_q.rd} < End);

  logic unused_bits;
  assign unused_bits = ^op_q;

endmodule

bind fusemax_lane fusemax_lane_props #(.LaneEntries(LaneEntries)) i_props (.*);
