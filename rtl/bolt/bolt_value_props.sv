// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Promises of bolt_value: a value is at its outputs only in an answer, and an answer only after both pages'
// tags were found right and their new contents committed.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_value_props #(
  parameter int unsigned ValueBits = 128,
  parameter int unsigned LanePairs = 1
) (
  input logic                          clk_i,
  input logic                          rst_ni,
  input logic                          clear_i,
  input logic                          access_valid_i,
  input logic                          queue_ready,
  input logic                          open,
  input logic                          merge,
  input logic                          settle_q,
  input logic                          head_valid,
  input logic [ValueBits-1:0]          head_value,
  input logic [1:0]                    opened,
  input logic [LanePairs-1:0][1:0]     re,
  input logic [LanePairs-1:0][1:0]     we,
  input logic [1:0]                    re_o,
  input logic [1:0]                    we_o,
  input logic                          commit_o,
  input logic                          ans_valid_o,
  input logic [7:0]                    ans_status_o,
  input logic [bolt_pkg::KeyWidth-1:0] ans_key_o,
  input logic [ValueBits-1:0]          ans_value_o,
  input logic                          stash_we_o,
  input logic                          bad_o
);

  // Accesses merged, with both pages opened, whose answers are due.
  logic [1:0] due_q;
  logic       bad_q;
  logic [7:0] cleared_q;  // cycles

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      due_q     <= '0;
      bad_q     <= 1'b0;
      cleared_q <= '0;
    end else begin
      cleared_q <= !clear_i ? '0 : (cleared_q == '1) ? cleared_q : cleared_q + 8'd1;
      due_q <= due_q + 2'(merge && opened == 2'b11) - 2'(ans_valid_o);
      bad_q <= bad_q || bad_o;
    end
  end

  a_answer: assert property (@(posedge clk_i) disable iff (!rst_ni) ans_valid_o |-> $past(commit_o) && due_q != '0);
  a_merge: assert property (@(posedge clk_i) disable iff (!rst_ni) merge |-> opened == 2'b11 && head_valid);
  a_silent: assert property (@(posedge clk_i) disable iff (!rst_ni)
    !ans_valid_o |-> ans_value_o == '0 && ans_key_o == '0 && ans_status_o == '0);
  a_never_after: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (bad_q && $past(bad_q)) |-> !ans_valid_o && !commit_o && !stash_we_o);
  a_clear: assert property (@(posedge clk_i) disable iff (!rst_ni) clear_i |-> !ans_valid_o && !commit_o && !open);
  a_forgets: assert property (@(posedge clk_i) disable iff (!rst_ni) cleared_q == '1 |-> head_value == '0);
  a_room: assert property (@(posedge clk_i) disable iff (!rst_ni) access_valid_i |-> queue_ready);
  // Of the lanes only the pair that opens reads, only the one that seals writes.
  a_turns: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (|re) == (|re_o) && (|we) == (|we_o));
  a_settle: assert property (@(posedge clk_i) disable iff (!rst_ni) settle_q |-> head_valid);

endmodule

bind bolt_value bolt_value_props #(.ValueBits(ValueBits), .LanePairs(LanePairs)) i_props (.*);
