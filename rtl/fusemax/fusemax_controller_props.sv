// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What a program must keep to, seen where its operations are begun.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module fusemax_controller_props #(
  parameter int unsigned E = 64,
  parameter int unsigned F = 64
) (
  input logic                              clk_i,
  input logic                              rst_ni,
  input logic [fusemax_pkg::WordWidth-1:0] word,
  input logic                              word_valid,
  input logic                              advance_o,
  input fusemax_pkg::pe_op_t               pe_op,
  input fusemax_pkg::lane_op_t             program_op
);

  localparam int unsigned IdxWidth = fusemax_pkg::IdxWidth;
  localparam int unsigned StateIdx = fusemax_pkg::StateIdx;

  fusemax_pkg::word_t parts;
  logic               state;

  assign parts = word;
  assign state = parts.row.a_state | parts.row.rd_state | parts.row.b_state;

  // Known operations; division is not for programs.
  a_array_op: assert property (@(posedge clk_i) disable iff (!rst_ni)
    word_valid |-> (parts.array.op <= fusemax_pkg::Op2Macd || (parts.array.op >= fusemax_pkg::Op2Exp0 &&
                                                               parts.array.op <= fusemax_pkg::Op2Exp5)));
  a_row_op: assert property (@(posedge clk_i) disable iff (!rst_ni)
    word_valid |-> (parts.row.op <= fusemax_pkg::Op1Add || (parts.row.op >= fusemax_pkg::Op1Exp0 &&
                                                            parts.row.op <= fusemax_pkg::Op1Exp5)));

  // Indices within the memories.
  a_key: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (word_valid && parts.array.op == fusemax_pkg::Op2Mac) |-> parts.array.idx <= IdxWidth'(E - 1));
  a_value: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (word_valid && parts.array.op == fusemax_pkg::Op2Macd) |-> parts.array.idx <= IdxWidth'(F - 1));
  a_state_idx: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (word_valid && state) |-> parts.row.idx < StateIdx'(F + 2));
  a_one_write: assert property (@(posedge clk_i) disable iff (!rst_ni)
    word_valid |-> !(parts.row.rd_state && parts.row.b_state));

  // Exponentials do not overlap: step k comes after step k - 1, with no other exponential's step between.
  logic [2:0] array_step_q, row_step_q;  // the step that must come next
  logic       array_exp, row_exp;

  assign array_exp = word_valid & advance_o & pe_op.op[3];
  assign row_exp   = word_valid & advance_o & program_op.op[3];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      array_step_q <= '0;
      row_step_q   <= '0;
    end else begin
      if (!word_valid)    array_step_q <= '0;
      else if (array_exp) array_step_q <= (pe_op.op[2:0] == 3'd5) ? 3'd0 : pe_op.op[2:0] + 3'd1;
      if (!word_valid)    row_step_q   <= '0;
      else if (row_exp)   row_step_q   <= (program_op.op[2:0] == 3'd5) ? 3'd0 : program_op.op[2:0] + 3'd1;
    end
  end

  a_array_exp: assert property (@(posedge clk_i) disable iff (!rst_ni)
    array_exp |-> pe_op.op[2:0] == array_step_q);
  a_row_exp: assert property (@(posedge clk_i) disable iff (!rst_ni)
    row_exp |-> program_op.op[2:0] == row_step_q);

  logic unused_bits;
  assign unused_bits = ^{parts, pe_op, program_op};

endmodule

bind fusemax_controller fusemax_controller_props #(.E(E), .F(F)) i_props (.*);
