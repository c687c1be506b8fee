// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What bolt_pm_ctl promises, and asks for: a live key has one entry; a lookup reads twice, an update writes
// once, in turn; a result HbmDeadline + 4 cycles after its lookup.

/* verilator lint_off SYNCASYNCNET */  // assertions read the asynchronous reset at the clock

module bolt_pm_ctl_props #(
  parameter int unsigned CamPlaces   = 16,
  parameter int unsigned HbmDeadline = 128
) (
  input logic                      clk_i,
  input logic                      rst_ni,
  input logic                      clear_i,
  input logic                      init_done_o,
  input logic                      lookup_i,
  input logic                      found_o,
  input logic                      update_i,
  input logic                      write_q,
  input logic [1:0]                ask_q,
  input logic                      arrived_q,
  input logic [bolt_pkg::Ways-1:0] hits0,
  input logic [bolt_pkg::Ways-1:0] hits1,
  input logic [CamPlaces-1:0]      cam_hits
);

  logic looking_q, found_q;  // a lookup is under way; one was answered and waits for its update
  logic [HbmDeadline+3:0] since_q;  // a lookup was so many cycles ago, less one

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      looking_q <= 1'b0;
      found_q   <= 1'b0;
      since_q   <= '0;
    end else begin
      since_q <= clear_i ? '0 : {since_q[HbmDeadline+2:0], lookup_i};
      if (lookup_i)     looking_q <= 1'b1;
      else if (found_o) looking_q <= 1'b0;
      if (update_i || lookup_i) found_q <= 1'b0;
      else if (found_o)         found_q <= 1'b1;
    end
  end

  a_one_entry: assert property (@(posedge clk_i) disable iff (!rst_ni || clear_i)
    arrived_q |-> ($countones({hits0, hits1, cam_hits}) <= 1));
  a_in_turn: assert property (@(posedge clk_i) disable iff (!rst_ni || clear_i)
    lookup_i |-> (init_done_o && !looking_q));
  a_updates_what_was_found: assert property (@(posedge clk_i) disable iff (!rst_ni || clear_i)
    update_i |-> (found_o || found_q));
  a_one_request_a_cycle: assert property (@(posedge clk_i) disable iff (!rst_ni)
    !(write_q && ask_q != '0));
  a_constant_time: assert property (@(posedge clk_i) disable iff (!rst_ni || clear_i)
    found_o == since_q[HbmDeadline+3]);

endmodule

bind bolt_pm_ctl bolt_pm_ctl_props #(
  .CamPlaces  (CamPlaces),
  .HbmDeadline(HbmDeadline)
) i_props (.*);
