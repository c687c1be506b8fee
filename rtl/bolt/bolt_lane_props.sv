// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Promises of bolt_lane: no plaintext before its page's tag was found right; constant times.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_lane_props (
  input logic clk_i,
  input logic rst_ni,
  input logic clear_i,
  input logic open_i,
  input logic en_i,
  input logic en_q,
  input logic ok_q,
  input logic opening,
  input logic out_valid,
  input logic opened_o,
  input logic merge_i,
  input logic merged_o,
  input logic sealed_o,
  input logic we_o,
  input logic bad_o
);

  logic [15:0] age_q, open_q, seal_q;
  logic        timing_q, sealing_q;

  // Cycles since the page was opened, or merged, and what they were the first time.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      age_q     <= '0;
      open_q    <= '0;
      seal_q    <= '0;
      timing_q  <= 1'b0;
      sealing_q <= 1'b0;
    end else begin
      age_q <= (open_i || merge_i) ? 16'd1 : age_q + 16'd1;
      if (clear_i) begin
        timing_q  <= 1'b0;
        sealing_q <= 1'b0;
      end else begin
        if (open_i) timing_q <= en_i;
        else if (opened_o) timing_q <= 1'b0;
        if (merge_i) sealing_q <= en_q;
        else if (sealed_o) sealing_q <= 1'b0;
        if (timing_q && opened_o && open_q == '0) open_q <= age_q;
        if (sealing_q && sealed_o && seal_q == '0) seal_q <= age_q;
      end
    end
  end

  a_tag_first: assert property (@(posedge clk_i) disable iff (!rst_ni) (opening && out_valid) |-> ok_q);
  a_opened: assert property (@(posedge clk_i) disable iff (!rst_ni) (opened_o && en_q) |-> ok_q);
  a_bad: assert property (@(posedge clk_i) disable iff (!rst_ni) bad_o |-> !opened_o && !out_valid && !we_o);
  a_merge: assert property (@(posedge clk_i) disable iff (!rst_ni) merge_i |-> opened_o);
  a_open: assert property (@(posedge clk_i) disable iff (!rst_ni) open_i |-> sealed_o);
  a_merged: assert property (@(posedge clk_i) disable iff (!rst_ni) (merged_o && !merge_i && en_q) |-> !sealed_o);
  a_open_time: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (timing_q && opened_o && open_q != '0 && !clear_i) |-> age_q == open_q);
  a_seal_time: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (sealing_q && sealed_o && seal_q != '0 && !clear_i) |-> age_q == seal_q);
  a_write: assert property (@(posedge clk_i) disable iff (!rst_ni) we_o |-> sealing_q || clear_i);

endmodule

bind bolt_lane bolt_lane_props i_props (.*);
