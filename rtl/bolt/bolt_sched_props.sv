// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Promises of bolt_sched: slots of one length, whatever is in them, and none after a fault.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_sched_props (
  input logic clk_i,
  input logic rst_ni,
  input logic clear_i,
  input logic slot_o,
  input logic error_o,
  input logic room_i,
  input logic claim_o,
  input logic access_valid_o,
  input logic release_o,
  input logic step_valid_i,
  input logic update_o,
  input logic walk_o,
  input logic append_o
);

  // Cycles since the slot began, and what they were at its first claim and end.
  logic [15:0] age_q, claim_q, length_q;
  logic        busy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      age_q    <= '0;
      claim_q  <= '0;
      length_q <= '0;
      busy_q   <= 1'b0;
    end else begin
      age_q <= slot_o ? 16'd1 : age_q + 16'd1;
      if (slot_o) busy_q <= 1'b1;
      else if (access_valid_o || clear_i) busy_q <= 1'b0;
      if (claim_o && claim_q == '0) claim_q <= age_q;
      if (access_valid_o && length_q == '0) length_q <= age_q;
    end
  end

  a_one: assert property (@(posedge clk_i) disable iff (!rst_ni) slot_o |-> !busy_q && room_i);
  a_claim: assert property (@(posedge clk_i) disable iff (!rst_ni) (claim_o && claim_q != '0) |-> age_q == claim_q);
  a_length: assert property (@(posedge clk_i) disable iff (!rst_ni)
    (access_valid_o && length_q != '0) |-> age_q == length_q);
  a_clear: assert property (@(posedge clk_i) disable iff (!rst_ni) clear_i |-> !slot_o && !access_valid_o);
  a_clear_claim: assert property (@(posedge clk_i) disable iff (!rst_ni) $past(clear_i) |-> !claim_o && !update_o);
  // The walks' steps leave the release port alone when the map's own frame comes back.
  a_release: assert property (@(posedge clk_i) disable iff (!rst_ni)
    step_valid_i |-> release_o && !walk_o && !append_o);
  // A fault in the middle of a slot leaves an answer under way that is nobody's.
  a_error: assert property (@(posedge clk_i) disable iff (!rst_ni) !clear_i |-> !error_o);

endmodule

bind bolt_sched bolt_sched_props i_props (.*);
